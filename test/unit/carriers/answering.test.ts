// src/carriers/answering.ts: each ask has one answer, whatever becomes of it, unless its process ends before its turn.
import { describe, expect, it } from "vitest";
import { type Asker, AskServer } from "../../../src/carriers/answering.ts";
import { Slices } from "../../../src/carriers/slices.ts";
import { ANSWER } from "../../../wire/asks.ts";

const asker = (pid: number, slot = 1, environment = 1): Asker => ({ environment, pid, slot });
const told = (answer: Buffer): [number, string] => [answer[0] as number, answer.toString("utf8", 1)];

describe("an ask", () => {
  it("is answered, also if it cannot be done", async () => {
    const asks = new AskServer();
    asks.on(1, (_, payload) => Buffer.from(`got ${payload}`));
    asks.on(2, async () => Buffer.from("later"));
    asks.on(3, () => {
      throw new RangeError("3 bytes of a payload that has 2 left");
    });
    asks.on(4, () => Promise.reject(new Error("later no")));
    expect(() => asks.on(4, () => Buffer.alloc(0))).toThrow("operation 4 has a handler");
    const ask = async (op: number) => told(await asks.answer(op, asker(7), Buffer.from("this")));
    expect(await ask(1)).toEqual([ANSWER.ok, "got this"]);
    expect(await ask(2)).toEqual([ANSWER.ok, "later"]);
    expect(await ask(3)).toEqual([ANSWER.failed, "3 bytes of a payload that has 2 left"]);
    expect(await ask(4)).toEqual([ANSWER.failed, "later no"]);
    expect(await ask(5)).toEqual([ANSWER.failed, "there is no operation 5"]);
  });

  it("is begun in its turn, one environment's after another's, and not for a process or carrier that has ended", async () => {
    let clock = 0;
    const asks = new AskServer(new Slices({ sliceMs: 1, now: () => clock }));
    const begun: number[] = [];
    asks.on(1, ({ pid }) => {
      begun.push(pid);
      clock += 5;
      return Buffer.alloc(0);
    });
    const ask = (from: Asker): void => void asks.answer(1, from, Buffer.alloc(0));
    for (let pid = 1; pid <= 5; pid++) ask(asker(pid));
    ask(asker(6, 2));
    ask(asker(7, 1, 2));
    asks.forget(asker(3));
    asks.forgetSlot(2);
    while (asks.slices.waiting > 0) await new Promise((resolve) => setImmediate(resolve));
    expect(begun.filter((pid) => pid < 7)).toEqual([1, 2, 4, 5]);
    expect(begun.indexOf(7)).toBeLessThanOrEqual(2);
  });
});
