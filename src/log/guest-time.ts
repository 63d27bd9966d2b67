// How much of the main thread's time guests' log lines may take, shared between services. Pure.

const WINDOW_MS = 100;
/** Of each window, ms. Above it a service has its part of as much again, so that one does not silence the others. */
const BUDGET_MS = 10;

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

  spent(service: string, ms: number): void {
    this.#spentMs += ms;
    this.#services.set(service, (this.#services.get(service) ?? 0) + ms);
  }
}
