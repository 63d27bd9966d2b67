// Covers supervisors/breaker.ts: when a service's requests are refused, and when they are let through again.
import fc from "fast-check";
import { expect, test } from "vitest";
import { Breaker, type BreakerPolicy } from "../../../supervisors/breaker.ts";

const policy: BreakerPolicy = {
  failures: 10,
  ratio: 0.5,
  windowMs: 10_000,
  backoff: { minMs: 1000, maxMs: 8000, factor: 2, jitter: 0 },
};

function make(change: Partial<BreakerPolicy> = {}): Breaker {
  return new Breaker({ ...policy, ...change }, () => 0);
}

/** Lets requests through one after the other, all at `now`. */
function requests(breaker: Breaker, results: readonly boolean[], now: number): void {
  for (const ok of results) {
    const ticket = breaker.allow(now);
    if (ticket !== 0) breaker.record(ticket, ok, now);
  }
}

const times = (n: number, ok: boolean): boolean[] => Array.from({ length: n }, () => ok);

test("opens at the tenth failure if that is half of the requests", () => {
  const breaker = make();
  requests(breaker, [...times(10, true), ...times(9, false)], 5000);
  expect(breaker.state).toBe("closed");
  requests(breaker, [false], 5000);
  expect(breaker.state).toBe("open");
  expect(breaker.allow(5000)).toBe(0);
});

test("stays closed with many failures among more successes", () => {
  const breaker = make();
  requests(breaker, [...times(41, true), ...times(40, false)], 0);
  expect(breaker.state).toBe("closed");
});

test("stays closed with few requests that all fail", () => {
  const breaker = make();
  requests(breaker, times(9, false), 0);
  expect(breaker.state).toBe("closed");
});

test("failures that have left the window do not count", () => {
  const breaker = make();
  requests(breaker, times(9, false), 0);
  requests(breaker, times(9, false), 10_000);
  expect(breaker.state).toBe("closed");
  requests(breaker, [false], 10_001);
  expect(breaker.state).toBe("open");
});

test("a window that slides drops the oldest tenth first", () => {
  const breaker = make();
  requests(breaker, times(5, false), 500);
  requests(breaker, times(4, false), 9500);
  requests(breaker, times(1, false), 10_500); // the first five are gone
  expect(breaker.state).toBe("closed");
});

test("after the backoff one probe is let through, and its success closes", () => {
  const breaker = make();
  breaker.trip(0);
  expect(breaker.retryAfterMs(400)).toBe(600);
  expect(breaker.allow(999)).toBe(0);
  const probe = breaker.allow(1000);
  expect(probe).not.toBe(0);
  expect(breaker.state).toBe("half_open");
  expect(breaker.allow(1000)).toBe(0);
  breaker.record(probe, true, 1100);
  expect(breaker.state).toBe("closed");
  expect(breaker.retryAfterMs(1100)).toBe(0);
  requests(breaker, times(9, false), 1100);
  expect(breaker.state).toBe("closed");
});

test("a probe that fails opens it for twice as long, up to the maximum", () => {
  const breaker = make();
  breaker.trip(0);
  let now = 0;
  for (const delay of [1000, 2000, 4000, 8000, 8000]) {
    expect(breaker.retryAfterMs(now)).toBe(delay);
    now += delay;
    breaker.record(breaker.allow(now), false, now);
    expect(breaker.state).toBe("open");
  }
});

test("after a success the backoff begins anew", () => {
  const breaker = make();
  breaker.trip(0);
  breaker.record(breaker.allow(1000), false, 1000);
  breaker.record(breaker.allow(3000), true, 3000);
  breaker.trip(5000);
  expect(breaker.retryAfterMs(5000)).toBe(1000);
});

test("results of requests from before it opened neither close nor lengthen it", () => {
  const breaker = make();
  const straggler = breaker.allow(0);
  breaker.trip(0);
  breaker.record(straggler, true, 10);
  expect(breaker.state).toBe("open");
  const probe = breaker.allow(1000);
  breaker.record(straggler, true, 1001);
  expect(breaker.state).toBe("half_open");
  breaker.record(straggler, false, 1001);
  expect(breaker.state).toBe("half_open");
  breaker.record(probe, true, 1002);
  expect(breaker.state).toBe("closed");
});

