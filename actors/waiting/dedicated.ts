// Dedicated waiting: the guest's process has its carrier to itself and blocks it (design, "Two ways to wait").

const nothing = new Int32Array(new SharedArrayBuffer(4));
/** Atomics.wait takes no more than this at once. */
const WAIT_MS_MAX = 2 ** 31 - 1;

/**
 * Blocks the carrier until `ready` gives something or `ms` have passed. Nothing in this thread can change what `ready`
 * sees while it is blocked, so it is asked once before and once after; `terminate()` ends the thread in the middle.
 */
export function waitDedicated<T>(ready: () => T | undefined, ms: number): T | undefined {
  const found = ready();
  if (found !== undefined) return found;
  for (let left = ms; left > 0; left -= WAIT_MS_MAX) Atomics.wait(nothing, 0, 0, Math.min(left, WAIT_MS_MAX));
  return ready();
}
