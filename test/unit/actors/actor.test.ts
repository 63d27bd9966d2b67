// actors/actor.ts and actors/instances/instance.ts: fresh is exact, kept keeps, and each way a guest can end costs that
// request only.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { GuestActor } from "../../../actors/actor.ts";
import type { ActorSpec } from "../../../wire/specs.ts";
import { type GuestName, type StateCommand, stateCommands, stateDigests } from "../../guests/guests.ts";
import { readReply } from "../../guests/minimal-host.ts";
import { type Compiled, compile, LocalCarrier, type Ran } from "../../harness/local-carrier.ts";
import { wasm } from "../../harness/modules-fixtures.ts";

const stateGuests = ["state-globals", "state-start", "state-table", "state-segments", "state-refs"] as const;
const compiled = new Map<GuestName, Compiled>();
for (const name of [...stateGuests, "state-entropy", "hostile", "slow", "init-exit"] as const) {
  compiled.set(name, await compile(name));
}
const of = (name: GuestName): Compiled => compiled.get(name) as Compiled;

/** state-globals begins with a NaN, which keeps it from being put back; this one does not. */
const sources = join(import.meta.dirname, "../../guests");
const parts = ["protocol.wat", "state.wat", "state-globals.wat"].map((file) =>
  readFileSync(join(sources, file), "utf8"),
);
const numbers = await compile(wasm(`(module ${parts.join("\n").replace("nan:0x8000000000001", "4.5")})`));
const variants: [string, Compiled][] = [...stateGuests.map((name): [string, Compiled] => [name, of(name)])];
variants.push(["state-globals without a NaN", numbers]);

/** Asks a state-* guest; null digests where it did not reply. */
function ask(carrier: LocalCarrier, actor: GuestActor, commands: readonly StateCommand[]) {
  const ran = carrier.run(actor, { body: stateCommands(commands) });
  const reply = ran.replies[0];
  return { reason: ran.exit.reason, digests: reply === undefined ? null : stateDigests(readReply(reply.bytes).body) };
}

/** True if the instance outlives the request: `settle` puts it back or keeps it. */
function isReused(carrier: LocalCarrier, actor: GuestActor, parts: Parameters<LocalCarrier["run"]>[1] = {}): boolean {
  const ran = carrier.runMessage(actor, carrier.message(7, parts), 7);
  const isReused = actor.settle(ran.exit);
  if (!isReused) actor.start();
  return isReused;
}

const command: fc.Arbitrary<StateCommand> = fc.record({
  operation: fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(1, 2, 4, 16, 17, 18, 19) },
    { weight: 1, arbitrary: fc.constantFrom(3, 5, 6) }, // grow, trap, proc_exit
  ),
  a: fc.oneof(fc.constantFrom(0, 1, 0x7fc0_0001, 0xffff_ffff), fc.nat({ max: 0xffff_ffff })),
  b: fc.oneof(fc.constantFrom(0, 0x7ff8_0000, 0x7ff0_0001), fc.nat({ max: 0xffff_ffff })),
});
const requests = fc.array(fc.array(command, { maxLength: 12 }), { minLength: 1, maxLength: 8 });

