// actors/runtime/give-way.ts: who keeps others waiting ends, and nobody else does.
import { describe, expect, it } from "vitest";
import { Process } from "../../../../actors/processes/process.ts";
import { GiveWay } from "../../../../actors/runtime/give-way.ts";

const limits = {
  messagesMax: 10,
  mailboxBytesMax: 1000,
  scratchBytesMax: 1000,
  resourcesMax: 10,
  sendTimeoutMs: 0,
};

/** Asks every 10 ms of the clock for `ms`, of which the thread runs a share. @returns when the process had to end */
function asks(ms: number, share: number, othersWait: () => boolean, turnMs = Number.POSITIVE_INFINITY): number | null {
  let nowMs = 5000;
  const giveWay = new GiveWay(
    () => nowMs * share,
    () => nowMs,
  );
  const process = new Process(1, limits);
  giveWay.begin();
  for (let passed = 0; passed < ms; passed += 10, nowMs += 10) {
    if (passed % turnMs === 0) giveWay.begin();
    giveWay.ask(process, othersWait);
    if (process.dying !== null) {
      expect(process.dying.reason).toBe("hogged");
      return passed;
    }
  }
  return null;
}

describe("a light process that does not give way", () => {
  it("ends when its thread has run for 2.5 s and others wait", () => {
    const endMs = asks(10_000, 1, () => true);
    expect(endMs).toBeGreaterThanOrEqual(2500);
    expect(endMs).toBeLessThanOrEqual(3000);
  });

  it("has longer where its thread gets little time, but not for ever", () => {
    expect(asks(10_000, 0.1, () => true)).toBeGreaterThanOrEqual(4000);
    expect(asks(10_000, Number.NaN, () => true)).toBeGreaterThanOrEqual(4000);
  });

  it("goes on as long as nobody else waits, and while its turns end", () => {
    expect(asks(60_000, 1, () => false)).toBeNull();
    expect(asks(60_000, 1, () => true, 1000)).toBeNull();
  });
});
