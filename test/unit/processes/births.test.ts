// src/processes/births.ts: processes of requests elsewhere, until they are known to be over.
import { expect, it } from "vitest";
import type { Carrier } from "../../../src/carriers/carrier.ts";
import { Births } from "../../../src/processes/births.ts";

const [one, other] = [1, 2].map((slot) => ({ slot }) as Carrier) as [Carrier, Carrier];

it("a request has processes elsewhere until each carrier has told that all that were made there are over", () => {
  const births = new Births();
  births.begin(7, one);
  births.begin(7, one);
  births.begin(7, other);
  births.begin(8, other);
  births.end(7, one, 1); // told before the second was made
  expect(births.has(7)).toBe(true);
  births.end(7, one, 1);
  expect(births.has(7)).toBe(true);
  births.end(7, other, 1);
  expect([births.has(7), births.has(8)]).toEqual([false, true]);
});

it("the end of a carrier is that of all processes there, and what nobody knows of is nothing", () => {
  const births = new Births();
  for (const root of [7, 8]) for (let i = 0; i < 3; i++) births.begin(root, one);
  births.begin(8, other);
  births.carrierGone(one);
  expect([births.has(7), births.has(8)]).toEqual([false, true]);
  births.end(7, one, 3);
  births.end(9, other, 1);
  births.begin(0, one); // of no request
  expect([births.has(7), births.has(9), births.has(0)]).toEqual([false, false, false]);
});
