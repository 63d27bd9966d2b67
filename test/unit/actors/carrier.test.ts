// actors/carrier.ts as a real thread: requests and replies over its rings, control calls, kills at any moment.
import { afterEach, describe, expect, it } from "vitest";
import {
  CLAIM_CANCELLED,
  CLAIM_PENDING,
  CONTROL,
  KIND,
  SEQ_STARTING,
  STATE_CONDEMNED,
  STATE_IDLE,
} from "../../../wire/layout.ts";
import { claimFrame } from "../../../wire/ring.ts";
import type { ActorSpec } from "../../../wire/specs.ts";
import { readReply, requestMessage } from "../../guests/minimal-host.ts";
import { bundle } from "../../harness/bundle.ts";
import { type Compiled, compile, specOf } from "../../harness/local-carrier.ts";
import { wasm } from "../../harness/modules-fixtures.ts";
import { CarrierThread } from "./carrier-thread.ts";

const program = await bundle("actors/carrier.ts");
const [echo, hostile, slow, log, bytes, status] = await Promise.all(
  (["echo-raw", "hostile", "slow", "log", "bytes", "status"] as const).map((name) => compile(name)),
);
const isLong = process.env.TEST_LONG === "1";
const ACTOR = 5;
const started: CarrierThread[] = [];

async function carrierWith(guest: Compiled | undefined, overrides: Partial<ActorSpec> = {}, ringBytes?: number) {
  const carrier = new CarrierThread(program, ringBytes);
  started.push(carrier);
  const why = await carrier.control.start(specOf(guest as Compiled, { pid: ACTOR, ...overrides }));
  expect(why).toBeNull();
  return carrier;
}

afterEach(() => Promise.all(started.splice(0).map((carrier) => carrier.terminate())));

const text = (carrier: CarrierThread, seq: number) => readReply(carrier.replyTo(seq)!.bytes).body.toString();

/** Made anew for each request, and one time in 16 its start code traps. */
const startsByChance = await compile(
  wasm(`(module
    (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "_initialize")
      (drop (call $random_get (i32.const 0) (i32.const 1)))
      (if (i32.eqz (i32.and (i32.load8_u (i32.const 0)) (i32.const 15))) (then unreachable)))
    (func (export "frenezulo_main")))`),
);

