// src/carriers/slices.ts: the time of the main thread that environments share, by a clock that the work itself moves.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Owner, Slices } from "../../../src/carriers/slices.ts";

const ownerOf = (environment: number, pid = 0, slot = 1): Owner => ({ environment, pid, slot });
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Work moves the clock. */
function slicesOf(sliceMs: number): { slices: Slices; work: (ms: number, done?: () => void) => () => void } {
  let clock = 0;
  return {
    slices: new Slices({ sliceMs, now: () => clock }),
    work: (ms, done) => () => {
      clock += ms;
      done?.();
    },
  };
}

describe("slices", () => {
  it("do at once what there is time for, and give what it gives or throws", async () => {
    const slices = new Slices();
    expect(slices.run(ownerOf(1), () => 7)).toBe(7);
    expect(() =>
      slices.run(ownerOf(1), () => {
        throw new Error("no");
      }),
    ).toThrow("no");
    const { slices: spent, work } = slicesOf(1);
    spent.run(ownerOf(1), work(5));
    const later = spent.run(ownerOf(1), () => 8);
    expect(later).toBeInstanceOf(Promise);
    expect(await later).toBe(8);
    spent.run(ownerOf(1), work(5));
    await expect(
      spent.run(ownerOf(1), () => {
        throw new Error("later");
      }),
    ).rejects.toThrow("later");
  });

  it("let the loop do all else between them", async () => {
    const { slices, work } = slicesOf(2);
    let done = 0;
    for (let i = 0; i < 100; i++)
      void slices.run(
        ownerOf(1),
        work(1, () => void done++),
      );
    const seen: number[] = [];
    while (slices.waiting > 0) {
      seen.push(done);
      await turn();
    }
    for (const [i, count] of seen.entries()) expect(count - (seen[i - 1] ?? 0)).toBeLessThanOrEqual(2);
    expect(done).toBe(100);
  });

  it("count what a task costs afterwards", async () => {
    const { slices, work } = slicesOf(2);
    let done = 0;
    for (let i = 0; i < 10; i++)
      void slices.run(
        ownerOf(1),
        work(0, () => void done++),
        2,
      );
    for (let i = 1; i <= 10; i++) {
      expect(done).toBe(i);
      await turn();
    }
  });

  it("do one task at least a turn, however long", async () => {
    const { slices, work } = slicesOf(2);
    let done = 0;
    for (let i = 0; i < 10; i++)
      void slices.run(
        ownerOf(1),
        work(50, () => void done++),
      );
    for (let i = 0; i < 10; i++) await turn();
    expect(done).toBe(10);
  });

  it("share the time between environments, not the number of their tasks", async () => {
    const { slices, work } = slicesOf(2);
    const took = new Map<number, number>();
    const ask = (environment: number, ms: number): void =>
      void slices.run(
        ownerOf(environment),
        work(ms, () => took.set(environment, (took.get(environment) ?? 0) + ms)),
      );
    for (let i = 0; i < 1_000; i++) ask(1, 5);
    for (let i = 0; i < 400; i++) ask(2, 0.05);
    while ((took.get(2) ?? 0) < 19.9) await turn();
    // 20 ms of the one's were done; the other had as much, and the task that was begun.
    expect(took.get(1)).toBeLessThanOrEqual(2 * 20 + 5);
  });

  it("drop what a process or a carrier waits for when it ends", async () => {
    const { slices, work } = slicesOf(1);
    const done: number[] = [];
    slices.run(ownerOf(1), work(1));
    for (const [pid, slot] of [
      [1, 1],
      [2, 1],
      [3, 2],
      [4, 2],
      [0, 2],
    ] as const)
      void slices.run(ownerOf(1, pid, slot), () => void done.push(pid));
    slices.endProcess(1);
    slices.endProcess(99);
    slices.endSlot(2);
    while (slices.waiting > 0) await turn();
    expect(done).toEqual([2, 0]);
    slices.endProcess(2);
  });

  it("do all, each environment's in its order, and a task of who asks little before those of who asks much", async () => {
    const asked = fc.array(
      fc.record({ environment: fc.integer({ min: 1, max: 4 }), ms: fc.constantFrom(0, 0.3, 1, 7) }),
    );
    await fc.assert(
      fc.asyncProperty(asked, async (tasks) => {
        const { slices, work } = slicesOf(2);
        slices.run(ownerOf(9), work(2));
        const done: { environment: number; at: number }[] = [];
        for (const [at, { environment, ms }] of tasks.entries()) {
          void slices.run(
            ownerOf(environment),
            work(ms, () => void done.push({ environment, at })),
          );
        }
        while (slices.waiting > 0) await turn();
        expect(done.map(({ at }) => at).sort((a, b) => a - b)).toEqual(tasks.map((_, at) => at));
        for (const environment of [1, 2, 3, 4]) {
          const order = done.filter((each) => each.environment === environment).map(({ at }) => at);
          expect(order).toEqual([...order].sort((a, b) => a - b));
        }
        // The first of each environment: nobody has more than one quantum and one task before it.
        const first = done.findIndex(({ environment }) => environment === done.at(-1)?.environment);
        const before = new Map<number, number>();
        for (const { environment, at } of done.slice(0, first)) {
          before.set(environment, (before.get(environment) ?? 0) + (tasks[at]?.ms ?? 0));
        }
        for (const ms of before.values()) expect(ms).toBeLessThanOrEqual(0.5 + 7);
      }),
      { numRuns: 60 },
    );
  });
});
