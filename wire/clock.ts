// One clock for all threads, in 31 bits of shared memory. Imports nothing.

/**
 * From this thread's performance.now() to the machine's monotonic clock; they are one clock with two beginnings. ms
 * Looked at until nothing came in between: a thread that is put aside between its two looks would be wrong for ever.
 */
function clockOffset(): number {
  let offsetMs = 0;
  let leastMs = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 100 && leastMs > 0.02; i++) {
    const before = performance.now();
    const machineMs = Number(process.hrtime.bigint()) / 1e6;
    const tookMs = performance.now() - before;
    if (tookMs >= leastMs) continue;
    leastMs = tookMs;
    offsetMs = machineMs - before;
  }
  return offsetMs;
}
const clockOffsetMs = clockOffset();

/**
 * Milliseconds of the machine's monotonic clock, the same in all threads, kept in 31 bits.
 * @param nowMs this thread's performance.now(), if it has just been asked
 */
export function monotonicMs(nowMs: number = performance.now()): number {
  return (nowMs + clockOffsetMs) & 0x7fff_ffff;
}

/** Milliseconds from one monotonicMs to a later one. */
export function elapsedMs(from: number, to: number): number {
  return (to - from) & 0x7fff_ffff;
}
