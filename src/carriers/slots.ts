// Slots: the numbers by which threads know each other. The main thread has 0, each carrier one from 1 on.
import { PIDS } from "../../wire/layout.ts";

/** Threads that are ending keep theirs for a moment. */
const ENDING_MAX = 64;

/** Slots of a node's carriers, where so many threads may live at once: what has a word for each slot ends there. */
export function slotsFor(threadsMax: number): number {
  return Math.min(threadsMax + ENDING_MAX, PIDS.slots - 1);
}

export class Slots {
  readonly #count: number;
  /** Free ones; the one that has been free longest goes first. */
  readonly #free: number[];

  /** @param count from `slotsFor` */
  constructor(count: number) {
    this.#count = count;
    this.#free = Array.from({ length: count }, (_, i) => i + 1);
  }

  get isEmpty(): boolean {
    return this.#free.length === 0;
  }

  /** @throws RangeError if none is free */
  take(): number {
    const slot = this.#free.shift();
    if (slot === undefined) throw new RangeError(`there are no more than ${this.#count} carriers`);
    return slot;
  }

  /** Its thread must have ended: what a thread that still runs writes would count as the next one's. */
  giveBack(slot: number): void {
    this.#free.push(slot);
  }
}
