// Covers actors/processes/process.ts, kernel.ts, scheduler.ts, runtime.ts and the host functions on them: random
// histories of processes on three carriers under a virtual clock, compared with a pure model after every step.
//
// FRENEZULO_PROCESS_HISTORIES sets how many (default 4,500); FRENEZULO_SEED runs that seed alone. A seed that failed,
// be it on a fault put in on purpose, goes into test/corpus/process-seeds.json with a word on what it found.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { runHistory } from "./processes-history.ts";

const histories = Number(process.env.FRENEZULO_PROCESS_HISTORIES ?? 4_500);
const onlySeed = process.env.FRENEZULO_SEED;

function run(seed: number): number {
  try {
    return runHistory(seed);
  } catch (thrown) {
    throw new Error(`seed ${seed}: ${thrown instanceof Error ? thrown.message : String(thrown)}`, { cause: thrown });
  }
}

test("histories that once failed hold", () => {
  const corpus = new URL("../corpus/process-seeds.json", import.meta.url);
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
  let steps = 0;
  for (let index = 0; index < count; index++) steps += run((first + index) >>> 0);
  console.log(`${count} histories, ${steps} steps, from seed ${first}`);
  expect(steps / count).toBeGreaterThan(onlySeed === undefined ? 30 : 0);
});
