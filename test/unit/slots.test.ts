// src/slots.ts: each living thread has a number of its own.
import { describe, expect, it } from "vitest";
import { Slots } from "../../src/slots.ts";

describe("slots", () => {
  it("are 1 to 1,023, each once; one that was given back comes last", () => {
    const slots = new Slots();
    const first = slots.take();
    slots.giveBack(first);
    const taken = Array.from({ length: 1023 }, () => slots.take());
    expect(taken.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 1023 }, (_, i) => i + 1));
    expect(taken.at(-1)).toBe(first);
    expect(slots.isEmpty).toBe(true);
    expect(() => slots.take()).toThrow("no more than 1023 carriers");
  });
});
