// wire/in-turn.ts: changes begin in order, one at a time, whatever became of those before.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InTurn, InTurnByKey } from "../../../wire/in-turn.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("changes in turn", () => {
  it("begin at once where none is under way, and give what they give", async () => {
    const turns = new InTurn();
    expect(turns.run(() => 1)).toBe(1);
    const told: string[] = [];
    const first = turns.run(async () => {
      told.push("begun");
      await turn();
      told.push("over");
    });
    expect(told).toEqual(["begun"]);
    expect(turns.isIdle).toBe(false);
    expect(turns.run(() => told.push("next"))).toBeInstanceOf(Promise);
    await first;
    await turn();
    expect(told).toEqual(["begun", "over", "next"]);
    expect(turns.isIdle).toBe(true);
  });

  it("run one at a time in the order in which they came, also behind failures", async () => {
    const change = fc.record({ steps: fc.nat(3), fails: fc.boolean(), key: fc.constantFrom("a", "b") });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { maxLength: 12 }), async (changes) => {
        const turns = new InTurnByKey();
        const running = new Map<string, number>();
        const begun: { key: string; at: number }[] = [];
        const ends = changes.map(({ steps, fails, key }, at) =>
          turns.run(key, async () => {
            expect(running.get(key)).toBeUndefined();
            running.set(key, at);
            begun.push({ key, at });
            for (let i = 0; i < steps; i++) await turn();
            running.delete(key);
            if (fails) throw new Error(`change ${at}`);
            return at;
          }),
        );
        const outcomes = await Promise.allSettled(ends);
        outcomes.forEach((outcome, at) => {
          if (changes[at]?.fails)
            expect(outcome).toMatchObject({ status: "rejected", reason: { message: `change ${at}` } });
          else expect(outcome).toEqual({ status: "fulfilled", value: at });
        });
        for (const key of ["a", "b"]) {
          const order = begun.filter((each) => each.key === key).map(({ at }) => at);
          expect(order).toEqual(order.toSorted((a, b) => a - b));
        }
        expect(begun.length).toBe(changes.length);
      }),
    );
  });
});
