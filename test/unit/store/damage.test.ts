// Covers src/store/check.ts and pages.ts: a damaged store never ends the process, and a sound one is never refused.
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { open } from "lmdb";
import { afterEach, beforeEach, expect, test } from "vitest";
import { assertDatabase } from "../../../src/store/check.ts";
import { Store } from "../../../src/store/store.ts";
import { bundle } from "../../harness/bundle.ts";

const storeDamage = await bundle("test/harness/store-damage.ts");
const ROUNDS = process.env.TEST_LONG === "1" ? 3_000 : 80;
/** Each round writes to the disk a few times, and the disk may be slow. */
const WATCHDOG_MS = process.env.TEST_LONG === "1" ? 3_600_000 : 600_000;
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "frenezulo-store-"));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** A store with trees of two levels, overflow values and free pages. */
async function fill(): Promise<void> {
  const store = await Store.open({ folder, mapBytes: 64 << 20, keep: 3 });
  for (let i = 0; i < 120; i++) {
    const bytes = randomBytes(i % 5 === 0 ? 20_000 + i : 300);
    const digest = i.toString(16).padStart(64, "0");
    const version = { digest, bytes: bytes.length, addedAt: "2024-01-01T00:00:00.000Z", policy: {}, env: {} };
    await store.putVersion(`s${i % 40}`, { ...version, env: { FILL: "x".repeat(i) } }, bytes);
    if (i % 10 === 0) await store.light.put(digest, { bytes: randomBytes(9_000) });
    if (i % 7 === 0) await store.remove(`s${(i * 3) % 40}`);
  }
  await store.close();
}

test(
  "random damage is refused or harmless, and never the end of the process",
  async () => {
    await fill();
    const run = spawnSync(process.execPath, [storeDamage, folder, "0", String(ROUNDS)], { encoding: "utf8" });
    const last = run.stdout.trim().split("\n").at(-1) ?? "";
    expect({ status: run.status, signal: run.signal, last, stderr: run.stderr }).toMatchObject({
      status: 0,
      signal: null,
      last: expect.stringMatching(/^\{"refused":\d+,"used":\d+\}$/),
    });
    expect((JSON.parse(last) as { refused: number }).refused).toBeGreaterThan(ROUNDS / 20);
  },
  WATCHDOG_MS,
);

test(
  "a sound store passes after every change of a long history, free lists of several pages included",
  async () => {
    const root = open({ path: folder, noSubdir: false, overlappingSync: false, eventTurnBatching: false });
    const rows = root.openDB("services", { encoding: "json" });
    const modules = root.openDB("modules", { encoding: "binary" });
    for (let i = 0; i < 150; i++) {
      await root.batch(() => {
        for (let j = 0; j < (i % 50 === 0 ? 400 : 3); j++) {
          void rows.put(`row${(i * 31 + j * 7) % 900}`, { text: "y".repeat((i * j) % 700) });
          void modules.put(`${"d".repeat((i * j) % 100)}${(i + j) % 300}`, randomBytes((i * j * 97) % 30_000));
          if (j % 2 === 0) void modules.remove(`${(i * 3 + j) % 300}`);
          if (i % 30 === 29) for (let k = 0; k < 900; k += 2) void rows.remove(`row${k}`);
        }
      });
      expect(() => assertDatabase(folder)).not.toThrow();
    }
    await root.close();
  },
  WATCHDOG_MS,
);

test("each kind of damage is told by the file's name, what is wrong, and what to do", async () => {
  await fill();
  const file = join(folder, "data.mdb");
  const sound = readFileSync(file);
  const told = (bytes: Buffer): string => {
    writeFileSync(file, bytes);
    try {
      assertDatabase(folder);
      return "sound";
    } catch (thrown) {
      return (thrown as Error).message;
    }
  };
  const changed = (at: number, ...values: number[]): Buffer => {
    const bytes = Buffer.from(sound);
    bytes.set(values, at);
    return bytes;
  };
  const newest = sound.readBigUInt64LE(24 + 128) > sound.readBigUInt64LE(4096 + 24 + 128) ? 0 : 4096;
  const root = Number(sound.readBigUInt64LE(newest + 24 + 24 + 48 + 40)) * 4096;
  const cases: readonly (readonly [Buffer, RegExp])[] = [
    [sound, /^sound$/],
    [Buffer.alloc(0), /^sound$/],
    [sound.subarray(0, 100), /ends before its first page does/],
    [sound.subarray(0, 5000), /its second page|ends before page/],
    [sound.subarray(0, 12_288), /ends before page \d+/],
    [changed(24, 0), /is not a database of frenezulo's/],
    [changed(4096 + 24, 0), /meta page 1 is not one/],
    [changed(28, 9), /meta page 0 is of an unknown version/],
    [changed(24 + 24, 0, 0, 0, 0), /meta page 0 names no page size/],
    [changed(newest + 24 + 24 + 4, 9), /has flags that no tree of ours has/],
    [changed(newest + 24 + 24 + 96 + 7, 9), /its last one is to be page/],
    [changed(root, 0xff), /says that it is page/],
    [changed(root + 8 + 7, 1), /is of a transaction that never was/],
    [changed(root + 18, 4), /is not (leaf|branch) of a tree/],
    [changed(root + 20, 0xff, 0xff), /has no sound table of its entries/],
    [changed(root + 24, 0xfe, 0xff), /has an entry that does not lie in it/],
  ];
  for (const [bytes, what] of cases) {
    const text = told(Buffer.from(bytes));
    expect(text).toMatch(what);
    if (text === "sound") continue;
    expect(text).toContain(`The store failed: ${file} is damaged: `);
    expect(text).toContain(`restore ${folder} from a backup, or move it away`);
  }
});
