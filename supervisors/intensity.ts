// Restart arithmetic, as OTP's add_restart: how many restarts within how many seconds are too many. Pure.

/** Result of counting one more restart. `times`: those still within the window, in whole seconds, oldest first. */
export interface Counted {
  readonly times: readonly number[];
  /** False: it was one too many, and the supervisor gives up. */
  readonly allowed: boolean;
}

/**
 * Counts a restart at `nowMs` (monotonic). Time is taken in whole seconds and the window includes both its ends, so
 * with maxSeconds 5 a restart in second 0 still counts in second 5. The (maxRestarts + 1)th within the window is not
 * allowed. With maxRestarts Infinity nothing is kept.
 */
export function addRestart(times: readonly number[], nowMs: number, maxRestarts: number, maxSeconds: number): Counted {
  if (maxRestarts === Number.POSITIVE_INFINITY) return { times: [], allowed: true };
  const second = Math.floor(nowMs / 1000);
  const recent = times.filter((time) => time >= second - maxSeconds);
  recent.push(second);
  return { times: recent, allowed: recent.length <= maxRestarts };
}