describe("a carrier", () => {
  it("answers a request: reply first, then how it ended", async () => {
    const carrier = await carrierWith(echo);
    const message = requestMessage({ pid: 1001, tag: 1001, uri: "/echo" });
    carrier.send(ACTOR, 1, 1001, message);
    await carrier.until(() => carrier.done.length === 1);
    expect(carrier.frames.map(({ kind }) => kind)).toEqual([KIND.reply, KIND.done]);
    expect(readReply(carrier.replyTo(1)!.bytes).body.equals(message)).toBe(true);
    expect(carrier.done).toEqual([{ seq: 1, pid: ACTOR, reason: "normal", text: "" }]);
    expect(carrier.state).toBe(STATE_IDLE);
    expect(carrier.requests.fill).toBe(0);
  });

  it("takes requests in order, from a full ring and after it has slept", async () => {
    const carrier = await carrierWith(echo);
    let seq = 0;
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 300 && carrier.ask(ACTOR, seq + 1, `/${seq}`) >= 0; i++) seq++;
      await carrier.until(() => carrier.done.length === seq);
      await carrier.pause(round * 3);
    }
    expect(carrier.done.map((each) => each.seq)).toEqual(Array.from({ length: seq }, (_, i) => i + 1));
    for (let i = 1; i <= seq; i++) expect(text(carrier, i)).toContain(`/${i - 1}`);
  });

  it("skips what was taken back, whether or not it came by ticket, and says nothing of it", async () => {
    const carrier = await carrierWith(slow);
    carrier.ask(ACTOR, 1, "/?do=spin&ms=300"); // it runs until they are taken back
    const large = Buffer.alloc(200_000);
    const offsets = [carrier.ask(ACTOR, 2), carrier.ask(ACTOR, 3, "/", large), carrier.ask(ACTOR, 4)];
    for (const offset of offsets.slice(0, 2)) {
      expect(claimFrame(carrier.requests.words, offset, CLAIM_PENDING, CLAIM_CANCELLED)).toBe(true);
    }
    await carrier.until(() => carrier.done.length === 2);
    expect(carrier.done.map(({ seq }) => seq)).toEqual([1, 4]);
    expect(claimFrame(carrier.requests.words, offsets[2]!, CLAIM_PENDING, CLAIM_CANCELLED)).toBe(false);
    expect([carrier.state, carrier.requests.fill]).toEqual([STATE_IDLE, 0]);
  });

  it("takes nothing more once it is condemned: idle, or in the middle of a request", async () => {
    const idle = await carrierWith(echo);
    expect(Atomics.compareExchange(idle.words, CONTROL.state, STATE_IDLE, STATE_CONDEMNED)).toBe(STATE_IDLE);
    const offset = idle.ask(ACTOR, 1);
    const busy = await carrierWith(slow);
    busy.ask(ACTOR, 1, "/?do=spin&ms=1000");
    const next = busy.ask(ACTOR, 2);
    await busy.until(() => busy.state === 1);
    expect(Atomics.compareExchange(busy.words, CONTROL.state, 1, STATE_CONDEMNED)).toBe(1);
    await busy.until(() => busy.done.length === 1); // it writes what it had, which nobody counts any more
    await Promise.all([idle.pause(100), busy.pause(100)]);
    for (const [carrier, frame] of [
      [idle, offset],
      [busy, next],
    ] as const) {
      carrier.wake();
      carrier.drain();
      expect(carrier.state).toBe(STATE_CONDEMNED);
      expect(claimFrame(carrier.requests.words, frame, CLAIM_PENDING, CLAIM_CANCELLED)).toBe(true);
    }
    expect([idle.done.length, busy.done.length]).toEqual([0, 1]);
  });

  it("shows what runs: the request's number, or that an actor starts", async () => {
    const carrier = await carrierWith(slow);
    carrier.ask(ACTOR, 77, "/?do=spin&ms=1000");
    await carrier.until(() => carrier.state === 77);
    await carrier.until(() => carrier.done.length === 1);
    void carrier.control.start(specOf(await compile("start-loop"), { pid: 6 })).catch(() => {});
    await carrier.until(() => carrier.state === SEQ_STARTING);
    expect(Atomics.compareExchange(carrier.words, CONTROL.state, SEQ_STARTING, STATE_CONDEMNED)).toBe(SEQ_STARTING);
  });

  it.each([
    ["do=trap", "trap", /^unreachable/],
    ["do=exit&code=3", "exit", /^3$/],
    ["do=exit&code=0", "normal", /^$/],
    ["do=recursion", "trap", /^(stack exhausted|memory access out of bounds)/],
    ["do=scratch-bomb", "trap", /^a message of more than/],
    ["do=self-flood", "trap", /^its own mailbox is full/],
  ])("says how %s ended and serves the next with a new instance", async (query, reason, why) => {
    const carrier = await carrierWith(hostile);
    carrier.ask(ACTOR, 1, `/?${query}`);
    carrier.ask(ACTOR, 2);
    await carrier.until(() => carrier.done.length === 2);
    expect(carrier.done[0]).toMatchObject({ seq: 1, reason });
    expect(carrier.done[0]?.text).toMatch(why);
    expect(carrier.replyTo(1)).toBeUndefined();
    expect(text(carrier, 2)).toBe("survived\n");
    expect(carrier.words[CONTROL.instances]).toBe(1);
  });

  it("cuts a long text of an end, but ends no less", async () => {
    const guest = await compile(
      wasm(`(module
        (import "env" "abort" (func $abort (param i32 i32 i32 i32)))
        (memory (export "memory") 1)
        (func (export "frenezulo_main")
          (memory.fill (i32.const 4) (i32.const 0x20) (i32.const 4096))
          (i32.store (i32.const 0) (i32.const 4096))
          (call $abort (i32.const 4) (i32.const 4) (i32.const 1) (i32.const 2))))`),
    );
    const carrier = await carrierWith(guest);
    carrier.ask(ACTOR, 1);
    await carrier.until(() => carrier.done.length === 1);
    expect(carrier.done[0]?.reason).toBe("trap");
    expect(Buffer.byteLength(carrier.done[0]!.text)).toBe(2048);
  });

  it("says why an actor does not start, and starts another", async () => {
    const carrier = await carrierWith(echo);
    expect(await carrier.control.start(specOf(await compile("init-trap"), { pid: 6 }))).toMatch(/^unreachable/);
    expect(await carrier.control.start(specOf(hostile!, { pid: 7 }))).toBeNull();
    carrier.ask(7, 1);
    carrier.ask(ACTOR, 2);
    await carrier.until(() => carrier.done.length === 2);
    expect(carrier.words[CONTROL.instances]).toBe(2);
    await carrier.control.stop(7);
    expect(carrier.words[CONTROL.instances]).toBe(1);
  });

  it("tells when an actor's next instance cannot be made; later requests stay until they are taken back", async () => {
    const carrier = new CarrierThread(program);
    started.push(carrier);
    while ((await carrier.control.start(specOf(startsByChance, { pid: ACTOR }))) !== null);
    let seq = 0;
    let offset = -1;
    const hasEnded = () => carrier.ended.length > 0;
    while (!hasEnded()) {
      offset = carrier.ask(ACTOR, ++seq);
      await carrier.until(() => carrier.done.length === seq || hasEnded());
    }
    expect(carrier.ended).toMatchObject([{ pid: ACTOR, reason: "start_failed" }]);
    expect(carrier.words[CONTROL.instances]).toBe(0);
    if (carrier.done.length === seq) offset = carrier.ask(ACTOR, ++seq);
    expect(await carrier.control.start(specOf(echo!, { pid: 6 }))).toBeNull();
    carrier.ask(6, seq + 1);
    await carrier.pause(30);
    carrier.drain();
    expect(carrier.done).toHaveLength(seq - 1);
    expect(claimFrame(carrier.requests.words, offset, CLAIM_PENDING, CLAIM_CANCELLED)).toBe(true);
    carrier.wake();
    await carrier.until(() => carrier.done.length === seq);
    expect(carrier.done.at(-1)?.seq).toBe(seq + 1);
  });
});

