// Why a commit failed: the disk is full, or something else.
import { statfs } from "node:fs/promises";
import { FrenezuloError, reasonOf } from "../errors.ts";

const errno = { EIO: 5, ENOSPC: 28, EDQUOT: 122 } as const;
/** MDB_MAP_FULL of lmdb.h. */
const mdbMapFull = -30792;
/** What a commit writes beside the value: tree and free-list pages. */
const besideBytes = 64 * 1024;

/**
 * What lmdb-js threw, as an error of the table: store_full or store_failed.
 * @param neededBytes what the commit was to write
 */
export async function failureOf(thrown: unknown, folder: string, neededBytes: number): Promise<FrenezuloError> {
  const cause = await commitErrorOf(thrown);
  const code = (await isFull(cause, folder, neededBytes)) ? "store_full" : "store_failed";
  return new FrenezuloError(code, { why: reasonOf(cause) }, { cause });
}

/** LMDB calls a write that the disk took only half of an input/output error: then the disk is asked how full it is. */
async function isFull(cause: unknown, folder: string, neededBytes: number): Promise<boolean> {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  if (code === errno.ENOSPC || code === errno.EDQUOT || code === mdbMapFull) return true;
  if (code !== errno.EIO) return false;
  const disk = await statfs(folder);
  return disk.bavail * disk.bsize < neededBytes + besideBytes;
}

/** lmdb-js rejects with a general error whose `commitError` is a promise that rejects with the real one. */
async function commitErrorOf(thrown: unknown): Promise<unknown> {
  if (!(thrown instanceof Error) || !("commitError" in thrown)) return thrown;
  try {
    await thrown.commitError;
    return thrown;
  } catch (cause) {
    return cause;
  }
}
