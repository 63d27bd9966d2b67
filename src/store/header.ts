// Is the file in the data folder a database of ours? LMDB maps what it is given and crashes the process on another one.
import { closeSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { FrenezuloError } from "../errors.ts";

/** MDB_MAGIC of lmdb's mdb.c; in its first page after a page header of 24 bytes (M, lmdb-js 3.5 on 64 bits). */
const magic = 0xbeefc0de;
const magicAt = 24;

/** Passes a folder without a database, or with an empty one. @throws store_failed */
export function assertDatabase(folder: string): void {
  const path = join(folder, "data.mdb");
  const head = Buffer.alloc(magicAt + 4);
  let length = 0;
  try {
    const descriptor = openSync(path, "r");
    length = readSync(descriptor, head);
    closeSync(descriptor);
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return;
    throw thrown;
  }
  if (length === 0 || head.readUInt32LE(magicAt) === magic) return;
  throw new FrenezuloError("store_failed", { why: `${path} is not a database of frenezulo's` });
}
