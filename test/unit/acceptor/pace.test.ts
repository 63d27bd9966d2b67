// Covers src/acceptor/pace.ts, under a clock of its own.
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Pace } from "../../../src/acceptor/pace.ts";

const NEVER = Number.POSITIVE_INFINITY;
const limits = { idleMs: 10_000, rateMin: 1024, totalMs: NEVER };

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setImmediate", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A pace that tells when it was late. */
function begin(options: Partial<typeof limits> = {}, unseenBytes = 0): { pace: Pace; lateAt: () => number } {
  const beganMs = performance.now();
  let atMs = NEVER;
  const pace = new Pace({ ...limits, ...options }, unseenBytes, () => {
    atMs = performance.now() - beganMs;
  });
  return { pace, lateAt: () => atMs };
}

describe("a transfer", () => {
  it("that never moves is late after its idle time", () => {
    const { lateAt } = begin();
    vi.advanceTimersByTime(9_999);
    expect(lateAt()).toBe(NEVER);
    vi.advanceTimersByTime(10);
    expect(lateAt()).toBeLessThan(10_010);
  });

  it("that moved much and then stands still is late after its idle time, not later", () => {
    const { pace, lateAt } = begin();
    pace.moved(100 * 1024 * 1024);
    vi.advanceTimersByTime(5_000);
    pace.moved(1);
    expect(lateAt()).toBe(NEVER);
    vi.advanceTimersByTime(10_100);
    expect(lateAt()).toBeLessThan(10_100);
  });

  it("that drips less than the least rate is late, and one at that rate is not", () => {
    const [dripping, steady] = [begin(), begin()];
    for (let i = 0; i < 1000; i++) {
      vi.advanceTimersByTime(1000);
      dripping.pace.moved(512);
      steady.pace.moved(1024);
    }
    expect(dripping.lateAt()).toBeGreaterThanOrEqual(19_000);
    expect(dripping.lateAt()).toBeLessThan(21_000);
    expect(steady.lateAt()).toBe(NEVER);
  });

  it("that is held is not late, and has its time left when it goes on", () => {
    const { pace, lateAt } = begin();
    vi.advanceTimersByTime(4_000);
    pace.hold();
    vi.advanceTimersByTime(1_000_000);
    pace.resume();
    vi.advanceTimersByTime(5_900);
    expect(lateAt()).toBe(NEVER);
    vi.advanceTimersByTime(200);
    expect(lateAt()).toBeLessThan(1_010_200);
  });

  it("is late at its total, whatever moves and also while it is held", () => {
    for (const isHeld of [false, true]) {
      const { pace, lateAt } = begin({ totalMs: 60_000 });
      if (isHeld) pace.hold();
      for (let i = 0; i < 100; i++) {
        vi.advanceTimersByTime(1000);
        pace.moved(100_000);
      }
      expect(lateAt()).toBeGreaterThanOrEqual(60_000);
      expect(lateAt()).toBeLessThan(61_100);
    }
  });

  it("of which the last bytes cannot be seen has the time that these take at the least rate", () => {
    const { pace, lateAt } = begin({}, 100 * 1024);
    pace.moved(1024 * 1024);
    vi.advanceTimersByTime(109_900);
    expect(lateAt()).toBe(NEVER);
    vi.advanceTimersByTime(200);
    expect(lateAt()).toBeLessThan(110_100);
  });

  it("that has ended is not late", () => {
    const { pace, lateAt } = begin();
    pace.cancel();
    vi.advanceTimersByTime(100_000);
    expect(lateAt()).toBe(NEVER);
  });

  it("whose bytes came while the loop was busy is not late", () => {
    // Both are due in one long turn: the look at the clock, and what the socket has, which is read after it.
    setTimeout(() => setImmediate(() => pace.moved(20_480)), 10_000);
    const { pace, lateAt } = begin();
    vi.advanceTimersByTime(10_001);
    expect(lateAt()).toBe(NEVER);
  });

  it("is late if and only if it fell behind, whatever the order of its bytes", () => {
    const step = fc.record({ ms: fc.integer({ min: 1, max: 8_000 }), bytes: fc.integer({ min: 0, max: 20_000 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { pace, lateAt } = begin();
        let leftMs = 10_000;
        for (const { ms, bytes } of steps) {
          vi.advanceTimersByTime(ms);
          leftMs -= ms;
          if (leftMs <= 0) break;
          pace.moved(bytes);
          leftMs = Math.min(10_000, leftMs + (bytes * 1000) / 1024);
        }
        vi.advanceTimersByTime(5);
        const isLate = lateAt() < NEVER;
        pace.cancel();
        if (Math.abs(leftMs) > 10) expect(isLate).toBe(leftMs <= 0);
      }),
    );
  });
});
