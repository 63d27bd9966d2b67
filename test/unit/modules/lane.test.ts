// src/modules/lane.ts: one job at a time, the smallest of those that wait first.
import fc from "fast-check";
import { expect, it } from "vitest";
import { Lane } from "../../../src/modules/lane.ts";

it("does one job at a time, the smallest that waits first, equal ones in their order, whatever fails", async () => {
  const jobs = fc.array(fc.record({ size: fc.nat(5), fails: fc.boolean() }), { minLength: 1, maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(jobs, async (given) => {
      const lane = new Lane();
      const begun: number[] = [];
      let running = 0;
      const ended = given.map(({ size, fails }, index) =>
        lane.run(size, async () => {
          begun.push(index);
          expect(++running).toBe(1);
          await new Promise(setImmediate);
          running--;
          if (fails) throw new Error(String(index));
          return index;
        }),
      );
      const results = await Promise.allSettled(ended);
      for (const [index, { fails }] of given.entries())
        expect(results[index]?.status).toBe(fails ? "rejected" : "fulfilled");
      const waited = given.map(({ size }, index) => ({ size, index })).slice(1);
      waited.sort((one, other) => one.size - other.size || one.index - other.index);
      expect(begun).toEqual([0, ...waited.map(({ index }) => index)]);
      expect(await lane.run(0, async () => "again")).toBe("again");
    }),
  );
});
