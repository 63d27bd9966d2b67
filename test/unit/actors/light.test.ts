// actors/instances/stack.ts, task.ts and actors/instances/pool.ts with real light modules: what a guest keeps while it
// waits, and that nobody finds anything of another.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileModule } from "../../../src/modules/compile-worker.ts";
import { lighten } from "../../../src/modules/lighten.ts";
import type { CarrierModule } from "../../../wire/specs.ts";
import { Alone, environment } from "../../harness/alone.ts";
import { wasm } from "../../harness/modules-fixtures.ts";

/**
 * `work(to, seed, steps, depth, fate)`: sends a digest of what it finds, changes memory and globals at random, waits
 * `depth` frames deep with its locals full, checks that memory and locals are as they were, and ends by its fate:
 * 0 returns, 1 traps, 2 grows its memory before it waits, 3 waits for ever.
 */
const source = `(module
  (import "lunatic::message" "create_data" (func $create (param i64 i64)))
  (import "lunatic::message" "write_data" (func $write (param i32 i32) (result i32)))
  (import "lunatic::message" "send" (func $send (param i64) (result i32)))
  (import "lunatic::message" "receive" (func $receive (param i32 i32 i64) (result i32)))
  (memory (export "memory") 2 8)
  (global $a (mut i32) (i32.const 7))
  (global $b (mut i64) (i64.const -3))
  (global $c (mut f64) (f64.const 1.5))
  (global $state (mut i32) (i32.const 0))
  (data (i32.const 70000) "some data that a process finds")
  (func $random (result i32)
    (global.set $state (i32.add (i32.mul (global.get $state) (i32.const 1664525)) (i32.const 1013904223)))
    (i32.shr_u (global.get $state) (i32.const 7)))
  (func $digest (result i64)
    (local $at i32) (local $sum i64)
    (local.set $sum (i64.add (global.get $b) (i64.extend_i32_u (global.get $a))))
    (local.set $sum (i64.xor (local.get $sum) (i64.reinterpret_f64 (global.get $c))))
    (loop $next
      (local.set $sum (i64.mul (i64.const 0x100000001b3)
        (i64.xor (local.get $sum) (i64.load (local.get $at)))))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br_if $next (i32.lt_u (local.get $at) (i32.mul (memory.size) (i32.const 65536)))))
    (i64.add (local.get $sum) (i64.extend_i32_u (memory.size))))
  (func $wait (param $depth i32) (param $x i64) (param $ms i64) (result i64)
    (local $y f64) (local $z i64)
    (local.set $y (f64.convert_i64_s (local.get $x)))
    (if (i32.eqz (local.get $depth))
      (then
        (local.set $z (call $digest))
        (drop (call $receive (i32.const 0) (i32.const 0) (local.get $ms)))
        (if (i64.ne (local.get $z) (call $digest)) (then unreachable))
        (return (local.get $x))))
    (local.set $z
      (call $wait (i32.sub (local.get $depth) (i32.const 1)) (i64.add (local.get $x) (i64.const 31)) (local.get $ms)))
    (if (i64.ne (local.get $z) (i64.add (local.get $x) (i64.const 31))) (then unreachable))
    (if (f64.ne (local.get $y) (f64.convert_i64_s (local.get $x))) (then unreachable))
    (i64.sub (local.get $z) (i64.const 31)))
  (func (export "work") (param $to i64) (param $seed i32) (param $steps i32) (param $depth i32) (param $fate i32)
    (local $found i64)
    (local.set $found (call $digest))
    (i64.store (i32.const 131000) (local.get $found))
    (call $create (i64.const 1) (i64.const 0))
    (drop (call $write (i32.const 131000) (i32.const 8)))
    (drop (call $send (local.get $to)))
    (global.set $state (local.get $seed))
    (block $done (loop $next
      (br_if $done (i32.eqz (local.get $steps)))
      (local.set $steps (i32.sub (local.get $steps) (i32.const 1)))
      (i64.store (i32.rem_u (call $random) (i32.const 131064)) (i64.extend_i32_s (call $random)))
      (global.set $a (call $random))
      (global.set $b (i64.extend_i32_s (call $random)))
      (global.set $c (f64.convert_i32_s (call $random)))
      (br $next)))
    (if (i32.eq (local.get $fate) (i32.const 2)) (then (drop (memory.grow (i32.const 1)))))
    (drop (call $wait (local.get $depth) (i64.extend_i32_s (call $random))
      (select (i64.const -1) (i64.const 1) (i32.eq (local.get $fate) (i32.const 3)))))
    (if (i32.eq (local.get $fate) (i32.const 1)) (then unreachable))))`;

