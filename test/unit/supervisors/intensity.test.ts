// Covers supervisors/intensity.ts: how many restarts within how many seconds are too many.
import fc from "fast-check";
import { expect, test } from "vitest";
import { addRestart } from "../../../supervisors/intensity.ts";

/** Whether each of the restarts at these milliseconds is allowed. */
function allowed(timesMs: readonly number[], maxRestarts: number, maxSeconds: number): boolean[] {
  let times: readonly number[] = [];
  return timesMs.map((nowMs) => {
    const counted = addRestart(times, nowMs, maxRestarts, maxSeconds);
    times = counted.times;
    return counted.allowed;
  });
}

test("I restarts within the window are allowed, one more is not", () => {
  expect(allowed([0, 0, 0, 0], 3, 5)).toEqual([true, true, true, false]);
});

test("with intensity 0 the first restart is one too many", () => {
  expect(allowed([123_456], 0, 5)).toEqual([false]);
});

test("the far edge of the window is included, the second after it is not", () => {
  expect(allowed([0, 5000], 1, 5)).toEqual([true, false]);
  expect(allowed([0, 6000], 1, 5)).toEqual([true, true]);
});

test("time is taken in whole seconds: nearly six seconds can still be five", () => {
  expect(allowed([0, 5999], 1, 5)).toEqual([true, false]);
  expect(allowed([999, 6000], 1, 5)).toEqual([true, true]);
});

test("a restart that has left the window is forgotten", () => {
  expect(allowed([0, 1000, 7000, 8000], 2, 5)).toEqual([true, true, true, true]);
  expect(addRestart([0, 1, 7], 8000, 2, 5).times).toEqual([7, 8]);
});

test("with intensity Infinity nothing is ever too many and nothing is kept", () => {
  let times: readonly number[] = [];
  for (let index = 0; index < 1000; index++) {
    const counted = addRestart(times, 0, Number.POSITIVE_INFINITY, 5);
    expect(counted.allowed).toBe(true);
    times = counted.times;
  }
  expect(times).toEqual([]);
});

test("a restart is allowed exactly if no more than I lie in its window, itself included", () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(20_000), { maxLength: 40 }),
      fc.nat(5),
      fc.integer({ min: 1, max: 6 }),
      (unsorted, maxRestarts, maxSeconds) => {
        const timesMs = unsorted.sort((a, b) => a - b);
        const seconds = timesMs.map((ms) => Math.floor(ms / 1000));
        const expected = seconds.map(
          (second, index) => seconds.slice(0, index + 1).filter((s) => second - s <= maxSeconds).length <= maxRestarts,
        );
        expect(allowed(timesMs, maxRestarts, maxSeconds)).toEqual(expected);
      },
    ),
  );
});
