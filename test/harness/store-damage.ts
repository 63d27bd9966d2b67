// A process that opens damaged copies of a store and uses what opens. Says on stdout which damage it tries, so that
// whoever started it knows what ended it. Usage: store-damage FOLDER SEED COUNT; FOLDER holds a sound store.
import { createHash } from "node:crypto";
import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FrenezuloError } from "../../src/errors.ts";
import { Store } from "../../src/store/store.ts";

const [template, seed, count] = process.argv.slice(2);
if (template === undefined) throw new Error("usage: store-damage FOLDER SEED COUNT");
const sound = readFileSync(join(template, "data.mdb"));
const folder = mkdtempSync(join(tmpdir(), "frenezulo-damage-"));
const outcomes = { refused: 0, used: 0 };

for (let i = Number(seed); i < Number(seed) + Number(count); i++) {
  const what = damage(i);
  writeSync(1, `${what}\n`);
  outcomes[await use()]++;
}
rmSync(folder, { recursive: true, force: true });
writeSync(1, `${JSON.stringify(outcomes)}\n`);

/** Damages the file in a way that the number decides. */
function damage(number: number): string {
  let state = (number * 2654435761) >>> 0;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  rmSync(folder, { recursive: true, force: true });
  cpSync(template as string, folder, { recursive: true });
  const file = join(folder, "data.mdb");
  const pages = sound.length / 4096;
  const kind = random(6);
  const bytes = Buffer.from(sound);
  const page = kind < 2 ? random(2) : random(pages);
  if (kind === 5) {
    const length = random(sound.length);
    truncateSync(file, length);
    return `${number}: cut to ${length} bytes`;
  }
  // Where the structure is: heads of pages and of entries; or anywhere.
  const within = kind === 0 || kind === 2 ? random(176) : random(4096);
  const at = page * 4096 + within;
  const length = kind === 4 ? Math.min(4096 - within, 1 + random(600)) : 1 + random(8);
  for (let i = at; i < Math.min(at + length, bytes.length); i++) bytes[i] = random(4) === 0 ? 255 : random(256);
  writeFileSync(file, bytes);
  return `${number}: ${length} bytes at ${at}`;
}

async function use(): Promise<"refused" | "used"> {
  let store: Store;
  try {
    store = await Store.open({ folder, mapBytes: 1 << 26, keep: 3 });
  } catch (error) {
    if (error instanceof FrenezuloError && error.code === "store_failed") return "refused";
    throw error;
  }
  for (const { prefix, versions } of [...store.services()]) {
    for (const { digest } of versions) {
      await ours(store.moduleBytes(digest));
      await ours(store.light.get(digest));
    }
    await ours(put(store, prefix, 3_000));
    await ours(put(store, `${prefix}x`, 30_000));
    await ours(store.remove(prefix));
  }
  await store.close();
  return "used";
}

/** Failures are of the table. */
async function ours(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof FrenezuloError)) throw error;
  }
}

function put(store: Store, prefix: string, length: number): Promise<unknown> {
  const bytes = Buffer.alloc(length, prefix);
  const digest = createHash("sha256").update(bytes).digest("hex");
  const version = { digest, bytes: length, addedAt: new Date().toISOString(), policy: {}, env: {} };
  return store.putVersion(prefix, version, bytes);
}