/** As by LLVM's linker: stack, then data. `work` digests all from the zone that a leaf may use below its pointer on. */
const linked = `(module
  (import "lunatic::message" "receive" (func $receive (param i32 i32 i64) (result i32)))
  (memory (export "memory") 2 2)
  (global $pointer (mut i32) (i32.const 40000))
  (global (export "__data_end") i32 (i32.const 65600))
  (data (i32.const 65536) "some data")
  (func $digest (result i64)
    (local $at i32) (local $sum i64)
    (local.set $at (i32.sub (global.get $pointer) (i32.const 128)))
    (loop $next
      (local.set $sum (i64.mul (i64.const 0x100000001b3) (i64.xor (local.get $sum) (i64.load (local.get $at)))))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const 131072))))
    (local.get $sum))
  (func $wait (param $depth i32)
    (local $before i64)
    (global.set $pointer (i32.sub (global.get $pointer) (i32.const 16)))
    (i64.store (i32.sub (global.get $pointer) (i32.const 128)) (i64.extend_i32_u (local.get $depth)))
    (i64.store (i32.sub (global.get $pointer) (i32.const 8)) (i64.const -1))
    (local.set $before (call $digest))
    (if (local.get $depth)
      (then (call $wait (i32.sub (local.get $depth) (i32.const 1))))
      (else
        (drop (call $receive (i32.const 0) (i32.const 0) (i64.const 1)))
        (if (i64.ne (local.get $before) (call $digest)) (then unreachable))))
    (global.set $pointer (i32.add (global.get $pointer) (i32.const 16))))
  (func (export "work") (param $depth i32)
    (call $wait (local.get $depth))
    (if (i32.ne (global.get $pointer) (i32.const 40000)) (then unreachable))))`;

async function lightModule(text: string): Promise<CarrierModule> {
  const bytes = new Uint8Array(await lighten(wasm(text)));
  const limits = { memoryBytes: 8 * 65_536, tableElements: 10, light: true, needsEntry: false };
  const outcome = await compileModule({ bytes, limits });
  if (!outcome.ok) throw new Error(JSON.stringify(outcome.details));
  return outcome;
}
const module = await lightModule(source);

const fates = { returns: 0, traps: 1, grows: 2, waits: 3 } as const;

/** A carrier with somebody who gets the digests. */
function carrier() {
  const alone = new Alone();
  const spec = environment(1, { mailboxMessagesMax: 1000, mailboxBytesMax: 100_000 });
  const digests: bigint[] = [];
  const to = alone.bear(spec, function* () {
    for (;;) {
      yield alone.receive();
      const { bytes, start } = alone.carrier.runtime.host.process.scratch!;
      digests.push(new DataView(bytes.buffer, bytes.byteOffset + start).getBigUint64(0, true));
    }
  });
  const work = (seed: number, steps: number, depth: number, fate: number): number =>
    alone.bearWasm(spec, module, "work", [BigInt(to), seed, steps, depth, fate]).process.pid;
  const settle = async (): Promise<void> => {
    alone.run();
    while (alone.carrier.runtime.scheduler.timers.size > 0) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      alone.run();
    }
  };
  return { alone, digests, work, settle };
}

describe("a light process", () => {
  it("finds its memory, globals and locals as they were, wherever others were in between", async () => {
    const job = fc.record({ seed: fc.integer(), steps: fc.nat(40), depth: fc.nat(200) });
    await fc.assert(
      fc.asyncProperty(fc.array(job, { minLength: 1, maxLength: 6 }), async (jobs) => {
        const { alone, work, settle } = carrier();
        const pids = jobs.map(({ seed, steps, depth }) => work(seed, steps, depth, fates.returns));
        await settle();
        for (const pid of pids) expect(alone.exits.get(pid)).toEqual({ reason: "normal", text: "" });
      }),
      { numRuns: 40 },
    );
  });

  it("whose stack is too deep to wait with ends alone, and says why", async () => {
    const { alone, work, settle, digests } = carrier();
    const [before, deep, after] = [work(1, 5, 10, 0), work(2, 5, 5000, 0), work(3, 5, 10, 0)];
    await settle();
    expect(alone.exits.get(deep)?.reason).toBe("trap");
    expect(alone.exits.get(deep)?.text).toMatch(/^its stack is too deep to wait with/);
    for (const pid of [before, after]) expect(alone.exits.get(pid)?.reason).toBe("normal");
    work(4, 5, 10, 0); // of the instance that the deep one had
    await settle();
    expect(new Set(digests).size).toBe(1);
  });

  it("of LLVM's keeps all above its stack pointer and the zone below it, and its stack while others run", async () => {
    const { alone, settle } = carrier();
    const compiled = await lightModule(linked);
    expect(WebAssembly.Module.exports(compiled.module).map(({ name }) => name)).toContain("frenezulo:stack");
    const members = [0, 1, 7, 60, 300].map((depth) => alone.bearWasm(environment(1), compiled, "work", [depth]));
    await settle();
    for (const { process } of members) expect(alone.exits.get(process.pid)).toEqual({ reason: "normal", text: "" });
  });

  it("can wait with a stack of a hundred frames and more", async () => {
    const { alone, work, settle } = carrier();
    const pid = work(1, 5, 300, 0);
    await settle();
    expect(alone.exits.get(pid)).toEqual({ reason: "normal", text: "" });
  });
});

