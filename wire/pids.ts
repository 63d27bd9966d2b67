// Process ids: counted up for the whole node, never used again, given out to threads in blocks. A pid names its thread.
import { PIDS } from "./layout.ts";

/** One thread's source of pids: n × 1024 + its slot, n from the node's counter. Numbers stay below 2^53. */
export class Pids {
  readonly #counter: BigInt64Array;
  readonly #slot: number;
  #next = 0;
  #end = 0;

  /**
   * @param bell the node's bell block, which holds the counter (layout.ts)
   * @param slot the thread's slot: 0 the main thread's, 1 to 1,023 a carrier's
   */
  constructor(bell: SharedArrayBuffer, slot: number) {
    this.#counter = new BigInt64Array(bell);
    this.#slot = slot;
  }

  next(): number {
    if (this.#next === this.#end) {
      this.#next = Number(Atomics.add(this.#counter, PIDS.counter, BigInt(PIDS.block))) + PIDS.first;
      this.#end = this.#next + PIDS.block;
    }
    return this.#next++ * PIDS.slots + this.#slot;
  }
}

/** Whatever gets its first pid from now on gets a larger one than this. */
export function pidEnd(bell: SharedArrayBuffer): number {
  return (Number(Atomics.load(new BigInt64Array(bell), PIDS.counter)) + PIDS.first) * PIDS.slots;
}

/** The slot of the thread that gave out a pid: the process lives there or nowhere. */
export function slotOf(pid: number): number {
  return pid % PIDS.slots;
}

/** A pid as questions between threads carry it: 8 bytes, unsigned, little-endian. */
export function pidBytes(pid: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(pid));
  return bytes;
}
