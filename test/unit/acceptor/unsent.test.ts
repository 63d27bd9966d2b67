// Covers src/acceptor/unsent.ts: who waits and who is cut when clients do not take their answers.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Rest, Unsent, UnsentAnswers } from "../../../src/acceptor/unsent.ts";

const limits = { bytes: 1000, serviceShare: 0.5 };

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

function add(unsent: Unsent, holder: UnsentAnswers, bytes: number) {
  const rest = { bytes, sinceMs: performance.now(), taken: 0, isCut: false, cut: () => {} };
  rest.cut = () => {
    rest.isCut = true;
  };
  unsent.add(holder, rest);
  return rest as typeof rest & Rest;
}

describe("a service whose clients take too little", () => {
  it("is full from its part on, and not any more when they have taken some", () => {
    const unsent = new Unsent(limits);
    const [one, other] = [new UnsentAnswers(), new UnsentAnswers()];
    const first = add(unsent, one, 300);
    expect(one.isFull).toBe(false);
    const second = add(unsent, one, 300);
    add(unsent, other, 100);
    expect([one.isFull, other.isFull, unsent.bytes]).toEqual([true, false, 700]);
    unsent.remove(one, first);
    unsent.remove(one, first);
    expect([one.isFull, one.bytes, unsent.bytes]).toEqual([false, 300, 400]);
    unsent.remove(one, second);
    expect([one.bytes, unsent.bytes, unsent.cut]).toEqual([0, 100, 0]);
  });

  it("loses the slowest of them, and no more than are needed", () => {
    const unsent = new Unsent(limits);
    const holder = new UnsentAnswers();
    const rests = [50, 0, 100, 10].map((taken) => Object.assign(add(unsent, holder, 200), { taken }));
    expect(holder.isFull).toBe(true);
    vi.advanceTimersByTime(900);
    expect(unsent.cut).toBe(0);
    vi.advanceTimersByTime(200);
    expect(rests.map(({ isCut }) => isCut)).toEqual([true, true, false, true]);
    expect([holder.isFull, holder.bytes, unsent.cut]).toEqual([false, 200, 3]);
  });

  it("keeps the young, which nobody can judge, and the last one, however large", () => {
    const unsent = new Unsent(limits);
    const holder = new UnsentAnswers();
    const large = add(unsent, holder, 5000);
    vi.advanceTimersByTime(10_000);
    expect([large.isCut, holder.isFull]).toEqual([false, true]);
    const young = add(unsent, holder, 100);
    vi.advanceTimersByTime(500);
    expect(young.isCut).toBe(false);
    vi.advanceTimersByTime(20_000);
    expect([large.isCut, young.isCut]).toEqual([true, false]);
    expect(holder.isFull).toBe(false);
  });
});

describe("the node", () => {
  it("when it holds too much, gives each service an even part: who has less goes on", () => {
    const unsent = new Unsent({ bytes: 1000, serviceShare: 0.5 });
    const holders = Array.from({ length: 4 }, () => new UnsentAnswers());
    for (const holder of holders.slice(0, 3)) for (let i = 0; i < 4; i++) add(unsent, holder, 100);
    add(unsent, holders[3] as UnsentAnswers, 100);
    expect(holders.map(({ isFull }) => isFull)).toEqual([true, true, true, false]);
    vi.advanceTimersByTime(1_100);
    expect(unsent.bytes).toBeLessThan(1000);
    expect(holders.map(({ isFull }) => isFull)).toEqual([false, false, false, false]);
    expect(holders[3]?.bytes).toBe(100);
  });
});
