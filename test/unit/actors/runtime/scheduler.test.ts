// actors/runtime/scheduler.ts: whose turn it is.
import { describe, expect, it } from "vitest";
import { Alone, environment } from "../../../harness/alone.ts";
import type { Program } from "../../../harness/processes-carrier.ts";

const OTHERS = 100;
const ROUNDS = 20;

describe("the scheduler", () => {
  it("gives each process that can run one turn a round, however many never stop", () => {
    const alone = new Alone();
    const spec = environment(1);
    const turns: number[] = [];
    const looper = function* (pid: number): Program {
      for (;;) {
        turns.push(pid);
        yield () => alone.carrier.calls["frenezulo:light"]?.yield?.();
      }
    };
    const pids = Array.from({ length: OTHERS }, () => alone.bear(spec, looper));
    const { scheduler } = alone.carrier.runtime;
    for (let i = 0; i < OTHERS * ROUNDS; i++) expect(scheduler.runOne()).toBe(true);
    for (let round = 0; round < ROUNDS; round++) {
      expect(turns.slice(round * OTHERS, (round + 1) * OTHERS)).toEqual(pids);
    }
  });

  it("lets whoever gets a message in after those who are ready already, not after a looper's whole life", () => {
    const alone = new Alone();
    const spec = environment(1);
    const seen: string[] = [];
    const waiter = alone.bear(spec, function* () {
      yield alone.receive();
      seen.push("got it");
    });
    alone.carrier.runtime.scheduler.runOne();
    for (let i = 0; i < 3; i++) {
      alone.bear(spec, function* () {
        if (i === 0) {
          yield alone.call("message", "create_data", 1n, 0n);
          yield alone.call("message", "send", BigInt(waiter));
        }
        for (;;) {
          seen.push(`loop ${i}`);
          yield () => alone.carrier.calls["frenezulo:light"]?.yield?.();
        }
      });
    }
    for (let i = 0; i < 8; i++) alone.carrier.runtime.scheduler.runOne();
    expect(seen.indexOf("got it")).toBeLessThanOrEqual(5);
    expect(seen).toContain("got it");
  });

  it("ends a looper that is killed at its next look, with nobody else", () => {
    const alone = new Alone();
    const spec = environment(1);
    const looper = (): Program =>
      (function* () {
        for (;;) yield () => alone.carrier.calls["frenezulo:light"]?.yield?.();
      })();
    const [first, second, third] = [1, 2, 3].map(() => alone.bear(spec, looper));
    const { kernel, scheduler } = alone.carrier.runtime;
    for (let i = 0; i < 5; i++) scheduler.runOne();
    kernel.tell(1, second as number, { type: "kill", pid: first as number });
    for (let i = 0; i < 5; i++) scheduler.runOne();
    expect([...alone.exits.keys()]).toEqual([second]);
    expect(kernel.member(first as number) && kernel.member(third as number)).toBeDefined();
  });

  it("forgets the timers of those who are ended while they wait", () => {
    const alone = new Alone();
    const spec = environment(1);
    const pids = Array.from({ length: 10 }, () =>
      alone.bear(spec, function* () {
        yield alone.receive(60_000n);
      }),
    );
    alone.run();
    const { kernel, scheduler } = alone.carrier.runtime;
    expect(scheduler.timers.size).toBe(10);
    for (const pid of pids) kernel.tell(1, pid, { type: "kill", pid: 0 });
    expect([scheduler.timers.size, scheduler.nextMs, alone.size]).toEqual([0, Number.POSITIVE_INFINITY, 0]);
  });
});
