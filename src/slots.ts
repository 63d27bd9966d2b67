// Slots: the numbers by which threads know each other. The main thread has 0, each carrier one of 1 to 1,023.
import { PIDS } from "../actors/wire.ts";

export class Slots {
  /** Free ones; the one that has been free longest goes first. */
  readonly #free = Array.from({ length: PIDS.slots - 1 }, (_, i) => i + 1);

  get isEmpty(): boolean {
    return this.#free.length === 0;
  }

  /** @throws RangeError if none is free */
  take(): number {
    const slot = this.#free.shift();
    if (slot === undefined) throw new RangeError(`there are no more than ${PIDS.slots - 1} carriers`);
    return slot;
  }

  /** Its thread must have ended: what a thread that still runs writes would count as the next one's. */
  giveBack(slot: number): void {
    this.#free.push(slot);
  }
}
