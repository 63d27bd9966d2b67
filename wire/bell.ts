// One thread's sleep flag in shared memory: it sleeps on the word, others wake it only if it said that it sleeps.
//
// Sleep protocol (DECISIONS 1.4): the sleeper stores 1, looks for work once more, then waits while the word is 1.
// A waker swaps 1 to 0 and notifies; where the word is 0 nobody sleeps and nothing is paid (waking costs 50–200 µs).

export class Bell {
  readonly #words: Int32Array;
  readonly #index: number;

  constructor(words: Int32Array, index: number) {
    this.#words = words;
    this.#index = index;
  }

  /** Wakes the sleeper, if there is one. Any thread. */
  ring(): void {
    if (Atomics.load(this.#words, this.#index) === 1 && Atomics.exchange(this.#words, this.#index, 0) === 1) {
      Atomics.notify(this.#words, this.#index);
    }
  }

  /** A sleeper whose promise has not settled looks for work itself for a moment: nobody rings. */
  mute(): void {
    Atomics.store(this.#words, this.#index, 0);
  }

  /** After `mute`: it is rung again. Look for work once more, as before any sleep. */
  unmute(): void {
    Atomics.store(this.#words, this.#index, 1);
  }

  /** Blocks the calling thread until rung, `hasWork` says true, or `ms` have passed. Never on the main thread. */
  block(hasWork: () => boolean, ms: number): void {
    Atomics.store(this.#words, this.#index, 1);
    if (!hasWork()) Atomics.wait(this.#words, this.#index, 1, ms);
    Atomics.store(this.#words, this.#index, 0);
  }

  /**
   * Like block, but the event loop goes on: null if there is work already, else a promise that settles when rung or
   * after the time.
   * It does not keep the loop alive by itself (reliability.md, finding 14).
   */
  sleep(hasWork: () => boolean, ms = Number.POSITIVE_INFINITY): Promise<unknown> | null {
    Atomics.store(this.#words, this.#index, 1);
    if (hasWork()) {
      Atomics.store(this.#words, this.#index, 0);
      return null;
    }
    const waiting = Atomics.waitAsync(this.#words, this.#index, 1, ms);
    return waiting.async ? waiting.value : null;
  }

  /** It does not sleep any more: after a sleep that ended by its time. */
  awake(): void {
    Atomics.store(this.#words, this.#index, 0);
  }
}
