// How long to wait before trying again: exponential with jitter. Pure; the random number is passed in.
import type { Backoff } from "./spec.ts";

/**
 * Whole milliseconds before attempt `attempt` (counted from 0): min(maxMs, minMs × factor^attempt), less a random part
 * of at most `jitter` of it, so that many services that failed together do not come back together. Never above maxMs.
 *
 * @param random a number in [0, 1)
 */
export function backoffDelayMs(backoff: Backoff, attempt: number, random: number): number {
  if (backoff.minMs === 0) return 0; // 0 × ∞ would be NaN
  const full = Math.min(backoff.maxMs, backoff.minMs * backoff.factor ** attempt);
  return Math.round(full * (1 - backoff.jitter * random));
}
