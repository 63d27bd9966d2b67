// Covers supervisors/scaling.ts: when a service gets one more actor, and of which kind.
import fc from "fast-check";
import { expect, test } from "vitest";
import { isUnderPressure, type Load, type ScalePolicy, scale } from "../../../supervisors/scaling.ts";

const policy: ScalePolicy = { min: 0, max: 4, pressure: { depth: 4, waitMs: 100 } };
const calm: Load = { residents: 1, bursts: 0, starting: 0, inFlight: 0, queued: 0, serviceTimeMs: 10 };

test("the first request to a cold service starts a resident", () => {
  expect(scale({ ...calm, residents: 0, queued: 1 }, policy)).toBe("resident");
});

test("a cold service without a request stays cold", () => {
  expect(scale({ ...calm, residents: 0 }, policy)).toBe("nothing");
});

test("residents are kept at the minimum without any request", () => {
  expect(scale(calm, { ...policy, min: 2 })).toBe("resident");
  expect(scale({ ...calm, residents: 2 }, { ...policy, min: 2 })).toBe("nothing");
});

test("a resident that is starting counts: the next request waits for it", () => {
  expect(scale({ ...calm, residents: 1, queued: 2 }, policy)).toBe("nothing");
});

test("a request that would wait longer than allowed starts a burst actor", () => {
  const load = { ...calm, inFlight: 1, queued: 1 };
  expect(scale({ ...load, serviceTimeMs: 50 }, policy)).toBe("nothing");
  expect(scale({ ...load, serviceTimeMs: 51 }, policy)).toBe("burst");
});

test("while an actor starts for each request that waits, however long that takes, no more are started", () => {
  const load = { ...calm, bursts: 1, inFlight: 1, queued: 1, serviceTimeMs: 60_000 };
  expect(scale({ ...load, starting: 1 }, policy)).toBe("nothing");
  expect(scale({ ...load, starting: 1, queued: 2 }, policy)).toBe("resident");
  expect(scale(load, policy)).toBe("resident");
});

test("more residents share the wait", () => {
  const load = { ...calm, inFlight: 2, queued: 2, serviceTimeMs: 40 };
  expect(isUnderPressure({ ...load, residents: 1 }, policy)).toBe(true);
  expect(isUnderPressure({ ...load, residents: 2 }, policy)).toBe(false);
});

test("a queue deeper than allowed starts a burst actor, even if nothing is known of the service time", () => {
  expect(scale({ ...calm, queued: 4, serviceTimeMs: 0 }, policy)).toBe("nothing");
  expect(scale({ ...calm, queued: 5, serviceTimeMs: 0 }, policy)).toBe("burst");
});

test("a long request alone is no pressure: nobody waits", () => {
  expect(scale({ ...calm, inFlight: 1, serviceTimeMs: 60_000 }, policy)).toBe("nothing");
});

test("pressure that outlasts the burst actors starts a resident", () => {
  expect(scale({ ...calm, bursts: 1, queued: 5 }, policy)).toBe("resident");
  expect(scale({ ...calm, residents: 2, bursts: 1, queued: 9 }, policy)).toBe("burst");
});

test("nothing goes above max", () => {
  expect(scale({ ...calm, residents: 2, bursts: 2, queued: 1000 }, policy)).toBe("nothing");
  expect(scale({ ...calm, residents: 0, queued: 1 }, { ...policy, max: 0 })).toBe("nothing");
});

test("under any load asking again and again ends, within max, with no one waiting in vain", () => {
  const small = fc.nat(20);
  fc.assert(
    fc.property(
      fc
        .record({ residents: small, bursts: small, inFlight: small, queued: small, serviceTimeMs: fc.nat(1000) })
        .map((load) => ({ ...load, starting: 0 })),
      fc.record({ min: fc.nat(4), more: fc.nat(8), depth: fc.nat(8), waitMs: fc.nat(500) }),
      (given, { min, more, depth, waitMs }) => {
        const limits: ScalePolicy = { min, max: min + more, pressure: { depth, waitMs } };
        let load = given;
        let started = 0;
        for (let next = scale(load, limits); next !== "nothing"; next = scale(load, limits)) {
          started++;
          if (next === "resident") load = { ...load, residents: load.residents + 1 };
          else load = { ...load, bursts: load.bursts + 1 };
          load.starting++;
          expect(load.residents + load.bursts).toBeLessThanOrEqual(limits.max);
          expect(started).toBeLessThanOrEqual(limits.max);
        }
        const isFull = load.residents + load.bursts >= limits.max;
        expect(isFull || load.queued === 0 || load.residents > 0).toBe(true);
        expect(isFull || load.residents >= min).toBe(true);
      },
    ),
  );
});
