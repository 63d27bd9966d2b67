// actors/runtime/timers.ts: calls by time, none too early, none twice, none that was cancelled.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Timers } from "../../../../actors/runtime/timers.ts";

interface Armed {
  readonly id: number;
  readonly atMs: number;
}

describe("timers", () => {
  it("call what is due, in the order of time, and know when the next is", () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ add: fc.nat(50) }) },
      { weight: 2, arbitrary: fc.record({ cancel: fc.nat() }) },
      { weight: 1, arbitrary: fc.record({ pass: fc.nat(20) }) },
    );
    const called: Armed[] = [];
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const timers = new Timers();
        let armed: Armed[] = [];
        let nowMs = 0;
        for (const each of steps) {
          if ("add" in each) {
            const atMs = nowMs + each.add;
            const id = timers.add(atMs, () => called.push({ id, atMs }));
            armed.push({ id, atMs });
          } else if ("cancel" in each) {
            const chosen = armed[each.cancel % Math.max(1, armed.length)];
            if (chosen === undefined) expect(timers.cancel(each.cancel + 1000)).toBe(false);
            else expect(timers.cancel(chosen.id)).toBe(true);
            armed = armed.filter((other) => other !== chosen);
            if (chosen !== undefined) expect(timers.cancel(chosen.id)).toBe(false);
          } else {
            nowMs += each.pass;
            timers.run(nowMs);
            const due = armed.filter(({ atMs }) => atMs <= nowMs);
            expect(called.map(({ id }) => id).sort((a, b) => a - b)).toEqual(due.map(({ id }) => id));
            expect(called.map(({ atMs }) => atMs)).toEqual(due.map(({ atMs }) => atMs).sort((a, b) => a - b));
            for (const { id } of called) expect(timers.cancel(id)).toBe(false);
            armed = armed.filter((other) => !due.includes(other));
            called.length = 0;
          }
          expect(timers.size).toBe(armed.length);
          expect(timers.nextMs).toBe(Math.min(Number.POSITIVE_INFINITY, ...armed.map(({ atMs }) => atMs)));
        }
      }),
    );
  });

  it("keep nothing of those that were cancelled long before their time", () => {
    const timers = new Timers();
    const call = new WeakRef({ call: () => {} });
    for (let i = 0; i < 100_000; i++) timers.cancel(timers.add(1e9 + i, () => call));
    expect([timers.size, timers.nextMs]).toEqual([0, Number.POSITIVE_INFINITY]);
  });

  it("call what a call adds for now, and not what it cancels", () => {
    const timers = new Timers();
    const called: string[] = [];
    timers.add(1, () => {
      called.push("first");
      timers.add(2, () => called.push("added"));
      timers.cancel(cancelled);
    });
    const cancelled = timers.add(2, () => called.push("cancelled"));
    timers.run(2);
    expect(called).toEqual(["first", "added"]);
  });
});
