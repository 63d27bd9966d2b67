// actors/pids.ts: pids are never used twice, whichever thread takes them.
import { describe, expect, it } from "vitest";
import { Pids } from "../../../actors/pids.ts";
import { BELL, PIDS } from "../../../actors/wire.ts";

describe("pids", () => {
  it("count up from the first", () => {
    const pids = new Pids(new SharedArrayBuffer(BELL.bytes));
    expect([pids.next(), pids.next(), pids.next()]).toEqual([PIDS.first, PIDS.first + 1, PIDS.first + 2]);
  });

  it("are never given out twice by sources of one node, over several blocks", () => {
    const bell = new SharedArrayBuffer(BELL.bytes);
    const sources = [new Pids(bell), new Pids(bell), new Pids(bell)];
    const taken: number[] = [];
    for (let i = 0; i < PIDS.block * 3 + 5; i++)
      for (const [nth, pids] of sources.entries()) {
        if (i % (nth + 1) === 0) taken.push(pids.next());
      }
    expect(new Set(taken).size).toBe(taken.length);
    expect(taken.every((pid) => Number.isSafeInteger(pid) && pid >= PIDS.first)).toBe(true);
  });

  it("leave the bell's own word alone", () => {
    const bell = new SharedArrayBuffer(BELL.bytes);
    new Pids(bell).next();
    expect(new Int32Array(bell)[BELL.asleep]).toBe(0);
  });
});
