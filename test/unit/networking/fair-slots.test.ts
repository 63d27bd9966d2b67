// src/networking/fair-slots.ts: who may begin, and in which order, however much others ask and long they keep it.
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { FairSlots } from "../../../src/networking/fair-slots.ts";

const never = (): AbortSignal => new AbortController().signal;
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function slotsOf(slots: number, part = 1 / 4, waitingMax = 1_000): FairSlots {
  return new FairSlots({ slots, part, waitingMax, what: "things wait" });
}

/** Takes so many; how many have begun is told. */
function asking(slots: FairSlots, environment: number, count: number): { begun: number } {
  const asked = { begun: 0 };
  for (let i = 0; i < count; i++) void slots.take(environment, never()).then(() => asked.begun++);
  return asked;
}

describe("slots", () => {
  it("are given to one environment up to its part of what is left, and the first in any case", async () => {
    const slots = slotsOf(16);
    const much = asking(slots, 1, 100);
    await settled();
    expect(much.begun).toBe(4);
    const others = [2, 3, 4, 5, 6, 7].map((environment) => asking(slots, environment, 100));
    await settled();
    for (const each of others) expect(each.begun).toBeGreaterThanOrEqual(1);
    expect(slots.free).toBeGreaterThan(0);
  });

  it("go round as they become free", async () => {
    const slots = slotsOf(1);
    const order: number[] = [];
    for (const environment of [1, 1, 1, 2, 3]) {
      void slots.take(environment, never()).then(() => {
        order.push(environment);
        setImmediate(() => slots.release(environment));
      });
    }
    while (order.length < 5) await settled();
    expect(order).toEqual([1, 2, 3, 1, 1]);
    await settled();
    expect(slots.free).toBe(1);
  });

  it("are not given to those who have left, and these do not count", async () => {
    const slots = slotsOf(1, 1 / 4, 2);
    const first = asking(slots, 1, 1);
    const leaving = new AbortController();
    const left = slots.take(1, leaving.signal);
    const other = slots.take(1, never());
    await expect(slots.take(1, never())).rejects.toThrow("too many things wait: 2 of this service wait already");
    leaving.abort(new Error("gone"));
    await expect(left).rejects.toThrow("gone");
    await expect(slots.take(1, leaving.signal)).rejects.toThrow("gone");
    slots.release(1);
    await other;
    slots.release(1);
    slots.release(1);
    expect(first.begun).toBe(1);
    expect(slots.free).toBe(1);
  });

  it("have a rate of each environment: a second's at once, then evenly, by the clock", async () => {
    vi.useFakeTimers();
    try {
      const slots = new FairSlots({ slots: 100, part: 1, waitingMax: 1_000, what: "", now: () => Date.now() });
      slots.open(1, 10);
      slots.open(2, 10);
      const asked = asking(slots, 1, 30);
      await vi.advanceTimersByTimeAsync(0);
      expect(asked.begun).toBe(10);
      const free = asking(slots, 2, 3);
      await vi.advanceTimersByTimeAsync(0);
      expect(free.begun).toBe(3);
      for (let i = 0; i < 10; i++) slots.release(1);
      await vi.advanceTimersByTimeAsync(500);
      expect(asked.begun).toBe(15);
      // Having nothing for a moment gives it no further second's worth.
      await vi.advanceTimersByTimeAsync(1_500);
      expect(asked.begun).toBe(30);
      for (let i = 0; i < 20; i++) slots.release(1);
      const again = asking(slots, 1, 30);
      await vi.advanceTimersByTimeAsync(0);
      expect(again.begun).toBeLessThanOrEqual(1);
      slots.forget(1);
      slots.forget(3);
    } finally {
      vi.useRealTimers();
    }
  });

  it("leave one for each that comes, while fewer environments than slots have any; none is lost", async () => {
    const step = fc.record({ environment: fc.integer({ min: 1, max: 10 }), takes: fc.integer({ min: 0, max: 20 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const slots = slotsOf(16);
        const running = new Map<number, number>();
        for (const { environment, takes } of steps) {
          const had = running.get(environment) ?? 0;
          if (takes === 0 && had > 0) {
            running.set(environment, had - 1);
            slots.release(environment);
          }
          for (let i = 0; i < takes; i++) {
            void slots
              .take(environment, never())
              .then(() => running.set(environment, (running.get(environment) ?? 0) + 1));
          }
          await settled();
          const sum = [...running.values()].reduce((a, b) => a + b, 0);
          expect(sum + slots.free).toBe(16);
          if (takes > 0) expect(running.get(environment)).toBeGreaterThan(0);
        }
      }),
      { numRuns: 100 },
    );
  });
});
