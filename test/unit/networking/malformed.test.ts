// src/networking: asks with any bytes are answered with a status, and leave nothing behind.
import fc from "fast-check";
import { expect, it } from "vitest";
import { NETWORK, STATUS } from "../../../wire/network.ts";
import { Asking, ENVIRONMENT, networking } from "./fixture.ts";

it("malformed asks get an error, whatever their operation", async () => {
  const guests = networking({ connect: [], listen: [] }, { lookup: async () => [] });
  const op = fc.constantFrom(...Object.values(NETWORK), 0, 7, 0x1ff);
  const large = fc.integer({ min: 0, max: 255 }).map((byte) => new Uint8Array(300_000).fill(byte));
  const payload = fc.oneof({ weight: 9, arbitrary: fc.uint8Array({ maxLength: 80 }) }, { weight: 1, arbitrary: large });
  await fc.assert(
    fc.asyncProperty(op, payload, async (number, bytes) => {
      const answer = await guests.answer(number, new Asking(guests), Buffer.from(bytes));
      // To drop what is gone is no error.
      const statuses = number === NETWORK.drop ? [STATUS.failed, STATUS.ok] : [STATUS.failed, STATUS.timedOut];
      expect(statuses).toContain(answer[0]);
      expect(guests.sockets).toBe(0);
    }),
    { numRuns: 400 },
  );
  guests.closeEnvironment(ENVIRONMENT);
});
