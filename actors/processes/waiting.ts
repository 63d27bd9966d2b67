// A host call of a light process that waits: what for, and how it goes on. Types only.

/** A host call that has not returned yet: what it waits for, and what comes then. */
export interface Waiting {
  /** Asked whenever something came; undefined: not yet. */
  readonly ready: () => unknown;
  /** Runs in the guest's call once it can go on; gives the host function's result. */
  readonly finish: (value: never) => unknown;
  /** performance.now() after which it goes on without a value; Infinity: never. */
  readonly untilMs: number;
}
