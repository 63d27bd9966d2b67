// How many instances of light processes the process holds, in all carriers: V8 has addresses for about 13,000 memories
// (DESIGN fact 12), and those of others must not be missing because of one. Any thread.
import { BELL, CONTROL } from "../../wire/layout.ts";

/** Memory of instances that wait for their next process, of all modules in a carrier together. Bytes */
const FREE_BYTES_MAX = 128 * 2 ** 20;

export class InstanceBudget {
  /** What the carrier's free instances have. */
  #freeBytes = 0;
  readonly #bell: Int32Array;
  readonly #control: Int32Array;

  /**
   * @param bell the node's bell block, which has the sum and its limit
   * @param control the carrier's block, which has its share of the sum
   */
  constructor(bell: Int32Array, control: Int32Array) {
    this.#bell = bell;
    this.#control = control;
  }

  get max(): number {
    return Atomics.load(this.#bell, BELL.lightInstancesMax);
  }

  get isFull(): boolean {
    return Atomics.load(this.#bell, BELL.lightInstances) >= this.max;
  }

  /** True if an instance of so many bytes may be kept for the next process. */
  hasFreeRoom(bytes: number): boolean {
    return this.#freeBytes + bytes <= FREE_BYTES_MAX;
  }

  /** Free instances have so many bytes more, or (negative) fewer. */
  addFree(change: number): void {
    this.#freeBytes += change;
  }

  /** Instances were made, or (negative) given up. */
  add(change: number): void {
    Atomics.add(this.#bell, BELL.lightInstances, change);
    Atomics.add(this.#control, CONTROL.lightInstances, change);
    Atomics.add(this.#control, CONTROL.instances, change);
  }
}
