// Whether a service that shares carriers is busy enough for its own. Pure; asked at every sweep.

/** A service in shared carriers gets its own when, over this long, it uses this share of one or is asked this often. */
const HEAT_MS = 500;
const HOT_SHARE = 0.5;
const HOT_PER_SECOND = 500;

export class Heat {
  #lookedMs = 0;
  #busyMs = 0;
  #requests = 0;

  /**
   * Measured anew every HEAT_MS; in between it stays as it is.
   * @param wasHot what it is now
   * @param busyMs time that guests of the service have run so far
   * @param requests that it has answered so far
   */
  isHot(wasHot: boolean, busyMs: number, requests: number, nowMs: number): boolean {
    const ms = nowMs - this.#lookedMs;
    if (ms < HEAT_MS) return wasHot;
    const share = (busyMs - this.#busyMs) / ms;
    const perSecond = ((requests - this.#requests) / ms) * 1000;
    this.#lookedMs = nowMs;
    this.#busyMs = busyMs;
    this.#requests = requests;
    return share >= HOT_SHARE || perSecond >= HOT_PER_SECOND;
  }
}
