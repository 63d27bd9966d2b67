// The light modules in the store: by the digest of the module they were made of, for as long as that is used.
// Rows in memory, bytes in LMDB. The store decides about turns, transactions and limits.
//
// Databases: "light" digest → row (JSON), "light_modules" digest → bytes.
import type { Database, RootDatabase } from "lmdb";
import { z } from "zod";
import { REWRITE_VERSION } from "../../wire/abi/light.ts";
import type { Light } from "../modules/light-cache.ts";
import { digestInSlices } from "../slices.ts";
import { moduleBytesOf, rowBytes } from "./space.ts";

const rowSchema = z.union([
  z.object({ rewrite: z.int(), bytes: z.int(), sha256: z.string() }),
  z.object({ rewrite: z.int(), reason: z.string(), limitMs: z.number().optional() }),
]);

export type LightRow = z.infer<typeof rowSchema>;

export class LightModules {
  readonly #rows: Database<unknown, string>;
  readonly #modules: Database<Uint8Array, string>;
  /** The rows as committed. */
  readonly #known = new Map<string, LightRow>();

  constructor(root: RootDatabase<unknown, string>) {
    this.#rows = root.openDB("light", { encoding: "json" });
    this.#modules = root.openDB("light_modules", { encoding: "binary" });
  }

  /**
   * Reads the rows.
   * @returns digests whose light module is of no use, since another version of the rewrite made it or nobody uses it
   */
  load(isUsed: (digest: string) => boolean): string[] {
    const useless: string[] = [];
    for (const { key, value } of this.#rows.getRange()) {
      const row = rowSchema.safeParse(value);
      if (row.success && row.data.rewrite === REWRITE_VERSION && isUsed(key)) this.#known.set(key, row.data);
      else useless.push(key);
    }
    return useless;
  }

  /** Bytes that count against the store's limit. */
  get usedBytes(): number {
    let sum = 0;
    for (const row of this.#known.values()) sum += spaceOf(row);
    return sum;
  }

  /** What `row` would add to that. */
  addedBytes(digest: string, row: LightRow): number {
    return spaceOf(row) - spaceOf(this.#known.get(digest));
  }

  /** What is damaged is not there: it is made again. */
  async get(digest: string): Promise<Light | undefined> {
    const row = this.#known.get(digest);
    if (row === undefined || "reason" in row) return row;
    await this.#modules.prefetch([digest]);
    const bytes = this.#modules.getBinary(digest);
    return bytes === undefined || (await digestInSlices(bytes)) !== row.sha256 ? undefined : { bytes };
  }

  /** Within a transaction. */
  write(digest: string, row: LightRow, light: Light): void {
    void this.#rows.put(digest, row);
    if ("bytes" in light) void this.#modules.put(digest, light.bytes);
  }

  /** Within a transaction. */
  remove(digests: readonly string[]): void {
    for (const digest of digests) {
      void this.#rows.remove(digest);
      void this.#modules.remove(digest);
    }
  }

  /** After the transaction that wrote it. */
  apply(digest: string, row: LightRow): void {
    this.#known.set(digest, row);
  }

  /** After the transaction that removed them. */
  forget(digests: readonly string[]): void {
    for (const digest of digests) this.#known.delete(digest);
  }
}

/** What the store keeps of it beside its bytes, which must not change meanwhile. */
export async function lightRow(light: Light): Promise<LightRow> {
  if (!("bytes" in light)) return { rewrite: REWRITE_VERSION, ...light };
  const sha256 = await digestInSlices(light.bytes);
  return { rewrite: REWRITE_VERSION, bytes: light.bytes.length, sha256 };
}

function spaceOf(row: LightRow | undefined): number {
  return rowBytes(row) + (row !== undefined && "bytes" in row ? moduleBytesOf(row) : 0);
}
