// Covers supervisors/strategies.ts: who stops and who starts, in which order.
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Restart } from "../../../supervisors/spec.ts";
import { affected } from "../../../supervisors/strategies.ts";

const child = (id: string, restart: Restart = "permanent") => ({ id, spec: { restart } });
const [a, b, t, c] = [child("a"), child("b"), child("t", "temporary"), child("c", "transient")];
const children = [a, b, t, c];

test("one_for_one touches only the failed child", () => {
  expect(affected("one_for_one", children, b)).toEqual({ stop: [], start: [b] });
});

test("one_for_all stops the others in reverse and starts all but temporary ones in order", () => {
  expect(affected("one_for_all", children, b)).toEqual({ stop: [c, t, a], start: [a, b, c] });
});

test("rest_for_one stops those after the failed child in reverse and starts it and them in order", () => {
  expect(affected("rest_for_one", children, b)).toEqual({ stop: [c, t], start: [b, c] });
  expect(affected("rest_for_one", children, c)).toEqual({ stop: [], start: [c] });
});

test("one_for_one does not even look at the siblings", () => {
  const unreadable: Iterable<typeof a> = {
    [Symbol.iterator]() {
      throw new Error("read");
    },
  };
  expect(affected("one_for_one", unreadable, a).start).toEqual([a]);
});

test("whoever is stopped and may be restarted is started, in the opposite order, and the failed child with them", () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom<Restart>("permanent", "transient", "temporary"), { minLength: 1, maxLength: 12 }),
      fc.nat(),
      fc.constantFrom("one_for_all", "rest_for_one"),
      (restarts, seed, strategy) => {
        const all = restarts.map((restart, index) => child(String(index), restart));
        const failed = all[seed % all.length]!;
        failed.spec.restart = "permanent";
        const { stop, start } = affected(strategy, all, failed);
        const survivors = stop.filter((each) => each.spec.restart !== "temporary").map((each) => Number(each.id));
        expect(start.map((each) => Number(each.id))).toEqual([...survivors, Number(failed.id)].sort((x, y) => x - y));
        expect(survivors).toEqual(survivors.toSorted((x, y) => y - x));
      },
    ),
  );
});
