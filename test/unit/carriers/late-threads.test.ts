// Covers src/carriers/late-threads.ts, thread-use.ts: a thread that is only slow is no zombie.
import { once } from "node:events";
import { readlinkSync } from "node:fs";
import { Worker } from "node:worker_threads";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Carrier } from "../../../src/carriers/carrier.ts";
import { LateThreads, type Zombie } from "../../../src/carriers/late-threads.ts";
import { type ThreadUse, threadUse } from "../../../src/carriers/thread-use.ts";

const ZOMBIE_MS = 1000;
const carrier = (id: number): Carrier => ({ id, thread: id }) as Carrier;

function watched(uses: Map<number, ThreadUse | null>) {
  const told: Zombie[] = [];
  const use = (thread: number): ThreadUse | null => uses.get(thread) ?? null;
  const threads = new LateThreads({ zombieMs: ZOMBIE_MS, onZombie: (zombie) => told.push(zombie), use });
  return { threads, told };
}

describe("a late thread", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("that gets nothing of the CPU is late, however long that is", () => {
    const uses = new Map([[1, { cpuMs: 500_000, isBlocked: false }]]);
    const { threads, told } = watched(uses);
    threads.add(carrier(1), "bulk: a request ran for more than 200 ms");
    vi.advanceTimersByTime(3_600_000);
    expect([threads.size, threads.zombies, told]).toEqual([1, [], []]);
  });

  it("is a zombie once it has used its time, and the log is told what for", () => {
    const uses = new Map([[7, { cpuMs: 500, isBlocked: false }]]);
    const { threads, told } = watched(uses);
    const seven = carrier(7);
    threads.add(seven, "bulk: a request ran for more than 200 ms");
    for (let cpuMs = 550; cpuMs <= 1500; cpuMs += 50) {
      expect(told).toEqual([]);
      uses.set(7, { cpuMs, isBlocked: false });
      vi.advanceTimersByTime(100);
    }
    const zombie = { carrier: 7, why: "bulk: a request ran for more than 200 ms", usedMs: 1000, blockedMs: 0 };
    expect([told, threads.zombies]).toEqual([[zombie], [zombie]]);
    threads.remove(seven);
    expect([threads.size, threads.zombies]).toEqual([0, []]);
  });

  it("is one when it stays blocked, for longer, and not while the main thread does not look", () => {
    const uses = new Map([[1, { cpuMs: 0, isBlocked: true }]]);
    const { threads, told } = watched(uses);
    threads.add(carrier(1), "");
    vi.advanceTimersByTime(3 * ZOMBIE_MS - 100);
    vi.setSystemTime(Date.now() + 3_600_000); // the machine slept
    expect(told).toEqual([]);
    vi.advanceTimersByTime(100);
    expect(told).toMatchObject([{ usedMs: 0, blockedMs: 3 * ZOMBIE_MS }]);
  });

  it("of which nothing is known is none: it has ended in the kernel, or has never run", () => {
    const { threads, told } = watched(new Map());
    threads.add(carrier(1), "");
    vi.advanceTimersByTime(3_600_000);
    expect(told).toEqual([]);
  });

  it("counts by what it did, whatever else happens, and all are settled when each has ended or is one", async () => {
    const step = fc.record({ usedMs: fc.constantFrom(0, 10, 100, 400), isBlocked: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 100 }), async (steps) => {
        const uses = new Map([[1, { cpuMs: 0, isBlocked: false }]]);
        const { threads, told } = watched(uses);
        const one = carrier(1);
        threads.add(one, "");
        let isSettled = false;
        const settled = threads.settled().then(() => {
          isSettled = true;
        });
        let [cpuMs, blockedMs] = [0, 0];
        for (const { usedMs, isBlocked } of steps) {
          if (told.length === 0) {
            cpuMs += usedMs;
            if (isBlocked && usedMs === 0) blockedMs += 100;
          }
          uses.set(1, { cpuMs, isBlocked });
          await vi.advanceTimersByTimeAsync(100);
          const isZombie = cpuMs >= ZOMBIE_MS || blockedMs >= 3 * ZOMBIE_MS;
          expect([threads.zombies.length, isSettled]).toEqual([isZombie ? 1 : 0, isZombie]);
        }
        threads.remove(one);
        await settled;
        expect(vi.getTimerCount()).toBeLessThanOrEqual(1);
        vi.clearAllTimers();
      }),
      { numRuns: 50 },
    );
  });
});

describe("what the kernel says of a thread", () => {
  const own = (): number => Number(readlinkSync("/proc/thread-self").split("/").at(-1));

  it("is its CPU time, which grows as it works, and that it is not blocked then", () => {
    const before = threadUse(own()) as ThreadUse;
    while ((threadUse(own()) as ThreadUse).cpuMs < before.cpuMs + 50);
    expect(threadUse(own())).toMatchObject({ isBlocked: false });
  });

  it("is that it is blocked where it waits, and nothing once it has ended", async () => {
    const code = `
      const { parentPort } = require("node:worker_threads");
      parentPort.postMessage(require("node:fs").readlinkSync("/proc/thread-self").split("/").at(-1));
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);`;
    const worker = new Worker(code, { eval: true });
    const [thread] = (await once(worker, "message")) as [string];
    while (threadUse(Number(thread))?.isBlocked !== true) await new Promise((resolve) => setTimeout(resolve, 5));
    await worker.terminate();
    while (threadUse(Number(thread)) !== null) await new Promise((resolve) => setTimeout(resolve, 5));
  });
});
