// Whether a transfer makes progress: bytes that move earn it time, and one whose time is used up is late.
//
// So what is slow all the time is never late, and what stands still is, however much it moved before.
import { after, type Timer } from "../timer.ts";

export interface PaceLimits {
  /** A transfer may stand still for this long. ms, above 0 */
  readonly idleMs: number;
  /** What must move in the mean, bytes a second. */
  readonly rateMin: number;
  /** From begin to end, whatever moves. ms, Infinity for never */
  readonly totalMs: number;
}

export class Pace {
  readonly #msPerByte: number;
  readonly #leftMsMax: number;
  readonly #endMs: number;
  readonly #late: () => void;
  /** What is left at `#atMs`. */
  #leftMs: number;
  #atMs = performance.now();
  #isHeld = false;
  #isOver = false;
  #timer: Timer;

  /**
   * Begins now. `late` is called once, in a turn of its own.
   * @param unseenBytes that may have moved at most before it can be told: so many bytes' time is kept ready
   */
  constructor({ idleMs, rateMin, totalMs }: PaceLimits, unseenBytes: number, late: () => void) {
    this.#msPerByte = 1000 / rateMin;
    this.#leftMsMax = idleMs + unseenBytes * this.#msPerByte;
    this.#leftMs = idleMs;
    this.#endMs = this.#atMs + totalMs;
    this.#late = late;
    this.#timer = after(Math.min(idleMs, totalMs), () => this.#look());
  }

  /** So many bytes have moved. */
  moved(bytes: number): void {
    const nowMs = performance.now();
    this.#leftMs = Math.min(this.#leftMsMax, this.#leftAt(nowMs) + bytes * this.#msPerByte);
    this.#atMs = nowMs;
  }

  /** It is made to stand still from now on, which is not its fault: no time passes, but that of the total. */
  hold(): void {
    this.#leftMs = this.#leftAt(performance.now());
    this.#isHeld = true;
  }

  /** It may go on. */
  resume(): void {
    this.#isHeld = false;
    this.#atMs = performance.now();
  }

  /** It has ended. Does nothing once it was late. */
  cancel(): void {
    this.#isOver = true;
    this.#timer.cancel();
  }

  #leftAt(nowMs: number): number {
    return this.#isHeld ? this.#leftMs : this.#leftMs - (nowMs - this.#atMs);
  }

  #look(): void {
    const leftMs = this.#left();
    if (leftMs > 0) this.#timer = after(leftMs, () => this.#look());
    // What came while the loop was busy is read before the next turn: it counts.
    else setImmediate(() => this.#lookAgain());
  }

  #lookAgain(): void {
    if (this.#isOver) return;
    const leftMs = this.#left();
    if (leftMs > 0) {
      this.#timer = after(leftMs, () => this.#look());
      return;
    }
    this.#isOver = true;
    this.#late();
  }

  /** Until it must be looked at again; 0 or less if it is late. A held one gets its idle time when it goes on. */
  #left(): number {
    const nowMs = performance.now();
    const leftMs = this.#isHeld ? Math.max(1000, this.#leftMs) : this.#leftAt(nowMs);
    return Math.min(leftMs, this.#endMs - nowMs);
  }
}
