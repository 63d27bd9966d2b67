// What WASI tells of a file: its type and the 64 bytes of a filestat.
import type { BigIntStats } from "node:fs";

export const FILETYPE = {
  unknown: 0,
  blockDevice: 1,
  characterDevice: 2,
  directory: 3,
  regularFile: 4,
  socket: 6,
  symbolicLink: 7,
} as const;

export const FILESTAT_BYTES = 64;
const NANOS_PER_MS = 1_000_000n;

export function filetypeOf(stat: BigIntStats): number {
  if (stat.isFile()) return FILETYPE.regularFile;
  if (stat.isDirectory()) return FILETYPE.directory;
  if (stat.isSymbolicLink()) return FILETYPE.symbolicLink;
  if (stat.isCharacterDevice()) return FILETYPE.characterDevice;
  if (stat.isBlockDevice()) return FILETYPE.blockDevice;
  return stat.isSocket() ? FILETYPE.socket : FILETYPE.unknown;
}

/** Writes a filestat. Times are whole milliseconds, as clocks are: a guest's own files would be a finer one. */
export function writeFilestat(out: Buffer, stat: BigIntStats): void {
  out.writeBigUInt64LE(BigInt.asUintN(64, stat.dev), 0);
  out.writeBigUInt64LE(BigInt.asUintN(64, stat.ino), 8);
  out.writeBigUInt64LE(BigInt(filetypeOf(stat)), 16);
  out.writeBigUInt64LE(stat.nlink, 24);
  out.writeBigUInt64LE(stat.size, 32);
  out.writeBigUInt64LE(time(stat.atimeNs), 40);
  out.writeBigUInt64LE(time(stat.mtimeNs), 48);
  out.writeBigUInt64LE(time(stat.ctimeNs), 56);
}

function time(nanos: bigint): bigint {
  return nanos < 0n ? 0n : nanos - (nanos % NANOS_PER_MS);
}