describe("a pool of instances", () => {
  it("gives each process what a new instance is, whatever others did in it and however they ended", async () => {
    const job = fc.record({
      seed: fc.integer(),
      steps: fc.nat(30),
      depth: fc.oneof(fc.nat(50), fc.constant(4000)),
      fate: fc.constantFrom(...Object.values(fates)),
      killed: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(job, { minLength: 1, maxLength: 4 }), { maxLength: 6 }), async (rounds) => {
        const { alone, work, settle, digests } = carrier();
        const { kernel } = alone.carrier.runtime;
        work(0, 0, 0, fates.returns);
        await settle();
        for (const round of rounds) {
          const pids = round.map(({ seed, steps, depth, fate }) => work(seed, steps, depth, fate));
          alone.run(); // all of them wait, or have ended
          round.forEach(({ killed, fate }, i) => {
            const pid = pids[i] as number;
            if (killed || fate === fates.waits) kernel.tell(1, pid, { type: "kill", pid: 0 });
          });
          await settle();
          for (const pid of pids) expect(alone.exits.has(pid)).toBe(true);
        }
        expect(digests.length).toBe(1 + rounds.flat().length);
        expect(new Set(digests).size).toBe(1);
      }),
      { numRuns: 40 },
    );
  });

  it("uses instances again, and keeps no more than it was told of", async () => {
    const { alone, work, settle } = carrier();
    const living = alone.carrier.instances;
    for (let i = 0; i < 50; i++) {
      work(i, 3, 3, fates.returns);
      await settle();
    }
    expect(alone.carrier.instances - living).toBe(1);
    alone.carrier.runtime.pool("wasm")?.trim();
    expect(alone.carrier.instances - living).toBe(0);
  });
});

describe("the end of an environment", () => {
  it("gives up the instances that only it used, those in use included", async () => {
    const { alone, work, settle } = carrier();
    const { runtime } = alone.carrier;
    for (let i = 0; i < 20; i++) work(i, 3, 3, i < 10 ? fates.returns : fates.waits);
    await settle();
    const other = environment(2);
    alone.bearWasm(other, module, "work", [1n, 0, 0, 0, fates.returns]);
    await settle();
    runtime.close(1, { reason: "shutdown", text: "" });
    expect(runtime.pool("wasm")).toBeDefined(); // the other may spawn more
    expect(alone.carrier.instances).toBeGreaterThan(0);
    runtime.close(2, { reason: "shutdown", text: "" });
    expect(runtime.pool("wasm")).toBeUndefined();
    expect(alone.carrier.instances).toBe(0);
  });
});

describe("a turn", () => {
  it("ends soon also where it is spent in host calls, which no reductions count", async () => {
    const calls = await lightModule(`(module
      (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
      (import "lunatic::message" "receive" (func $receive (param i32 i32 i64) (result i32)))
      (memory (export "memory") 2 2)
      (func (export "calls")
        (loop $next
          (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
          (drop (call $random (i32.const 16) (i32.const 65536)))
          (br_if $next (i32.lt_u (i32.load (i32.const 0)) (i32.const 100000))))))`);
    const alone = new Alone();
    const spec = environment(1);
    const one = alone.bearWasm(spec, calls, "calls");
    alone.bearWasm(spec, calls, "calls");
    alone.carrier.runtime.scheduler.runOne();
    const made = one.task?.instance?.memoryBytes.readUInt32LE(0);
    console.log(`${made} calls of random_get in one turn`);
    expect(made).toBeLessThan(20_000);
    alone.carrier.runtime.close(1, { reason: "shutdown", text: "" });
  });
});