describe("large payloads", () => {
  it("travel whole in both directions beside the ring, in order with small ones", async () => {
    const carrier = await carrierWith(echo);
    const sizes = [10, 60_000, 65_000, 66_000, 1 << 20, 100, 7 << 20, 20];
    for (const [i, size] of sizes.entries()) {
      expect(carrier.ask(ACTOR, i + 1, "/", Buffer.alloc(size, i + 1))).toBeGreaterThan(0);
    }
    await carrier.until(() => carrier.done.length === sizes.length);
    for (const [i, size] of sizes.entries()) {
      const seen = readReply(carrier.replyTo(i + 1)!.bytes).body;
      const sent = requestMessage({ pid: i + 1001, tag: i + 1001, uri: "/", body: Buffer.alloc(size, i + 1) });
      expect(seen.equals(sent), `${size} bytes`).toBe(true);
    }
  });

  it("of replies are bounded by the scratch message", async () => {
    const carrier = await carrierWith(bytes, { replyBytesMax: 1 << 20 });
    carrier.ask(ACTOR, 1, `/?n=${(1 << 20) + 60_000}`);
    carrier.ask(ACTOR, 2, `/?n=${(1 << 20) + 70_000}`);
    await carrier.until(() => carrier.done.length === 2);
    expect(readReply(carrier.replyTo(1)!.bytes).body.length).toBe((1 << 20) + 60_000);
    expect(carrier.done[1]).toMatchObject({ reason: "trap", text: "a message of more than 1114112 bytes" });
  });
});

