// Slows down those who guess tokens: 10 failures in a second, then that source waits a second.
import { sourceOf } from "../acceptor/source.ts";

export const FAILURES_MAX = 10;
export const WINDOW_MS = 1_000;
/** Sources remembered at once; the oldest is forgotten first, so that many addresses cost no memory. */
const SOURCES_MAX = 4_096;

interface Window {
  endsAtMs: number;
  failures: number;
}

export class Throttle {
  readonly #now: () => number;
  readonly #windows = new Map<string, Window>();

  /** @param now milliseconds of a monotonic clock */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** True while this address has used up its failures; nothing it presents is looked at until then. */
  isThrottled(remoteAddress: string): boolean {
    const window = this.#windows.get(sourceOf(remoteAddress));
    return window !== undefined && window.failures >= FAILURES_MAX && this.#now() < window.endsAtMs;
  }

  /** Counts one failure. Returns true for the one that begins a block, which lasts a whole window from then. */
  fail(remoteAddress: string): boolean {
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
    if (window.failures !== FAILURES_MAX) return false;
    window.endsAtMs = now + WINDOW_MS;
    return true;
  }
}
