// Covers actors/processes/process.ts, kernel.ts, scheduler.ts, runtime.ts and the host functions on them: random
// histories of processes on three carriers under a virtual clock, compared with a pure model after every step.
//
// As many as fit into 20 s of the processor; FRENEZULO_PROCESS_HISTORIES sets how many instead; FRENEZULO_SEED runs
// that seed alone. A seed that failed, be it on a fault put in on purpose, goes into test/corpus/process-seeds.json
// with a word on what it found.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { runHistory } from "./processes-history.ts";

const histories = Number(process.env.FRENEZULO_PROCESS_HISTORIES ?? 0);
const CPU_MICROS = 20_000_000;
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

test("random histories keep every invariant", { timeout: 1_800_000 }, () => {
  const first = onlySeed === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(onlySeed);
  const wanted = onlySeed === undefined ? histories : 1;
  const began = process.cpuUsage();
  let count = 0;
  let steps = 0;
  const isEnough = (): boolean => {
    const { user, system } = process.cpuUsage(began);
    return wanted === 0 ? user + system > CPU_MICROS : count >= wanted;
  };
  for (; !isEnough(); count++) steps += run((first + count) >>> 0);
  console.log(`${count} histories, ${steps} steps, from seed ${first}`);
  expect(steps / count).toBeGreaterThan(onlySeed === undefined ? 30 : 0);
});