describe("a full reply ring", () => {
  it("lets the carrier wait, and nothing is lost", async () => {
    const carrier = await carrierWith(bytes, {}, 4096);
    const requests = 60;
    let sent = 0;
    // About three replies fit: the carrier stands still in the middle of a guest until the ring is read.
    while (sent < requests) {
      while (sent < requests && carrier.ask(ACTOR, sent + 1, `/?n=${900 + sent}`) >= 0) sent++;
      await carrier.pause(sent % 3);
      const before = carrier.frames.length;
      if (sent % 2 === 0) await carrier.until(() => carrier.frames.length > before);
      else carrier.drain();
    }
    await carrier.until(() => carrier.done.length === requests);
    for (let seq = 1; seq <= requests; seq++) {
      expect(readReply(carrier.replyTo(seq)!.bytes).body.length).toBe(899 + seq);
    }
    expect(carrier.done.map(({ seq }) => seq)).toEqual(Array.from({ length: requests }, (_, i) => i + 1));
  });

  it("drops output rather than wait for it, and counts every byte", async () => {
    const carrier = await carrierWith(log, { outputRequestBytesMax: 1 << 20 }, 4096);
    carrier.ask(ACTOR, 1, "/?lines=100&bytes=99");
    // Nobody reads: it drops what is more than a ring holds.
    while (carrier.words[CONTROL.outputDropped]! <= 10_000 - 4096) await carrier.pause(1);
    await carrier.until(() => carrier.done.length === 1);
    expect(text(carrier, 1)).toBe("10000"); // to the guest all is well
    const seen = carrier.output.replace("[output over the limit is dropped]\n", "").length;
    expect(seen).toBeLessThan(4096);
    expect(seen + carrier.words[CONTROL.outputDropped]!).toBe(10_000);
  });
});

describe("a guest's output", () => {
  it("names its stream, comes before the reply, and is cut at 64 KiB a request", async () => {
    const carrier = await carrierWith(log);
    carrier.ask(ACTOR, 1, "/?lines=1&bytes=5&fd=2");
    await carrier.until(() => carrier.done.length === 1);
    expect(carrier.frames.map(({ kind }) => kind)).toEqual([KIND.output, KIND.reply, KIND.done]);
    expect(carrier.frames[0]).toMatchObject({ pid: ACTOR, bytes: Buffer.from("\x02abcde\n") });

    carrier.frames.length = 0;
    for (const seq of [2, 3]) carrier.ask(ACTOR, seq, "/?lines=100&bytes=999");
    await carrier.until(() => carrier.done.length === 2);
    const cut = `[output over the limit is dropped]\n`;
    expect(carrier.output.length).toBe(2 * (65_536 + cut.length));
    expect(carrier.output.split(cut)).toHaveLength(3);
    expect(carrier.words[CONTROL.outputDropped]).toBe(2 * (100_000 - 65_536));
  });

  it("is cut at a limit a second over all requests", async () => {
    const limits = { outputRequestBytesMax: 100_000, outputSecondBytesMax: 20_000 };
    const carrier = await carrierWith(log, limits);
    const requests = 50;
    const began = performance.now();
    for (let seq = 1; seq <= requests; seq++) carrier.ask(ACTOR, seq, "/?lines=1&bytes=999");
    await carrier.until(() => carrier.done.length === requests);
    const seconds = Math.floor((performance.now() - began) / 1000) + 2; // begun ones
    const passed = requests * 1000 - carrier.words[CONTROL.outputDropped]!;
    expect(passed).toBeGreaterThanOrEqual(20_000);
    expect(passed).toBeLessThanOrEqual(20_000 * seconds);
  });

  it("ends a flood by nothing but the deadline, while what goes out stays bounded", async () => {
    const carrier = await carrierWith(hostile);
    carrier.ask(ACTOR, 1, "/?do=log-flood");
    await carrier.until(() => carrier.words[CONTROL.outputDropped]! > 1 << 24);
    expect(carrier.output.length).toBeLessThan(70_000);
    expect(carrier.done).toEqual([]);
  });
});

