// src/carriers/slots.ts: each living thread has a number of its own.
import { describe, expect, it } from "vitest";
import { Slots, slotsFor } from "../../../src/carriers/slots.ts";

describe("slots", () => {
  it("are counted from 1, each once; one that was given back comes last", () => {
    const slots = new Slots(100);
    const first = slots.take();
    slots.giveBack(first);
    const taken = Array.from({ length: 100 }, () => slots.take());
    expect(taken.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
    expect(taken.at(-1)).toBe(first);
    expect(slots.isEmpty).toBe(true);
    expect(() => slots.take()).toThrow("no more than 100 carriers");
  });

  it("are enough for all threads that may live and for those that end, as far as a pid can name them", () => {
    expect(slotsFor(16)).toBe(80);
    expect(slotsFor(1023)).toBe(1023);
  });
});
