// wire/mesh.ts and src/carriers/main-mesh.ts between real threads: nothing is lost, doubled or reordered, nobody hangs,
// and ends of threads are told after what they wrote.
import { afterEach, describe, expect, it } from "vitest";
import { bundle } from "../../harness/bundle.ts";
import { steps } from "../../harness/frames.ts";
import { MeshThreads, type MeshThreadsOptions, type Mode, type Thread } from "./mesh-threads.ts";
import type { MeshStopper } from "./workers/mesh-stopper.ts";

const program = await bundle("test/unit/wire/workers/mesh-end.ts");
const stopper = await bundle("test/unit/wire/workers/mesh-stopper.ts");
const isLong = process.env.TEST_LONG === "1";
const opened: MeshThreads[] = [];
const slots = [1, 2, 3];

function open(options: MeshThreadsOptions): MeshThreads {
  const threads = new MeshThreads(program, options);
  opened.push(threads);
  return threads;
}

afterEach(() => Promise.all(opened.splice(0).map((each) => each.close())));

const modes: Record<"block" | "event" | "mixed", Mode> = {
  block: () => "block",
  event: () => "event",
  mixed: (slot) => (slot % 2 === 0 ? "block" : "event"),
};

describe("the mesh", () => {
  const [many, some, few] = isLong ? [10_000_000, 1_000_000, 100_000] : [1_000_000, 100_000, 10_000];
  const cases = [
    { mode: "mixed", ringBytes: 64 * 1024, payloadMax: 60, frames: many },
    { mode: "block", ringBytes: 64 * 1024, payloadMax: 60, frames: some },
    { mode: "event", ringBytes: 64 * 1024, payloadMax: 60, frames: some },
    // Payloads of all sizes, most of them beside the ring.
    { mode: "mixed", ringBytes: 4096, payloadMax: 20_000, frames: few },
    // Rings of one to three frames; in the first every payload goes beside the ring.
    { mode: "mixed", ringBytes: 64, payloadMax: 28, frames: few },
    { mode: "block", ringBytes: 256, payloadMax: 28, frames: few },
    { mode: "event", ringBytes: 256, payloadMax: 28, frames: few },
    { mode: "mixed", ringBytes: 256, payloadMax: 60, frames: few },
  ] as const;
  // With a small bound much is refused; with the usual one everything waits.
  const bounded = cases.flatMap((each, i) => (i === 0 ? [2000] : [2000, 8 << 20]).map((max) => ({ ...each, max })));

  it.each(bounded)(
    "carries $frames signals among four threads ($mode, rings of $ringBytes, up to $payloadMax bytes, $max may wait)",
    async ({ mode, ringBytes, payloadMax, frames, max }) => {
      // Each of three threads sends to two others and to the main one, which sends as much back: twelve directions.
      const each = Math.ceil(frames / 12);
      const threads = open({ ringBytes, payloadMax, frames: each, backlogBytesMax: max });
      threads.start(slots, modes[mode]);
      await threads.until(() => [...threads.threads.values()].every(({ news }) => news.length > 0));
      expect(threads.wrong).toEqual([]);
      expect([...threads.got.values(), ...threads.sent.values()]).toEqual(Array.from({ length: 6 }, () => each));
      for (const { news } of threads.threads.values()) expect(news).toEqual([{ what: "all" }]);
    },
  );
});

