// A short look at a ring before its reader sleeps, as long as that pays: a wake-up costs both threads more.
import type { RingReader } from "./ring.ts";

const LOOK_MS = 0.04;
/** Looks between two at the clock. */
const LOOKS_A_TIME = 64;
/** How often it does not look after a vain one. */
const LOOKS_SKIPPED = 50;

export class Look {
  #toSkip = 0;

  /** True if a frame came within 40 µs. */
  at(ring: RingReader): boolean {
    if (this.#toSkip > 0) {
      this.#toSkip--;
      return false;
    }
    const untilMs = performance.now() + LOOK_MS;
    do {
      for (let i = 0; i < LOOKS_A_TIME; i++) if (ring.hasNext) return true;
    } while (performance.now() < untilMs);
    this.#toSkip = LOOKS_SKIPPED;
    return false;
  }
}
