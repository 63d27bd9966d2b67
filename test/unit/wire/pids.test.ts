// wire/pids.ts: pids are never used twice, whichever thread takes them, and each names its thread.
import { describe, expect, it } from "vitest";
import { BELL, PIDS } from "../../../wire/layout.ts";
import { Pids, slotOf } from "../../../wire/pids.ts";

describe("pids", () => {
  it("count up from the first", () => {
    const pids = new Pids(new SharedArrayBuffer(BELL.bytes), 0);
    expect([pids.next(), pids.next(), pids.next()]).toEqual([1024, 2048, 3072]);
  });

  it("are never given out twice by sources of one node, over several blocks and from one slot", () => {
    const bell = new SharedArrayBuffer(BELL.bytes);
    const sources = [new Pids(bell, 7), new Pids(bell, 7), new Pids(bell, 7)];
    const taken: number[] = [];
    for (let i = 0; i < PIDS.block * 3 + 5; i++)
      for (const [nth, pids] of sources.entries()) {
        if (i % (nth + 1) === 0) taken.push(pids.next());
      }
    expect(new Set(taken).size).toBe(taken.length);
    expect(taken.every((pid) => Number.isSafeInteger(pid) && pid >= PIDS.first)).toBe(true);
  });

  it("tell the slot of the thread that gave them out, near the end of the counter too", () => {
    const bell = new SharedArrayBuffer(BELL.bytes);
    for (const counted of [0n, 2n ** 43n - 3000n]) {
      new BigInt64Array(bell)[PIDS.counter] = counted;
      for (const slot of [0, 1, 1023]) expect(slotOf(new Pids(bell, slot).next())).toBe(slot);
    }
  });

  it("leave the bell's own word alone", () => {
    const bell = new SharedArrayBuffer(BELL.bytes);
    new Pids(bell, 1023).next();
    expect(new Int32Array(bell)[BELL.asleep]).toBe(0);
  });
});