describe.each(variants)("fresh: %s", (_name, guest) => {
  it("shows each request what a new instance shows it", () => {
    const carrier = new LocalCarrier();
    fc.assert(
      fc.property(requests, (sequence) => {
        // Two that share what they began as.
        const actors = [carrier.started(guest), carrier.started(guest)] as const;
        for (const [i, commands] of sequence.entries()) {
          const seen = ask(carrier, actors[i % 3 === 2 ? 1 : 0], commands);
          const anew = ask(carrier, carrier.started(guest), commands);
          expect(seen).toEqual(anew);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("finds nothing of an earlier request, by whatever operation that ended", () => {
    const carrier = new LocalCarrier();
    const { before } = ask(carrier, carrier.started(guest), []).digests!;
    const actor = carrier.started(guest);
    for (const operation of [1, 2, 3, 4, 5, 6, 16, 17, 18, 19]) {
      for (const a of [0, 1, 5]) ask(carrier, actor, [{ operation, a, b: 3 }]);
      expect(ask(carrier, actor, []).digests?.before, `after operation ${operation}`).toBe(before);
    }
  });
});

describe("a fresh actor", () => {
  it("puts an instance back only after a normal return with the memory it had", () => {
    const carrier = new LocalCarrier();
    const actor = carrier.started(of("state-start"));
    const reusedAfter = (operation: number, a = 0) =>
      isReused(carrier, actor, { body: stateCommands([{ operation, a, b: 1 }]) });
    expect(reusedAfter(1)).toBe(true);
    expect(reusedAfter(16)).toBe(true);
    expect(reusedAfter(3, 0)).toBe(true); // grown by nothing
    expect(reusedAfter(3, 1)).toBe(false);
    expect(reusedAfter(5)).toBe(false);
    expect(reusedAfter(6, 0)).toBe(false);
    expect(reusedAfter(6, 4)).toBe(false);
    expect(reusedAfter(1)).toBe(true);
  });

  it.each(variants)("puts %s back where that is exact, and only there", (name, guest) => {
    const carrier = new LocalCarrier();
    const isExact = name === "state-start" || guest === numbers;
    expect(isReused(carrier, carrier.started(guest))).toBe(isExact);
  });

  it("never puts a NaN global back, since its payload would be lost, and every other float it does", async () => {
    const guest = (start: string) =>
      compile(
        wasm(`(module
          (global $number (mut f64) (f64.const ${start}))
          (memory (export "memory") 1)
          (func (export "frenezulo_main") (global.set $number (f64.const nan:0x8000000000123))))`),
      );
    const carrier = new LocalCarrier();
    expect(isReused(carrier, carrier.started(await guest("nan:0x8000000000001")))).toBe(false);
    for (const start of ["0", "-0", "1.5", "inf", "-inf"]) {
      const actor = carrier.started(await guest(start));
      expect(isReused(carrier, actor), start).toBe(true);
      expect(isReused(carrier, actor), start).toBe(true);
    }
  });

  it("runs each request in a process of its own: new pid, nothing in the mailbox, no message in hand", async () => {
    const carrier = new LocalCarrier();
    const guest = await compile(
      wasm(`(module
        (import "lunatic::message" "create_data" (func $create_data (param i64 i64)))
        (import "lunatic::message" "send" (func $send (param i64) (result i32)))
        (import "lunatic::process" "process_id" (func $process_id (result i64)))
        (memory (export "memory") 1)
        (func (export "frenezulo_main")
          (call $create_data (i64.const 5) (i64.const 0)) (drop (call $send (call $process_id)))
          (call $create_data (i64.const 5) (i64.const 0))))`),
    );
    const actor = carrier.started(guest);
    const pids = new Set<number>();
    for (let i = 0; i < 5; i++) {
      pids.add(actor.process.pid);
      carrier.run(actor);
      expect(actor.process.mailbox.length).toBe(0);
      expect(actor.process.scratch).toBeNull();
    }
    expect(pids.size).toBe(5);
  });

  it("reads nothing of an earlier message in the bytes that it writes messages into", async () => {
    const carrier = new LocalCarrier();
    const actor = carrier.started(await compile("status"));
    carrier.run(actor, { uri: "/?do=raw", body: Buffer.alloc(9000, 0x55) });
    const { replies } = carrier.run(actor, { uri: "/?do=empty" });
    expect(replies[0]?.bytes.length).toBe(0);
  });

  it.each([
    ["its pid", "(global.set $seen (call $process_id))"],
    ["a message to itself", "(call $create_data (i64.const 1) (i64.const 0)) (drop (call $send (call $process_id)))"],
    ["a message in hand", "(call $create_data (i64.const 1) (i64.const 0))"],
  ])("is made anew where start code left %s", async (_what, code) => {
    const carrier = new LocalCarrier();
    const guest = await compile(
      wasm(`(module
        (import "lunatic::message" "create_data" (func $create_data (param i64 i64)))
        (import "lunatic::message" "send" (func $send (param i64) (result i32)))
        (import "lunatic::process" "process_id" (func $process_id (result i64)))
        (global $seen (mut i64) (i64.const 0))
        (memory (export "memory") 1)
        (func (export "_initialize") ${code})
        (func (export "frenezulo_main")))`),
    );
    const actor = carrier.started(guest, { snapshotEntropy: true });
    for (let i = 0; i < 3; i++) expect(isReused(carrier, actor)).toBe(false);
  });
});

describe("a guest whose start code looked at files", () => {
  it.each([
    ["only at what it is given", "(drop (call $prestat (i32.const 3) (i32.const 64)))", true],
    ["at a file", "(drop (call $stat (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 64)))", false],
    ["and closed a descriptor", "(drop (call $close (i32.const 2)))", false],
  ])("%s", async (_what, code, isKept) => {
    const guest = await compile(
      wasm(`(module
        (import "wasi_snapshot_preview1" "fd_prestat_get" (func $prestat (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
        (import "wasi_snapshot_preview1" "path_filestat_get"
          (func $stat (param i32 i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 0) ".")
        (func (export "_initialize") ${code})
        (func (export "frenezulo_main")))`),
    );
    const carrier = new LocalCarrier();
    const preopens = [{ guest: "tmp", host: "/tmp", isReadOnly: true }];
    const actor = carrier.started(guest, { preopens, snapshotEntropy: true });
    for (let i = 0; i < 3; i++) expect(isReused(carrier, actor)).toBe(isKept);
    actor.end({ reason: "shutdown", text: "" });
    expect(carrier.host.fileBudget.open).toBe(0);
  });
});

describe("a guest that asks for randomness or a clock before its first request", () => {
  const digests = (spec: Partial<ActorSpec>) => {
    const carrier = new LocalCarrier();
    const actor = carrier.started(of("state-entropy"), spec);
    return [1, 2, 3, 4].map(() => ask(carrier, actor, []).digests?.before);
  };

  it("is a new instance with new randomness for each request", () => {
    expect(new Set(digests({ state: "fresh" })).size).toBe(4);
  });

  it("has the same for all requests of an instance if its policy says so, and new after a trap", () => {
    expect(new Set(digests({ state: "fresh", snapshotEntropy: true })).size).toBe(1);
    const carrier = new LocalCarrier();
    const actor = carrier.started(of("state-entropy"), { snapshotEntropy: true });
    const seen = [[], [{ operation: 5, a: 0, b: 0 }], [], []].map((commands) => ask(carrier, actor, commands).digests);
    expect(seen[1]).toBeNull();
    expect(seen[2]?.before).not.toBe(seen[0]?.before);
    expect(seen[3]?.before).toBe(seen[2]?.before);
  });

  it.each([
    ["a clock", "clock_time_get", "(param i32 i64 i32) (result i32)", "(i32.const 1) (i64.const 0) (i32.const 64)"],
    ["randomness", "random_get", "(param i32 i32) (result i32)", "(i32.const 64) (i32.const 8)"],
    [
      "what is due",
      "poll_oneoff",
      "(param i32 i32 i32 i32) (result i32)",
      "(i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)",
    ],
  ])("is known by asking for %s, in the start code only", async (_what, name, type, args) => {
    const guest = (entry: string) =>
      compile(
        wasm(`(module
          (import "wasi_snapshot_preview1" "${name}" (func $ask ${type}))
          (memory (export "memory") 1)
          (func (export "_initialize") ${entry === "_initialize" ? `(drop (call $ask ${args}))` : ""})
          (func (export "frenezulo_main") ${entry === "main" ? `(drop (call $ask ${args}))` : ""}))`),
      );
    const carrier = new LocalCarrier();
    expect(isReused(carrier, carrier.started(await guest("_initialize")))).toBe(false);
    const asks = carrier.started(await guest("main"));
    for (let i = 0; i < 3; i++) expect(isReused(carrier, asks)).toBe(true);
  });
});

describe("a kept actor", () => {
  it("shows each request what the one before left, in the same process", () => {
    const carrier = new LocalCarrier();
    const actor = carrier.started(of("state-globals"), { state: "kept" });
    const { pid } = actor.process;
    let before = ask(carrier, actor, []).digests!.after;
    for (const operation of [1, 2, 3, 4, 16, 17, 18, 19]) {
      const { digests } = ask(carrier, actor, [{ operation, a: 77, b: 78 }]);
      expect(digests?.before).toBe(before);
      before = digests!.after;
    }
    expect(actor.process.pid).toBe(pid);
  });

  it("loses its state where it does not return", () => {
    const carrier = new LocalCarrier();
    for (const operation of [5, 6]) {
      const actor = carrier.started(of("state-globals"), { state: "kept" });
      const first = ask(carrier, actor, [{ operation: 16, a: 9, b: 0 }]).digests!;
      ask(carrier, actor, [{ operation, a: 0, b: 0 }]);
      expect(ask(carrier, actor, []).digests?.before).toBe(first.before);
    }
  });

  it("keeps messages to itself for later, and nothing of the ring", async () => {
    const carrier = new LocalCarrier();
    const guest = await compile(
      wasm(`(module
        (import "lunatic::message" "create_data" (func $create_data (param i64 i64)))
        (import "lunatic::message" "send" (func $send (param i64) (result i32)))
        (import "lunatic::process" "process_id" (func $process_id (result i64)))
        (memory (export "memory") 1)
        (func (export "frenezulo_main")
          (call $create_data (i64.const 5) (i64.const 0)) (drop (call $send (call $process_id)))))`),
    );
    const actor = carrier.started(guest, { state: "kept" });
    for (let i = 1; i <= 3; i++) {
      carrier.run(actor);
      expect(actor.process.mailbox.length).toBe(i);
      expect(actor.process.mailbox.bytes).toBe(0);
    }
  });
});

describe("an actor whose guest ends badly", () => {
  const run = (
    query: string,
    spec: Partial<ActorSpec> = {},
    guest = of("hostile"),
  ): [Ran, LocalCarrier, GuestActor] => {
    const carrier = new LocalCarrier();
    const actor = carrier.started(guest, spec);
    return [carrier.run(actor, { uri: `/?${query}` }), carrier, actor];
  };

  it.each([
    ["do=trap", "trap", /^unreachable/],
    ["do=divide", "trap", /^divide by zero/],
    ["do=bounds", "trap", /^memory access out of bounds/],
    ["do=recursion", "trap", /^(stack exhausted|memory access out of bounds)/],
    ["do=bad-pointer", "trap", /^out of bounds: a host function was given/],
    ["do=no-message", "trap", /^lunatic::message.send without a message$/],
    ["do=pointers", "trap", /^out of bounds/],
    ["do=exit&code=42", "exit", /^42$/],
    ["do=exit&code=0", "normal", /^$/],
  ])("by %s says %s and answers the next", (query, reason, text) => {
    const [{ exit }, carrier, actor] = run(query);
    expect(exit.reason).toBe(reason);
    expect(exit.text).toMatch(text);
    expect(exit.text.split("\n")[0]).not.toMatch(/\p{Cc}/u);
    expect(carrier.run(actor).replies).toHaveLength(1);
  });

  it("says where it trapped in a second line, for the log", () => {
    const [{ exit }] = run("do=trap");
    expect(exit.text).toMatch(/^unreachable\nat .*wasm:\/\//);
  });

  it("says memory where it trapped with its memory nearly used up", async () => {
    const bytes = wasm(`(module
      (memory (export "memory") 1)
      (func (export "frenezulo_main")
        (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable))`);
    const carrier = new LocalCarrier();
    const bomb = carrier.started(await compile(bytes, 1 << 20));
    expect(carrier.run(bomb).exit.reason).toBe("memory");
    expect(run("do=trap")[0].exit.reason).toBe("trap");
  });

  it("keeps a reply that went out before the trap", () => {
    const [{ exit, replies }] = run("do=late&ms=1&then=trap", {}, of("slow"));
    expect([exit.reason, replies.length]).toEqual(["trap", 1]);
  });
});

describe("an actor that does not start", () => {
  it.each([
    ["start-trap", /^unreachable/],
    ["init-trap", /^unreachable/],
    ["segment-trap", /out of bounds/],
    ["init-exit", /^its start code called proc_exit\(4\)$/],
  ] as const)("%s says why", async (name, text) => {
    const carrier = new LocalCarrier();
    const actor = carrier.actor(await compile(name));
    const exit = actor.start();
    expect(exit.reason).toBe("start_failed");
    expect(exit.text).toMatch(text);
    expect(actor.failed).toEqual(exit);
    expect(actor.isReady).toBe(false);
  });

  it("says so where its start function needs the memory, which is not exported yet", async () => {
    const bytes = wasm(`(module
      (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
      (memory (export "memory") 1) (start $begin)
      (func $begin (drop (call $random_get (i32.const 0) (i32.const 8))))
      (func (export "frenezulo_main")))`);
    const carrier = new LocalCarrier();
    const exit = carrier.actor(await compile(bytes)).start();
    expect(exit).toEqual({
      reason: "start_failed",
      text: "a host function needs the memory, which is exported only after the start function",
    });
  });

  it("says so where a proc_exit(0) ends its start code", async () => {
    const bytes = wasm(`(module
      (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
      (memory (export "memory") 1)
      (func (export "_initialize") (call $proc_exit (i32.const 0)))
      (func (export "frenezulo_main")))`);
    const carrier = new LocalCarrier();
    const exit = carrier.actor(await compile(bytes)).start();
    expect(exit).toEqual({ reason: "start_failed", text: "its start code called proc_exit(0)" });
  });
});