describe("a thread that is terminated at any moment", () => {
  const rounds = isLong ? 400 : 30;

  /** Ends one; resolves when all who had got anything from it have heard of that. */
  async function killOne(threads: MeshThreads, round: number): Promise<{ dead: Thread; others: Thread[] }> {
    const slot = 1 + (round % 3);
    const { pid } = threads.at(slot);
    // From before its first signal to the middle of the exchange.
    if (round % 4 !== 0) await threads.until(() => (threads.got.get(pid) ?? 0) > round % 100);
    for (let turns = (round * 7) % 60; turns > 0; turns--) {
      threads.drain();
      await new Promise((resolve) => setImmediate(resolve));
    }
    const goneBefore = threads.gone.length;
    const dead = await threads.kill(slot);
    const others = slots.filter((each) => each !== slot).map((each) => threads.at(each));
    await threads.until(() =>
      others.every((other) => threads.counted("got", pid, other.pid) === 0 || goneAt(other, pid) !== undefined),
    );
    expect(threads.wrong).toEqual([]);
    if (threads.got.has(pid)) expect(threads.gone.slice(goneBefore)).toEqual([slot]);
    return { dead, others };
  }

  /** What a thread had got from another when it heard that it is gone. */
  function goneAt({ news }: Thread, pid: number): number | undefined {
    const gone = news.find((each) => each.what === "gone" && each.pid === pid);
    return gone?.what === "gone" ? gone.got : undefined;
  }

  it.each(["ticket posted" as const, ...steps])(
    "once its next signal is %s leaves exactly the committed ones, and whoever sleeps for them hears of its end",
    async (step) => {
      for (const wholeFrames of [1, 3, 7]) {
        for (const mode of ["block", "event"] as const) {
          const threads = open({ ringBytes: 256, payloadMax: 60, frames: 0 });
          threads.start([2], modes[mode]);
          const more: MeshStopper = { to: threads.at(2).pid, wholeFrames, step };
          threads.start([1], modes.block, stopper, more);
          const { pid, news } = threads.at(1);
          await threads.until(() => news.length > 0);
          await threads.kill(1);
          await threads.until(() => goneAt(threads.at(2), pid) !== undefined);
          expect(threads.wrong).toEqual([]);
          const isCommitted = step === "committed" || step === "rung";
          expect(goneAt(threads.at(2), pid)).toBe(wholeFrames + (isCommitted ? 1 : 0));
          await threads.close();
        }
      }
    },
  );

  it("loses nothing that it had committed: the others read all of it, and then hear that it has gone", async () => {
    const threads = open({ payloadMax: 60, frames: 2 ** 30, window: 100 });
    threads.start(slots, modes.mixed);
    let exact = 0;
    for (let round = 0; round < rounds; round++) {
      const { dead, others } = await killOne(threads, round);
      const all = [
        { pid: threads.pid, got: threads.got.get(dead.pid) ?? 0 },
        ...others.map((other) => ({ pid: other.pid, got: goneAt(other, dead.pid) ?? 0 })),
      ];
      for (const { pid, got } of all) {
        const sent = threads.counted("sent", dead.pid, pid);
        // The first waits for rings; from the second on, what is sent is committed at once, and then counted.
        if (sent < 2) continue;
        expect(got === sent || got === sent + 1, `${got} of ${sent} from ${dead.pid} to ${pid}`).toBe(true);
        exact++;
      }
      threads.start([1 + (round % 3)], modes.mixed);
    }
    expect(exact).toBeGreaterThan(rounds / 2);
  });

  it.each([64, 256, 65_536])(
    "leaves nobody waiting: rings of %i bytes, full ones too; and the slot's new owner is heard",
    async (ringBytes) => {
      const threads = open({ ringBytes, payloadMax: 60, frames: 2 ** 30, backlogBytesMax: 4000 });
      threads.start(slots, modes.mixed);
      for (let round = 0; round < rounds; round++) {
        const { others } = await killOne(threads, round);
        const slot = 1 + (round % 3);
        threads.start([slot], modes.mixed);
        const pids = [threads.at(slot), ...others].map(({ pid }) => pid);
        const pairs = pids.flatMap((from) => [threads.pid, ...pids].map((to) => [from, to] as const));
        const isHeard = pairs.filter(([from, to]) => from !== to).map(([from, to]) => ({ from, to, got: 0 }));
        for (const each of isHeard) each.got = threads.counted("got", each.from, each.to);
        await threads.until(() => isHeard.every(({ from, to, got }) => threads.counted("got", from, to) > got));
        expect(threads.wrong).toEqual([]);
      }
      // Memory of ended threads' rings was used again: at most those of one thread lie idle.
      expect(threads.mesh.idleRings).toBeLessThanOrEqual(6);
    },
  );
});
