// Timers for any duration: beyond 2^31−1 ms, "never" (Infinity), and nothing negative.
//
// A plain setTimeout of 30 days fires at once (DECISIONS 4.6).

const stepMsMax = 2 ** 31 - 1;

export interface Timer {
  /** Does nothing once it has fired. */
  cancel(): void;
  /** Lets the process end although the timer has not fired. */
  unref(): this;
}

/**
 * Calls `action` once after `ms`; never for Infinity.
 * @throws RangeError for what is negative or not a number
 */
export function after(ms: number, action: () => void): Timer {
  if (!(ms >= 0)) throw new RangeError(`a duration is 0 ms or more, not ${ms}`);
  return new SplitTimer(ms, action);
}

/** Resolves after `ms`; never for Infinity. @throws RangeError as `after` */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    after(ms, resolve);
  });
}

class SplitTimer implements Timer {
  #remainingMs: number;
  readonly #action: () => void;
  #handle: NodeJS.Timeout | undefined;
  #isRef = true;

  constructor(ms: number, action: () => void) {
    this.#remainingMs = ms;
    this.#action = action;
    this.#next();
  }

  cancel(): void {
    clearTimeout(this.#handle);
    this.#handle = undefined;
  }

  unref(): this {
    this.#isRef = false;
    this.#handle?.unref();
    return this;
  }

  #next(): void {
    if (this.#remainingMs === Number.POSITIVE_INFINITY) return;
    const stepMs = Math.min(this.#remainingMs, stepMsMax);
    this.#remainingMs -= stepMs;
    this.#handle = setTimeout(() => (this.#remainingMs > 0 ? this.#next() : this.#action()), stepMs);
    if (!this.#isRef) this.#handle.unref();
  }
}