test("a probe that is never heard of is replaced after a backoff, and its late result is ignored", () => {
  const breaker = make();
  breaker.trip(0);
  const lost = breaker.allow(1000);
  expect(breaker.allow(1999)).toBe(0);
  const next = breaker.allow(2000);
  expect(next).not.toBe(0);
  breaker.record(lost, false, 2001);
  expect(breaker.state).toBe("half_open");
  breaker.record(next, true, 2002);
  expect(breaker.state).toBe("closed");
});

test("giving up while it is open changes nothing; while a probe is out it opens again", () => {
  const breaker = make();
  breaker.trip(0);
  breaker.trip(500);
  expect(breaker.retryAfterMs(500)).toBe(500);
  const probe = breaker.allow(1000);
  breaker.trip(1000);
  expect(breaker.retryAfterMs(1000)).toBe(2000);
  breaker.record(probe, true, 1001);
  expect(breaker.state).toBe("open");
});

test("a changed policy closes it and holds from now on, whatever its window was; results from before do not count", () => {
  const breaker = make({ windowMs: 1000 });
  const late = breaker.allow(1e6);
  requests(breaker, times(10, false), 1e6);
  expect(breaker.state).toBe("open");
  breaker.change({ ...policy, failures: 2, ratio: 1, windowMs: 60_000 });
  expect(breaker.state).toBe("closed");
  breaker.record(late, false, 1e6);
  requests(breaker, [false], 1e6);
  expect(breaker.state).toBe("closed");
  requests(breaker, [false], 1e6 + 59_000 - 6000); // in the longer window, a tenth less
  expect(breaker.state).toBe("open");
  breaker.change({ ...policy, failures: 2, ratio: 1, windowMs: 1000 });
  requests(breaker, [false], 2e6);
  requests(breaker, [false], 2e6 + 2000); // the first has left the shorter window
  expect(breaker.state).toBe("closed");
  expect(() => breaker.change({ ...policy, failures: 0 })).toThrow("at least 1");
});

test("works from any moment of a monotonic clock, fractions included", () => {
  const breaker = make();
  requests(breaker, times(10, false), 123_456_789.25);
  expect(breaker.state).toBe("open");
});

test.each([
  [{ failures: 0 }, "breaker failures must be at least 1"],
  [{ ratio: 1.5 }, "breaker ratio must be from 0 to 1"],
  [{ windowMs: 1 }, "breaker window must be at least 10 ms"],
  [{ backoff: { ...policy.backoff, minMs: 0 } }, "must have a min above 0 ms"],
])("%o is refused", (change, text) => {
  expect(() => make(change)).toThrow(text);
});

test("at any time at most one request is out while it is not closed, and it opens as the window says", () => {
  const event = fc.record({ waitMs: fc.nat(2500), kind: fc.constantFrom("ask", "ok", "bad", "trip"), which: fc.nat() });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 120 }), (events) => {
      const breaker = make({ failures: 3, windowMs: 1000 });
      let now = 0;
      const out: number[] = [];
      for (const { waitMs, kind, which } of events) {
        now += waitMs;
        const before = breaker.state;
        if (kind === "trip") breaker.trip(now);
        else if (kind === "ask") {
          const ticket = breaker.allow(now);
          if (before === "open" && breaker.retryAfterMs(now) > 0 && ticket !== 0)
            expect(breaker.state).toBe("half_open");
          if (ticket !== 0) {
            out.push(ticket);
            if (breaker.state === "half_open") expect(breaker.allow(now)).toBe(0);
          } else expect(before).not.toBe("closed");
        } else if (out.length > 0) {
          const [ticket] = out.splice(which % out.length, 1);
          breaker.record(ticket!, kind === "ok", now);
          if (before === "half_open" && breaker.state === "closed") expect(kind).toBe("ok");
          if (before === "closed" && breaker.state === "open") expect(kind).toBe("bad");
          if (before === "open") expect(breaker.state).toBe("open");
        }
      }
      expect(breaker.retryAfterMs(now)).toBeLessThanOrEqual(policy.backoff.maxMs);
      // It always comes back: after the longest backoff a request that succeeds closes it.
      now += policy.backoff.maxMs;
      breaker.record(breaker.allow(now), true, now);
      expect(breaker.state).toBe("closed");
    }),
  );
});
