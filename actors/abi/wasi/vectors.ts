// Lists of vectors: the places in guest memory that one read or write works on.

import { ERRNO, fail } from "../../files/errno.ts";
import type { Host } from "../host.ts";

const VECTORS_MAX = 1024;
/** What one call may read or write of a file: a system call cannot be interrupted. More is a short read or write. */
const FILE_BYTES_MAX = 8 << 20;

/** Views of the guest's memory, in order. @throws inval for too many; traps where one is not in memory */
export function vectors(host: Host, pointer: number, count: number): Buffer[] {
  const length = count >>> 0;
  if (length > VECTORS_MAX) fail(ERRNO.inval);
  const start = host.range(pointer, length * 8);
  const view = host.view();
  return Array.from({ length }, (_, i) =>
    host.slice(view.getUint32(start + i * 8, true), view.getUint32(start + i * 8 + 4, true)),
  );
}

/** As `vectors`, without empty ones, together at most what one call may move. */
export function fileVectors(host: Host, pointer: number, count: number): Buffer[] {
  return cut(vectors(host, pointer, count), FILE_BYTES_MAX);
}

/** The first bytes of the parts. */
export function cut(parts: readonly Buffer[], bytesMax: number): Buffer[] {
  const kept: Buffer[] = [];
  let room = bytesMax;
  for (const part of parts) {
    if (room <= 0) break;
    if (part.length > 0) kept.push(part.subarray(0, room));
    room -= part.length;
  }
  return kept;
}
