// A process that uses a store until it is killed, or fills it. Usage: store-child hold|fill|churn FOLDER [SEED].
import { createHash } from "node:crypto";
import { writeSync } from "node:fs";
import { FrenezuloError } from "../../src/errors.ts";
import type { StoredService } from "../../src/store/row.ts";
import { Store } from "../../src/store/store.ts";

const [verb, folder, seed] = process.argv.slice(2);
if (folder === undefined) throw new Error("usage: store-child hold|fill|churn FOLDER [SEED]");
const store = await Store.open({ folder, mapBytes: 1 << 30, keep: 3 });

if (verb === "hold") {
  writeSync(1, "holding\n");
  setInterval(() => undefined, 1000);
} else if (verb === "fill") await fill();
else await churn(Number(seed));

/** Adds versions until one is refused; prints whether that changed anything and whether the store goes on. */
async function fill(): Promise<void> {
  for (let i = 0; ; i++) {
    const before = JSON.stringify([store.get("hello"), { ...store.stats(), fileBytes: 0 }]);
    try {
      await put("hello", Buffer.alloc(600_000, i + 1));
    } catch (error) {
      const after = JSON.stringify([store.get("hello"), { ...store.stats(), fileBytes: 0 }]);
      await store.remove("hello");
      await put("small", Buffer.from("small"));
      await store.close();
      const again = await Store.open({ folder: folder as string, mapBytes: 1 << 30, keep: 3 });
      const goesOn = again.get("small")?.current === 1 && again.get("hello") === undefined;
      await again.close();
      const code = error instanceof FrenezuloError ? error.code : String(error);
      writeSync(1, JSON.stringify({ code, unchanged: before === after, goesOn }));
      return;
    }
  }
}

/** Random changes for ever. Says on stdout what it begins and what was acknowledged, each before the next step. */
async function churn(from: number): Promise<void> {
  let state = from >>> 0;
  const random = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const say = (line: unknown) => writeSync(1, `${JSON.stringify(line)}\n`);
  say({ opened: [...store.services()] });
  for (;;) {
    const prefix = `p${random(4)}`;
    const kind = random(5);
    const row = store.get(prefix);
    if (kind === 0) {
      say({ begin: prefix, to: null });
      await store.remove(prefix);
      say({ done: prefix, row: null });
    } else if (kind === 1 && row !== undefined) {
      const version = row.versions[random(row.versions.length)]?.version ?? 1;
      say({ begin: prefix, to: { ...row, current: version } });
      say({ done: prefix, row: await store.setCurrent(prefix, version) });
    } else {
      // A few contents, so that versions share modules; some large, so that a commit has many pages.
      const bytes = Buffer.alloc(random(4) === 0 ? 300_000 : 1 + random(6_000), random(6));
      say({ begin: prefix, next: row?.next ?? 1, digest: digestOf(bytes) });
      say({ done: prefix, row: await put(prefix, bytes) });
    }
  }
}

function put(prefix: string, bytes: Buffer): Promise<StoredService> {
  const addedAt = new Date().toISOString();
  return store.putVersion(
    prefix,
    { digest: digestOf(bytes), bytes: bytes.length, addedAt, policy: {}, env: {} },
    bytes,
  );
}

function digestOf(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
