// Slows down those who guess tokens: from the tenth wrong one of a source in a second on, its wrong ones wait for their
// answer. It says nothing of right ones: many people may share an address (a proxy), and one must not shut out another.
import { sourceOf } from "../acceptor/source.ts";

export const FAILURES_MAX = 10;
export const WINDOW_MS = 1_000;
/** How long a slowed answer waits. */
export const DELAY_MS = 1_000;
/**
 * Answers of all sources that begin to wait within a window; so at most twice as many wait at once. Those beyond are
 * given at once and close their connection: waiting must not cost the node what guessing does not cost a guesser.
 */
export const DELAYED_MAX = 256;
/** Sources remembered at once; the oldest is forgotten first, so that many addresses cost no memory. */
const SOURCES_MAX = 4_096;

interface Window {
  endsAtMs: number;
  failures: number;
}

/** What becomes of the answer to a wrong token. */
export interface Slowed {
  /** False for the first few of a source. */
  readonly isThrottled: boolean;
  /** True for the one that begins a block, which lasts a whole window from then. */
  readonly isBlockBegin: boolean;
  readonly delayMs: number;
}

export class Throttle {
  readonly #now: () => number;
  readonly #windows = new Map<string, Window>();
  readonly #delayed: Window = { endsAtMs: 0, failures: 0 };

  /** @param now milliseconds of a monotonic clock */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Counts one failure. */
  fail(remoteAddress: string): Slowed {
    const source = sourceOf(remoteAddress);
    const now = this.#now();
    let window = this.#windows.get(source);
    if (window === undefined || now >= window.endsAtMs) {
      this.#windows.delete(source);
      const oldest = this.#windows.size >= SOURCES_MAX ? this.#windows.keys().next().value : undefined;
      if (oldest !== undefined) this.#windows.delete(oldest);
      window = { endsAtMs: now + WINDOW_MS, failures: 0 };
      this.#windows.set(source, window);
    }
    window.failures += 1;
    const isBlockBegin = window.failures === FAILURES_MAX;
    if (isBlockBegin) window.endsAtMs = now + WINDOW_MS;
    const isThrottled = window.failures > FAILURES_MAX;
    return { isThrottled, isBlockBegin, delayMs: isThrottled && this.#mayDelay(now) ? DELAY_MS : 0 };
  }

  #mayDelay(now: number): boolean {
    const delayed = this.#delayed;
    if (now >= delayed.endsAtMs) {
      delayed.endsAtMs = now + DELAY_MS;
      delayed.failures = 0;
    }
    delayed.failures += 1;
    return delayed.failures <= DELAYED_MAX;
  }
}
