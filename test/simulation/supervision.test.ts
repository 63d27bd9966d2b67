// Covers supervisors/ as a whole: random histories of a tree under a virtual clock, with invariants after every event.
//
// FRENEZULO_HISTORIES sets how many (default 100,000); FRENEZULO_SEED runs that seed alone. A seed that failed, be it
// on
// a fault put in on purpose, goes into test/corpus/supervision-seeds.json with a word on what it found.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { runHistory } from "./supervision-history.ts";

const histories = Number(process.env.FRENEZULO_HISTORIES ?? 100_000);
const onlySeed = process.env.FRENEZULO_SEED;

function run(seed: number): number {
  try {
    return runHistory(seed);
  } catch (thrown) {
    throw new Error(`seed ${seed}: ${thrown instanceof Error ? thrown.message : String(thrown)}`, { cause: thrown });
  }
}

test("histories that once failed hold", () => {
  const corpus = new URL("../corpus/supervision-seeds.json", import.meta.url);
  const seeds = JSON.parse(readFileSync(corpus, "utf8")) as readonly {
    readonly seed: number;
    readonly found: string;
  }[];
  expect(seeds.length).toBeGreaterThan(0);
  for (const { seed } of seeds) run(seed);
});

test(`${onlySeed === undefined ? histories : 1} random histories keep every invariant`, { timeout: 1_800_000 }, () => {
  const first = onlySeed === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(onlySeed);
  const count = onlySeed === undefined ? histories : 1;
  let events = 0;
  const beganMs = performance.now();
  for (let index = 0; index < count; index++) events += run((first + index) >>> 0);
  console.log(
    `${count} histories, ${events} events, ${Math.round(performance.now() - beganMs)} ms, from seed ${first}`,
  );
  expect(events / count).toBeGreaterThan(onlySeed === undefined ? 30 : 0);
});
