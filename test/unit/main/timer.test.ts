// Covers src/timer.ts: long, endless and impossible durations.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { after, sleep } from "../../../src/timer.ts";

const dayMs = 86_400_000;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test.each([0, 1, 2 ** 31 - 2, 2 ** 31 - 1, 2 ** 31, 30 * dayMs, 100 * dayMs])(
  "a timer of %d ms fires once, then and not a millisecond before",
  (ms) => {
    let fired = 0;
    after(ms, () => fired++);
    vi.advanceTimersByTime(Math.max(0, ms - 1));
    expect(fired).toBe(ms === 0 ? 1 : 0);
    vi.advanceTimersByTime(1);
    expect(fired).toBe(1);
    vi.advanceTimersByTime(200 * dayMs);
    expect(fired).toBe(1);
  },
);

test("never is never, and takes no timer", () => {
  after(Number.POSITIVE_INFINITY, () => expect.unreachable());
  expect(vi.getTimerCount()).toBe(0);
});

test("a cancelled timer does not fire, in its second step neither", () => {
  const timer = after(40 * dayMs, () => expect.unreachable());
  vi.advanceTimersByTime(30 * dayMs);
  timer.cancel();
  timer.cancel();
  expect(vi.getTimerCount()).toBe(0);
  after(5, () => expect.unreachable()).cancel();
  vi.advanceTimersByTime(100 * dayMs);
});

test.each([-1, Number.NaN, Number.NEGATIVE_INFINITY])("a duration of %d is refused", async (ms) => {
  expect(() => after(ms, () => undefined)).toThrow(RangeError);
  await expect(sleep(ms)).rejects.toThrow(RangeError);
});

test("sleep ends after its time", async () => {
  const slept = sleep(30 * dayMs).then(() => "done");
  await vi.advanceTimersByTimeAsync(30 * dayMs);
  expect(await slept).toBe("done");
});

test("an unref'd timer stays so in its later steps", () => {
  vi.useRealTimers();
  const before = process.getActiveResourcesInfo().filter((each) => each === "Timeout").length;
  const timer = after(40 * dayMs, () => undefined).unref();
  expect(process.getActiveResourcesInfo().filter((each) => each === "Timeout").length).toBe(before);
  timer.cancel();
});
