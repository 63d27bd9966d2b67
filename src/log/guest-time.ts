// How much of the main thread's time guests' log lines may take, shared between services. Pure.
//
// Time is what lines and bytes cost on a quiet machine, not what a clock says: on a busy one nobody loses more of them.

const WINDOW_MS = 50;
/** Of each window. Above it a service has its part of as much again, so that one does not silence the others. ms */
const BUDGET_MS = 10;
/** To format and write a line of no length, and for each byte of it (M). ms */
const LINE_MS = 0.005;
const BYTE_MS = 5e-6;

export class GuestTime {
  #beganMs = Number.NEGATIVE_INFINITY;
  #spentMs = 0;
  /** What each service has used of this window. */
  #services = new Map<string, number>();
  /** Services that wrote in the window before. */
  #servicesBefore = 0;

  /** Whether a service may still log in this window. @param nowMs any monotonic clock */
  admits(service: string, nowMs: number): boolean {
    if (nowMs - this.#beganMs >= WINDOW_MS) {
      this.#servicesBefore = nowMs - this.#beganMs >= 2 * WINDOW_MS ? 0 : this.#services.size;
      this.#beganMs = nowMs;
      this.#spentMs = 0;
      this.#services = new Map();
    }
    if (this.#spentMs < BUDGET_MS) return true;
    const services = Math.max(1, this.#servicesBefore, this.#services.size);
    return (this.#services.get(service) ?? 0) < BUDGET_MS / services;
  }

  /** A service has logged so much. */
  spend(service: string, lines: number, bytes: number): void {
    const ms = lines * LINE_MS + bytes * BYTE_MS;
    this.#spentMs += ms;
    this.#services.set(service, (this.#services.get(service) ?? 0) + ms);
  }
}
