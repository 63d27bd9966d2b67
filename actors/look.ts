// A look at the ring for a moment more before the thread sleeps, as long as that pays. In a carrier.
//
// A client that asks one thing after the other comes again at once, and a wake-up costs both threads more.
import type { RingReader } from "./ring.ts";

/** How long it looks on after a lone request; looks between two at the clock; times it does not after a vain one. */
const LOOK_MS = 0.04;
const LOOKS_A_TIME = 64;
const LOOKS_SKIPPED = 50;

export class Look {
  readonly #requests: RingReader;
  #toSkip = 0;

  constructor(requests: RingReader) {
    this.#requests = requests;
  }

  /** True if a frame came. */
  finds(): boolean {
    if (this.#toSkip > 0) {
      this.#toSkip--;
      return false;
    }
    const untilMs = performance.now() + LOOK_MS;
    do {
      for (let i = 0; i < LOOKS_A_TIME; i++) if (this.#requests.hasNext) return true;
    } while (performance.now() < untilMs);
    this.#toSkip = LOOKS_SKIPPED;
    return false;
  }
}
