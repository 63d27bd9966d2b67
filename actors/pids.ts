// Process ids: counted up for the whole node, never used again, given out to threads in blocks.
import { PIDS } from "./wire.ts";

/** One thread's source of pids. Numbers stay below 2^53. */
export class Pids {
  readonly #counter: BigInt64Array;
  #next = 0;
  #end = 0;

  /** @param bell the node's bell block, which holds the counter (wire.ts) */
  constructor(bell: SharedArrayBuffer) {
    this.#counter = new BigInt64Array(bell);
  }

  next(): number {
    if (this.#next === this.#end) {
      this.#next = Number(Atomics.add(this.#counter, PIDS.counter, BigInt(PIDS.block))) + PIDS.first;
      this.#end = this.#next + PIDS.block;
    }
    return this.#next++;
  }
}
