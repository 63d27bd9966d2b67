// Covers supervisors/reaping.ts: which idle actors end, and what the pool needed at most.
import fc from "fast-check";
import { expect, test } from "vitest";
import { Peak, reapable } from "../../../supervisors/reaping.ts";

const idle = (id: string, idleSinceMs: number) => ({ id, work: 0, idleSinceMs });
const busy = (id: string) => ({ id, work: 1, idleSinceMs: 0 });
const policy = { min: 0, idleTimeoutMs: 1000 };

test("an actor is reaped once it has been idle for the time-out, not before", () => {
  expect(reapable([idle("a", 0)], 0, policy, 999)).toEqual([]);
  expect(reapable([idle("a", 0)], 0, policy, 1000)).toHaveLength(1);
});

test("an actor with work is never reaped", () => {
  expect(reapable([busy("a"), busy("b")], 0, policy, 1e9)).toEqual([]);
});

test("the least recently used go first, and as many as the peak stay", () => {
  const actors = [idle("a", 30), idle("b", 10), idle("c", 20), busy("d")];
  expect(reapable(actors, 2, policy, 5000).map(({ id }) => id)).toEqual(["b", "c"]);
});

test("the minimum stays", () => {
  expect(reapable([idle("a", 0), idle("b", 1)], 0, { ...policy, min: 1 }, 5000).map(({ id }) => id)).toEqual(["a"]);
  expect(reapable([idle("a", 0)], 0, { ...policy, min: 3 }, 5000)).toEqual([]);
});

test("with idle_timeout never nothing is reaped", () => {
  expect(reapable([idle("a", 0)], 0, { min: 0, idleTimeoutMs: Number.POSITIVE_INFINITY }, 1e12)).toEqual([]);
});

test("the actors are not reordered for the caller", () => {
  const actors = [idle("a", 30), idle("b", 10)];
  reapable(actors, 0, policy, 5000);
  expect(actors.map(({ id }) => id)).toEqual(["a", "b"]);
});

test("a peak is remembered for the window and forgotten at most a tenth later", () => {
  const peak = new Peak(1000);
  peak.record(5, 50);
  peak.record(1, 60);
  expect(peak.at(60)).toBe(5);
  expect(peak.at(1059)).toBe(5);
  expect(peak.at(1160)).toBe(1);
});

test("a peak counts for the whole window, whenever in a tenth it was", () => {
  for (let atMs = 0; atMs < 2000; atMs += 25) {
    const peak = new Peak(1000);
    peak.record(5, atMs);
    peak.record(0, atMs);
    expect(peak.at(atMs + 999)).toBe(5);
    expect(peak.at(atMs + 1100)).toBe(0);
  }
});

test("what is busy without a break stays the peak", () => {
  const peak = new Peak(1000);
  peak.record(3, 0);
  expect(peak.at(1e7)).toBe(3);
  peak.record(0, 1e7);
  expect(peak.at(1e7 + 900)).toBe(3);
  expect(peak.at(1e7 + 1100)).toBe(0);
});

test("a window that is too short or endless is refused", () => {
  expect(() => new Peak(5)).toThrow("at least 10 ms");
  expect(() => new Peak(Number.POSITIVE_INFINITY)).toThrow("finite");
});

test("the peak lies between that of the window and that of a tenth more", () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ waitMs: fc.nat(400), busy: fc.nat(10) }), { maxLength: 60 }),
      fc.nat(2500),
      (changes, restMs) => {
        const peak = new Peak(1000);
        let now = 0;
        const history: { fromMs: number; busy: number }[] = [{ fromMs: 0, busy: 0 }];
        for (const { waitMs, busy: count } of changes) {
          now += waitMs;
          peak.record(count, now);
          history.push({ fromMs: now, busy: count });
        }
        now += restMs;
        const most = (sinceMs: number) =>
          Math.max(
            ...history
              .filter((_, index) => index === history.length - 1 || history[index + 1]!.fromMs >= sinceMs)
              .map((each) => each.busy),
          );
        expect(peak.at(now)).toBeGreaterThanOrEqual(most(now - 1000 + 1));
        expect(peak.at(now)).toBeLessThanOrEqual(most(now - 1100));
      },
    ),
  );
});
