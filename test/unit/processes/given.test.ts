// src/processes/given.ts: modules that guests give count until nothing of them is left, and the oldest go first.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type GivenBudget, GivenModules } from "../../../src/processes/given.ts";

const MEMORY = 6000;

interface Stage {
  readonly given: GivenModules;
  readonly budget: GivenBudget;
  readonly held: () => number;
  /** Digests that a process runs. */
  readonly running: Set<string>;
}

function stage(budget: GivenBudget = { bytes: 0, max: 1600 }): Stage {
  let held = 0;
  const running = new Set<string>();
  const given = new GivenModules({
    budget,
    hold: (change) => {
      held += change;
    },
    hasRoomFor: (bytes) => held + bytes <= MEMORY,
    drop: (digest) => Promise.resolve(!running.has(digest)),
  });
  return { given, budget, held: () => held, running };
}

describe("modules that guests give", () => {
  it("give way to younger ones, and count no more", async () => {
    const { given, held } = stage();
    await given.add("a", new Uint8Array(400));
    await given.add("b", new Uint8Array(400));
    expect(held()).toBe(4800);
    await given.add("c", new Uint8Array(300));
    expect([given.get("a"), given.get("b")?.length, given.get("c")?.length]).toEqual([undefined, 400, 300]);
    expect(held()).toBe(4200);
  });

  it("count as long as a process runs them: then there is no room for others", async () => {
    const { given, held, running } = stage();
    await given.add("a", new Uint8Array(700));
    running.add("a");
    await expect(given.add("b", new Uint8Array(700))).rejects.toThrow("no room for a module of 700 bytes");
    expect(held()).toBe(4200);
    running.delete("a");
    await given.add("b", new Uint8Array(700));
    expect(held()).toBe(4200);
  });

  it("are 64 at most, those that still run included", async () => {
    const { given, running } = stage();
    for (let i = 0; i < 64; i++) {
      running.add(`${i}`);
      await given.add(`${i}`, new Uint8Array(1));
    }
    for (let i = 64; i < 127; i++) await given.add(`${i}`, new Uint8Array(1));
    await expect(given.add("one more", new Uint8Array(1))).rejects.toThrow("no room");
  });

  it("of one environment leave half of what the node may have to others, and give it back with its end", async () => {
    const budget = { bytes: 0, max: 1000 };
    const [one, other] = [stage(budget), stage(budget)];
    await one.given.add("a", new Uint8Array(500));
    await expect(one.given.add("b", new Uint8Array(600))).rejects.toThrow("no room");
    await other.given.add("c", new Uint8Array(400));
    expect(budget.bytes).toBe(400);
    one.given.close();
    other.given.close();
    expect([budget.bytes, one.held(), other.held()]).toEqual([0, 0, 0]);
  });

  it("never count less than is kept, nor more than may be, whatever comes", async () => {
    const step = fc.record({ digest: fc.integer({ min: 0, max: 9 }), bytes: fc.integer({ min: 1, max: 900 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(step, fc.boolean())), async (steps) => {
        const { given, held, running, budget } = stage();
        const sizes = new Map<string, number>();
        for (const [{ digest, bytes }, runs] of steps) {
          const name = `${digest}`;
          const size = sizes.get(name) ?? bytes;
          sizes.set(name, size);
          await given.add(name, new Uint8Array(size)).catch(() => {});
          if (runs) running.add(name);
          else running.delete(name);
          let kept = 0;
          for (const each of sizes.keys()) kept += given.get(each)?.length ?? 0;
          expect(held()).toBeGreaterThanOrEqual(kept * 6);
          expect(held()).toBeLessThanOrEqual(MEMORY);
          expect(held()).toBe(budget.bytes * 6);
        }
        given.close();
        expect(held()).toBe(0);
      }),
    );
  });
});
