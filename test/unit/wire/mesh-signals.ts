// Numbered signals with checksums, and what the threads of the mesh tests count of them in shared memory.
import { SIGNAL } from "../../../wire/layout.ts";
import { checksum, lengthOf, write } from "../../harness/frames.ts";

export const signalKind = SIGNAL.message;
/** Threads that one test can have, one after the other or at once. */
const THREADS_MAX = 512;

/** Words (Int32) at countsAt(from, to): signals sent and got. Written after the fact. */
export interface Counts {
  readonly sent: SharedArrayBuffer;
  readonly got: SharedArrayBuffer;
}

export function makeCounts(): Counts {
  const make = () => new SharedArrayBuffer(4 * THREADS_MAX ** 2);
  return { sent: make(), got: make() };
}

/** Each thread has the first pid of a block of its own, so that this numbers them. */
const nth = (pid: number): number => Math.floor(pid / 2 ** 20);

export function countsAt(from: number, to: number): number {
  return nth(from) * THREADS_MAX + nth(to);
}

/** Signal `i`: bytes as in frames.ts, then their checksum. */
export function payloadOf(i: number, payloadMax: number): Buffer {
  const length = lengthOf(i, payloadMax);
  const payload = Buffer.allocUnsafe(length + 4);
  payload.writeUInt32LE(write(payload, 0, i, length), length);
  return payload;
}

export function isRight(
  kind: number,
  i: number,
  bytes: Uint8Array,
  at: number,
  length: number,
  payloadMax: number,
): boolean {
  if (kind !== signalKind || length !== lengthOf(i, payloadMax) + 4) return false;
  const sum = new DataView(bytes.buffer, bytes.byteOffset).getUint32(at + length - 4, true);
  return sum === checksum(bytes, at, i, length - 4);
}
