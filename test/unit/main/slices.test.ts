// Covers src/slices.ts: long works share the loop, and what is digested is what was copied.
import { createHash, randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { copyInSlices, digestInSlices, nextSlice, renderInSlices } from "../../../src/slices.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

test("a turn of the loop has one slice, however many works there are; who waits longest goes first", async () => {
  const begun: string[] = [];
  const work = async (name: string): Promise<void> => {
    for (let i = 0; i < 3; i++) {
      await nextSlice();
      begun.push(name);
    }
  };
  const all = Promise.all(["a", "b", "c"].map(work));
  const counts: number[] = [];
  while (begun.length < 9) {
    const before = begun.length;
    await turn();
    counts.push(begun.length - before);
  }
  await all;
  expect(Math.max(...counts)).toBe(1);
  expect(begun.join("")).toBe("abcabcabc");
});

test("a text is rendered whole, over as many turns as its slices need", async () => {
  let clock = 0;
  const lines = Array.from({ length: 5_000 }, (_, i) => `line ${i} ä😀\n`);
  function* slowly(): Iterable<string> {
    for (const line of lines) {
      clock += 1;
      yield line;
    }
  }
  let turns = 0;
  let isDone = false;
  const counting = (async () => {
    for (; !isDone; turns++) await turn();
  })();
  const bytes = await renderInSlices(slowly(), () => clock);
  isDone = true;
  await counting;
  expect(bytes.toString()).toBe(lines.join(""));
  expect(turns).toBeGreaterThan(5_000 / 3 / 2);
  expect((await renderInSlices([])).length).toBe(0);
});

test("digests are those of the bytes; a copy's digest is the copy's, whatever becomes of the bytes", async () => {
  for (const length of [0, 1, 1024 * 1024, 1024 * 1024 + 1, 5_000_000]) {
    const bytes = randomBytes(length);
    expect(await digestInSlices(bytes)).toBe(sha256(bytes));
    const copying = copyInSlices(bytes);
    bytes.fill(7);
    const { copy, digest } = await copying;
    expect(copy.length).toBe(length);
    expect(digest).toBe(sha256(copy));
  }
});
