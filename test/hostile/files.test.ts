// A guest against names that are exchanged while it walks them: it never reads or writes outside, and never blocks.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, expect, it } from "vitest";
import { PATIENCE_MS } from "../harness/patience.ts";
import { OFLAGS, READ, type WasiGuest, WRITE, withFiles } from "../harness/wasi-guest.ts";

const ROUNDS = process.env.TEST_LONG === "1" ? 100_000 : 5_000;
const [LOOP, NOENT, NOTDIR, NOTSUP, PERM] = [32, 44, 54, 58, 63];

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "frenezulo-race-"));
  for (const name of ["rw", "rw/real", "secret"]) mkdirSync(join(folder, name));
  writeFileSync(join(folder, "rw/real/key"), "inside");
  writeFileSync(join(folder, "rw/file"), "inside");
  writeFileSync(join(folder, "secret/key"), "secret");
  symlinkSync("../secret", join(folder, "rw/out"));
  symlinkSync("../secret/key", join(folder, "rw/key"));
  symlinkSync("../secret/new", join(folder, "rw/dangling"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Gives one name to each of some things in turn, as fast as it can, while the guest works until it has seen enough. */
async function whileExchanging(
  name: string,
  things: readonly string[],
  step: (guest: WasiGuest) => void,
  isEnough: () => boolean,
): Promise<void> {
  const code = `
    const { renameSync } = require("node:fs");
    const { parentPort, workerData: { folder, name, things } } = require("node:worker_threads");
    const at = (each) => folder + "/rw/" + each;
    parentPort.postMessage("runs");
    for (;;) for (const each of things) { renameSync(at(each), at(name)); renameSync(at(name), at(each)); }`;
  const worker = new Worker(code, { eval: true, workerData: { folder, name, things } });
  await new Promise((resolve) => worker.once("message", resolve));
  try {
    const { exit } = withFiles([{ guest: "rw", host: join(folder, "rw"), isReadOnly: false }], (guest) => {
      const lastMs = performance.now() + PATIENCE_MS;
      for (let round = 0; round < ROUNDS || (!isEnough() && performance.now() < lastMs); round++) step(guest);
    });
    expect(exit).toEqual({ reason: "normal", text: "" });
  } finally {
    await worker.terminate();
  }
}

function tally(): { count: (outcome: string | number) => void; seen: Map<string | number, number> } {
  const seen = new Map<string | number, number>();
  return { seen, count: (outcome) => void seen.set(outcome, (seen.get(outcome) ?? 0) + 1) };
}

it("a directory on its way that becomes a link out", async () => {
  const { seen, count } = tally();
  await whileExchanging(
    "x",
    ["real", "out"],
    (guest) => {
      const fd = guest.open("x/key", { rights: READ });
      count(fd < 0 ? -fd : (guest.read(fd, [20]) as string));
      if (fd > 0) guest.call("fd_close", fd);
      const made = guest.open("x/new", { rights: WRITE, oflags: OFLAGS.create });
      if (made > 0) guest.call("fd_close", made);
      guest.call("path_create_directory", 3, "x/made");
      guest.call("path_unlink_file", 3, "x/key2");
    },
    () => seen.has("inside") && seen.has(PERM),
  );
  expect([...seen.keys()].filter((each) => !["inside", NOENT, PERM, NOTDIR].includes(each))).toEqual([]);
  expect(seen.get("inside")).toBeGreaterThan(0);
  expect(seen.get(PERM)).toBeGreaterThan(0);
  expect(readdirSync(join(folder, "secret"))).toEqual(["key"]);
});

it("a file that becomes a link out, for reading and for writing", async () => {
  const { seen, count } = tally();
  await whileExchanging(
    "x",
    ["file", "key", "dangling"],
    (guest) => {
      for (const isFollowing of [true, false]) {
        const fd = guest.open("x", { rights: READ, isFollowing });
        count(fd < 0 ? -fd : (guest.read(fd, [20]) as string));
        if (fd > 0) guest.call("fd_close", fd);
        const truncated = guest.open("x", { rights: WRITE, oflags: OFLAGS.truncate, isFollowing });
        if (truncated > 0) {
          guest.write(truncated, "inside");
          guest.call("fd_close", truncated);
        }
      }
      guest.call("path_filestat_set_times", 3, 1, "x", 0n, 0n, 5);
    },
    () => seen.has("inside"),
  );
  const possible = ["inside", "", NOENT, PERM, LOOP];
  expect([...seen.keys()].filter((each) => !possible.includes(each))).toEqual([]);
  expect(seen.get("inside")).toBeGreaterThan(0);
  expect(readFileSync(join(folder, "secret/key"), "utf8")).toBe("secret");
  expect(readdirSync(join(folder, "secret"))).toEqual(["key"]);
});

it("a file that becomes a FIFO, which nobody else has open", async () => {
  execFileSync("mkfifo", [join(folder, "rw/fifo")]);
  const { seen, count } = tally();
  await whileExchanging(
    "x",
    ["file", "fifo"],
    (guest) => {
      const fd = guest.open("x", { rights: READ });
      count(fd < 0 ? -fd : (guest.read(fd, [20]) as string));
      if (fd > 0) guest.call("fd_close", fd);
    },
    () => seen.has("inside") && seen.has(NOTSUP),
  );
  expect([...seen.keys()].filter((each) => !["inside", NOENT, NOTSUP].includes(each))).toEqual([]);
  expect(seen.get(NOTSUP)).toBeGreaterThan(0);
  expect(seen.get("inside")).toBeGreaterThan(0);
});
