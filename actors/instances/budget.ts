// How many instances of light processes the process holds, in all carriers: V8 has addresses for about 13,000 memories
// (DESIGN fact 12), and those of others must not be missing because of one. Any thread.
import { BELL, CONTROL } from "../../wire/layout.ts";

export class InstanceBudget {
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

  /** Instances were made, or (negative) given up. */
  add(change: number): void {
    Atomics.add(this.#bell, BELL.lightInstances, change);
    Atomics.add(this.#control, CONTROL.lightInstances, change);
    Atomics.add(this.#control, CONTROL.instances, change);
  }
}
