// Covers src/store/store.ts under kill -9: what was acknowledged is there, what was not is wholly absent or wholly
// there.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { StoredService } from "../../src/store/row.ts";
import { Store } from "../../src/store/store.ts";
import { bundle } from "../harness/bundle.ts";

const script = await bundle("test/harness/store-child.ts");
const folder = mkdtempSync(join(tmpdir(), "frenezulo-kill-"));
const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
const rounds = 100;

afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Line {
  opened?: StoredService[];
  begin?: string;
  to?: StoredService | null;
  next?: number;
  digest?: string;
  done?: string;
  row?: StoredService | null;
}

/** One life of the child: its lines up to the kill, which comes after so many. One that is cut in two counts not. */
async function liveAndDie(round: number, after: number): Promise<Line[]> {
  const child = spawn(process.execPath, [script, "churn", folder, String(seed + round)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  let isDying = false;
  child.stdout.on("data", (chunk: Buffer) => {
    text += chunk.toString();
    // At any moment: each time another one after the line that is waited for.
    if (!isDying && text.split("\n").length > after) setTimeout(() => child.kill("SIGKILL"), after % 5);
    isDying = text.split("\n").length > after;
  });
  const signal = await new Promise((resolve) => child.once("close", (_code, by) => resolve(by)));
  expect(signal, `round ${round} of seed ${seed}`).toBe("SIGKILL");
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line);
}

test("a store killed 100 times opens every time with all that it acknowledged and nothing half", async () => {
  let rows = new Map<string, StoredService>();
  let acknowledged = 0;
  let interrupted = 0;
  for (let round = 0; round < rounds; round++) {
    const where = `round ${round} of seed ${seed}`;
    const lines = await liveAndDie(round, 1 + ((seed + round * 7919) % 97));
    expect(sorted(lines[0]?.opened ?? []), where).toEqual(sorted(rows.values()));
    let begun: Line | undefined;
    for (const line of lines.slice(1)) {
      begun = line.begin === undefined ? undefined : line;
      if (line.done === undefined) continue;
      acknowledged++;
      if (line.row) rows.set(line.done, line.row);
      else rows.delete(line.done);
    }

    const store = await Store.open({ folder, mapBytes: 1 << 30, keep: 3 });
    const found = new Map([...store.services()].map((row) => [row.prefix, row]));
    // The one change that had begun may be there, wholly; everything else is as it was acknowledged.
    for (const prefix of new Set([...rows.keys(), ...found.keys()])) {
      const isAsAcknowledged = same(found.get(prefix), rows.get(prefix));
      if (prefix !== begun?.begin || isAsAcknowledged) {
        expect(found.get(prefix), where).toEqual(rows.get(prefix));
        continue;
      }
      interrupted++;
      if (begun.to !== undefined) expect(found.get(prefix) ?? null, where).toEqual(begun.to);
      else {
        const added = found.get(prefix);
        expect(added?.current, where).toBe(begun.next);
        expect(added?.versions.at(-1)?.digest, where).toBe(begun.digest);
        expect(added?.versions.slice(0, -1), where).toEqual((rows.get(prefix)?.versions ?? []).slice(-2));
      }
    }
    // Every version has its module, whole; no module is without a version.
    const digests = new Set([...found.values()].flatMap((row) => row.versions.map((each) => each.digest)));
    for (const digest of digests) {
      const bytes = await store.moduleBytes(digest);
      expect(bytes && createHash("sha256").update(bytes).digest("hex"), where).toBe(digest);
    }
    expect(store.stats().modules, where).toBe(digests.size);
    await store.close();
    rows = found;
  }
  console.log(`seed ${seed}: ${acknowledged} changes acknowledged, ${interrupted} interrupted ones were there`);
  expect(acknowledged).toBeGreaterThan(rounds);
});

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function sorted(rows: Iterable<StoredService>): StoredService[] {
  return [...rows].sort((a, b) => (a.prefix < b.prefix ? -1 : 1));
}