describe("control calls", () => {
  it("are answered under load, within a bounded number of requests", async () => {
    const carrier = await carrierWith(echo);
    let seq = 0;
    let isAsking = true;
    const load = (async () => {
      while (isAsking) {
        while (carrier.ask(ACTOR, seq + 1) >= 0) seq++;
        carrier.drain();
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    const behind: number[] = [];
    for (let call = 0; call < 20; call++) {
      const before = carrier.done.length;
      await carrier.control.stop(99);
      behind.push(carrier.done.length - before);
    }
    isAsking = false;
    await load;
    await carrier.until(() => carrier.done.length === seq);
    expect(seq).toBeGreaterThan(100);
    // At most what it runs in its 20 ms between two looks, and what lay in the ring: far fewer than this on any
    // machine.
    expect(Math.max(...behind)).toBeLessThan(20_000);
  });

  it("start an actor beside one that is busy with a stream of requests", async () => {
    const carrier = await carrierWith(slow);
    for (let seq = 1; seq <= 40; seq++) carrier.ask(ACTOR, seq, "/?do=spin&ms=250"); // 10 s
    const why = await carrier.control.start(specOf(echo!, { pid: 6 }));
    carrier.drain();
    expect(why).toBeNull();
    expect(carrier.done.length).toBeLessThan(40);
  });
});

describe("a carrier that is terminated", () => {
  /** Whether what can be read is what a carrier may have written: whole frames, in order, each as it must be. */
  const check = (carrier: CarrierThread) => {
    carrier.drain();
    let seq = 1;
    for (const { kind, bytes, about, seq: number } of carrier.frames) {
      if (kind === KIND.output) expect(bytes.toString()).toBe(`\x01${"abcdefghijklmnopqrstuvwxyz".repeat(4)}\n`);
      else if (kind === KIND.reply) {
        expect(about).toBe(seq + 1000);
        const { body, tag, status: code } = readReply(bytes);
        expect([tag, code, body.toString()]).toEqual([seq + 1000, 200, "105"]);
      } else {
        expect([kind, number]).toEqual([KIND.done, seq]);
        seq++;
      }
    }
    return seq - 1;
  };

  it("leaves whole frames, at whatever moment", async () => {
    const kills = isLong ? 2000 : 200;
    let [next, finished, unfinished] = [0, 0, 0];
    const lane = async () => {
      while (next < kills) {
        const kill = next++;
        const carrier = await carrierWith(log);
        let sent = 0;
        // A short while, of another length each time, in which it is fed and read.
        for (let turn = 0; turn < kill % 40; turn++) {
          for (let i = 0; i < 3 && carrier.ask(ACTOR, sent + 1, "/?lines=1&bytes=104") >= 0; i++) sent++;
          if (turn % 3 === 0) carrier.drain();
          await new Promise((resolve) => setImmediate(resolve));
        }
        await carrier.terminate();
        const done = check(carrier);
        expect(done).toBeLessThanOrEqual(sent);
        if (done < sent) unfinished++;
        else finished++;
      }
    };
    await Promise.all([lane(), lane(), lane()]);
    expect(finished + unfinished).toBe(kills);
    expect(unfinished).toBeGreaterThan(kills / 10); // most died at work
  });

  it.each(["do=loop", "do=loop-fill", "do=loop-copy", "do=clock-storm", "do=fd-storm"])(
    "ends a guest in the middle of %s, and earlier answers are all there",
    async (query) => {
      const carrier = await carrierWith(hostile);
      carrier.ask(ACTOR, 1);
      carrier.ask(ACTOR, 2, `/?${query}`);
      carrier.ask(ACTOR, 3);
      await carrier.until(() => carrier.state === 2);
      await carrier.terminate();
      carrier.drain();
      expect(carrier.done.map(({ seq }) => seq)).toEqual([1]);
      expect(text(carrier, 1)).toBe("survived\n");
    },
  );

  it("ends in every blocking call of a guest", async () => {
    for (const query of ["do=sleep&ms=1000000", "do=wait&ms=1000000"]) {
      const carrier = await carrierWith(slow);
      carrier.ask(ACTOR, 1, `/?${query}`);
      await carrier.until(() => carrier.state === 1);
      await carrier.terminate();
      expect(carrier.done).toEqual([]);
    }
    const full = await carrierWith(status, {}, 4096);
    for (let seq = 1; full.ask(ACTOR, seq, "/?do=raw", Buffer.alloc(500)) >= 0; seq++);
    do await full.pause(50);
    while (!full.replies.hasNext);
    await full.terminate(); // it stood in a full ring
    full.drain();
    expect(full.frames.length).toBeGreaterThan(0);
  });
});
