// src/modules/cost.ts, trial.ts, trials.ts and trial-worker.ts: what is compiled on trial, and what comes of it.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { type Scan, scan } from "../../../src/modules/scan.ts";
import { functionNames, keptBodies, withOnly } from "../../../src/modules/trial.ts";
import { tryOut } from "../../../src/modules/trials.ts";
import { type Bomb, bombs, randomBomb } from "../../harness/bombs.ts";
import { validGuests, wasm } from "../../harness/modules-fixtures.ts";

vi.setConfig({ testTimeout: 1_800_000 });
const isLong = process.env.TEST_LONG === "1";
const limits = { memoryBytes: 256 << 20, tableElements: 100_000, needsEntry: false };
const goes = new AbortController().signal;
const heavyOf = (bytes: Uint8Array): readonly number[] => scan(bytes, limits).heavy;

/** All functions of a module, heavy or not, as what is to be tried. */
function all(bytes: Uint8Array): Parameters<typeof tryOut>[0] {
  return { bytes: new Uint8Array(bytes), functions: new Map(keptBodies(bytes).map((body) => [body, `body ${body}`])) };
}

/** The largest of a class whose counts still show it to be cheap. */
function largestLight(make: Bomb): Uint8Array<ArrayBuffer> {
  let [light, heavy] = [0, 1];
  for (let step = 0; step < 14; step++) {
    const middle = (light + heavy) / 2;
    if (heavyOf(make(middle)).length === 0) light = middle;
    else heavy = middle;
  }
  return make(light);
}

describe("a compile bomb", () => {
  it.each(Object.entries(bombs))("%s: is valid, and its counts do not show it to be cheap", (_name, make) => {
    const bytes = make(1);
    expect(WebAssembly.validate(bytes)).toBe(true);
    expect(heavyOf(bytes)).toEqual([1]);
  });

  it.each(Object.entries(bombs))("%s: the largest that needs no trial would pass one", async (_name, make) => {
    await tryOut(all(largestLight(make)), goes);
  });

  it.each(["nested ifs with 49,000 locals", "a chain of i32.div_s"])(
    "%s: is refused with the function that takes too much",
    async (name) => {
      const bytes = bombs[name]?.(1) as Uint8Array<ArrayBuffer>;
      const trial = { bytes: withOnly(bytes, new Set([1])), functions: new Map([[1, "function 1 (greedy)"]]) };
      await expect(tryOut(trial, goes)).rejects.toMatchObject({
        code: "module_limits",
        message: expect.stringMatching(/compiling its function 1 \(greedy\) takes more than 256 MiB or \d+ s/),
      });
    },
  );

  it("made of random pieces that needs no trial would pass one", async () => {
    const seeds = fc.integer({ min: 1, max: 2 ** 31 }).filter((seed) => heavyOf(randomBomb(seed)).length === 0);
    await fc.assert(
      fc.asyncProperty(seeds, (seed) => tryOut(all(randomBomb(seed)), goes)),
      { numRuns: isLong ? 1000 : 15 },
    );
  });

  it("ends with its signal", async () => {
    const bytes = bombs["nested loops"]?.(1) as Uint8Array<ArrayBuffer>;
    const stop = new AbortController();
    const tried = tryOut(all(bytes), stop.signal);
    stop.abort(new Error("no more"));
    await expect(tried).rejects.toThrow("no more");
    await expect(tryOut(all(bytes), stop.signal)).rejects.toThrow("no more");
  });
});

describe("what toolchains make", () => {
  const folders = ["test/guests/build", "services/build"].map((folder) =>
    join(import.meta.dirname, "../../..", folder),
  );
  const paths = folders.flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.endsWith(".wasm"))
      .map((name) => join(folder, name)),
  );

  it("needs a trial for a handful of functions at most, and passes it", async () => {
    let tried = 0;
    for (const path of paths) {
      const bytes = new Uint8Array(readFileSync(path));
      const scanned = taken(bytes);
      if (scanned === null) continue;
      tried += scanned.heavy.length;
      const functions = new Map(scanned.heavy.map((body) => [body, `${path}: body ${body}`]));
      if (functions.size > 0) await tryOut({ bytes: withOnly(bytes, new Set(scanned.heavy)), functions }, goes);
    }
    expect(tried).toBeLessThan(20);
  });

  function taken(bytes: Uint8Array): Scan | null {
    try {
      return scan(bytes, limits);
    } catch {
      return null; // a guest that is to be refused
    }
  }
});

describe("a module with some of its functions emptied", () => {
  it.each(Object.entries(validGuests))("%s stays valid, whichever are kept", (_name, bytes) => {
    const count = keptBodies(withOnly(bytes, new Set([0, 1, 2, 3, 4]))).length;
    for (let kept = 0; kept < 2 ** count; kept++) {
      const places = [0, 1, 2, 3, 4].filter((place) => (kept >> place) % 2 === 1);
      const made = withOnly(bytes, new Set(places));
      expect(WebAssembly.validate(made)).toBe(true);
    }
  });

  it("tells which were kept", () => {
    const bytes = wasm("(module (func (nop) (nop)) (func) (func (nop) (nop) (nop)))");
    expect(keptBodies(withOnly(bytes, new Set([0, 2])))).toEqual([0, 2]);
    expect(keptBodies(withOnly(bytes, new Set()))).toEqual([]);
  });
});

describe("names of functions", () => {
  const named = (...contents: number[]): Uint8Array =>
    Buffer.concat([
      validGuests.minimal as Uint8Array,
      Buffer.of(0, contents.length + 5, 4, ...Buffer.from("name"), ...contents),
    ]);

  it("are those of the name section, and none where it is missing or broken", () => {
    const bytes = named(0, 1, 0, 1, 7, 1, 0, 4, ...Buffer.from("ma\nn"));
    expect(functionNames(bytes, [0, 1])).toEqual(
      new Map([
        [0, "ma\\u{a}n"],
        [1, ""],
      ]),
    );
    expect(functionNames(named(1, 90, 1, 0), [0])).toEqual(new Map([[0, ""]]));
    expect(functionNames(validGuests.minimal as Uint8Array, [0])).toEqual(new Map([[0, ""]]));
  });
});
