// `frenezulo run --dir`: a program's files through the built program, and what is wrong with a directory in words.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { guestPath } from "../guests/guests.ts";

const mainFile = join(import.meta.dirname, "../../dist/main.js");
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "frenezulo-run-"));
  for (const name of ["rw", "ro"]) mkdirSync(join(folder, name));
  writeFileSync(join(folder, "ro/page"), "a page");
});
afterAll(() => rmSync(folder, { recursive: true }));

function run(dirs: readonly string[], operations: readonly string[]) {
  const flags = dirs.flatMap((each) => ["--dir", each]);
  const args = [mainFile, "run", ...flags, guestPath("files"), "--", ...operations];
  const env = { ...process.env, XDG_CACHE_HOME: join(folder, "cache") };
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: "utf8", env });
  return { status, stderr, lines: stdout.split("\n").slice(0, -1) };
}

it("gives a program the directories that are named, as they are named", () => {
  const operations = ["write", "rw/x", "hi", "cat", "rw/x", "cat", "/www/page", "write", "/www/page", "x", "ls", "ro"];
  const { status, stderr, lines } = run(["rw", "ro::/www:ro"], operations);
  expect([status, stderr]).toEqual([0, ""]);
  expect(lines).toEqual(["write: ", "cat: hi", "cat: a page", "write: error 69", "ls: error 44"]);
  expect(readFileSync(join(folder, "rw/x"), "utf8")).toBe("hi");
});

it("says what is wrong with a directory", () => {
  for (const [dirs, why] of [
    [["none"], /^frenezulo: .*--dir: dirs: .*none cannot be used \(.*ENOENT/],
    [["ro/page"], /--dir: dirs: .*page is not a directory/],
    [["::"], /--dir: "::" is not a directory like "data", /],
    [["rw", "ro::rw"], /--dir: dirs: two of them have the name "rw"/],
  ] as const) {
    const { status, stderr, lines } = run(dirs, ["ls", "rw"]);
    expect(stderr).toMatch(why);
    expect([status, lines]).toEqual([expect.any(Number), []]);
    expect(status).not.toBe(0);
  }
});
