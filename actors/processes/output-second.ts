// Output of the current second, of an actor or of an environment's processes in a carrier, against its limits.

export class OutputSecond {
  /** Whole seconds of the clock. */
  #second = 0;
  bytes = 0;
  lines = 0;

  /** Counts from the beginning if another second has begun. @param nowMs any monotonic clock */
  at(nowMs: number): this {
    const second = Math.floor(nowMs / 1000);
    if (second === this.#second) return this;
    this.#second = second;
    this.bytes = this.lines = 0;
    return this;
  }
}
