// Whether a service that shares carriers is busy enough for its own. Pure; asked at every sweep.

/** A service in shared carriers gets its own when, over this long, it uses this share of one or is asked this often. */
const HEAT_MS = 500;
const HOT_SHARE = 0.5;
const HOT_PER_SECOND = 500;

export class Heat {
  #isHot = false;
  #lookedMs = 0;
  #busyMs = 0;
  #requests = 0;

  /**
   * Measured anew every HEAT_MS; in between it says what it said.
   * @param busyMs time that guests of the service have run so far
   * @param requests that it has answered so far
   */
  isHot(busyMs: number, requests: number, nowMs: number): boolean {
    const ms = nowMs - this.#lookedMs;
    if (ms < HEAT_MS) return this.#isHot;
    const share = (busyMs - this.#busyMs) / ms;
    const perSecond = ((requests - this.#requests) / ms) * 1000;
    this.#lookedMs = nowMs;
    this.#busyMs = busyMs;
    this.#requests = requests;
    this.#isHot = share >= HOT_SHARE || perSecond >= HOT_PER_SECOND;
    return this.#isHot;
  }
}
