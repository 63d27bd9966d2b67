// Covers supervisors/backoff.ts: how long to wait before the next attempt.
import fc from "fast-check";
import { expect, test } from "vitest";
import { backoffDelayMs } from "../../../supervisors/backoff.ts";

test("the delay grows by the factor up to its maximum", () => {
  const backoff = { minMs: 100, maxMs: 1000, factor: 2, jitter: 0 };
  expect([0, 1, 2, 3, 4, 5].map((attempt) => backoffDelayMs(backoff, attempt, 0.5))).toEqual([
    100, 200, 400, 800, 1000, 1000,
  ]);
});

test("a minimum of 0 means no delay, however often it failed", () => {
  expect(backoffDelayMs({ minMs: 0, maxMs: 1000, factor: 2, jitter: 0.5 }, 5000, 0.5)).toBe(0);
});

test("jitter takes away at most its share", () => {
  const backoff = { minMs: 1000, maxMs: 1000, factor: 1, jitter: 0.25 };
  expect(backoffDelayMs(backoff, 0, 0)).toBe(1000);
  expect(backoffDelayMs(backoff, 0, 0.5)).toBe(875);
  expect(backoffDelayMs(backoff, 0, 0.999999)).toBe(750);
});

test("the delay is a whole number of ms between its bounds after any number of attempts", () => {
  fc.assert(
    fc.property(
      fc.record({
        minMs: fc.nat(10_000),
        more: fc.nat(1_000_000),
        factor: fc.double({ min: 1, max: 10, noNaN: true }),
        jitter: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
      fc.nat(1_000_000),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      ({ minMs, more, factor, jitter }, attempt, random) => {
        const delay = backoffDelayMs({ minMs, maxMs: minMs + more, factor, jitter }, attempt, random);
        expect(Number.isInteger(delay)).toBe(true);
        expect(delay).toBeGreaterThanOrEqual(Math.floor(minMs * (1 - jitter)));
        expect(delay).toBeLessThanOrEqual(minMs + more);
      },
    ),
  );
});
