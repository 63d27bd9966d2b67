// Which idle actors of a service to end: those beyond what it needed at most within the window. Pure.

export interface ReapPolicy {
  /** Residents there always are. */
  readonly min: number;
  /** Milliseconds without work before an actor may be ended. Infinity: never. */
  readonly idleTimeoutMs: number;
}

/** A resident as the reaper sees it. */
export interface Resident {
  /** Requests that it has or that wait for it, and messages in its mailbox. */
  readonly work: number;
  /** Since when it has had no work; of no meaning while it has some. */
  readonly idleSinceMs: number;
}

/**
 * Those to end now, least recently used first. An actor with work is never among them, and what stays is at least
 * `min` and at least `peak`, the most that were busy at once within the window.
 */
export function reapable<T extends Resident>(
  residents: readonly T[],
  peak: number,
  policy: ReapPolicy,
  now: number,
): T[] {
  const surplus = residents.length - Math.max(policy.min, peak);
  if (surplus <= 0 || policy.idleTimeoutMs === Number.POSITIVE_INFINITY) return [];
  return residents
    .filter(({ work, idleSinceMs }) => work === 0 && now - idleSinceMs >= policy.idleTimeoutMs)
    .sort((a, b) => a.idleSinceMs - b.idleSinceMs)
    .slice(0, surplus);
}

/** The window is kept in this many slots: a peak is forgotten after one window, at the latest a tenth later. */
const slots = 10;

/** The most actors that were busy at once within the last window. Allocates nothing after it was made. */
export class Peak {
  readonly #slotMs: number;
  readonly #most = new Float64Array(slots + 1);
  #slot = 0;
  #busy = 0;

  /** @throws RangeError if the window is shorter than 10 ms or not finite */
  constructor(windowMs: number) {
    if (!(windowMs >= slots && windowMs < Number.POSITIVE_INFINITY))
      throw new RangeError(`the scale window must be at least ${slots} ms and finite, not ${windowMs}`);
    this.#slotMs = windowMs / slots;
  }

  /** So many are busy from now on. */
  record(busy: number, now: number): void {
    this.#slideTo(now);
    this.#busy = busy;
    const index = this.#slot % (slots + 1);
    if (busy > this.#most[index]!) this.#most[index] = busy;
  }

  at(now: number): number {
    this.#slideTo(now);
    let most = 0;
    for (let index = 0; index <= slots; index++) if (this.#most[index]! > most) most = this.#most[index]!;
    return most;
  }

  /** Slots that passed without a change had as many busy as there are. */
  #slideTo(now: number): void {
    const slot = Math.floor(now / this.#slotMs);
    const fresh = Math.min(slot - this.#slot, slots + 1);
    for (let index = 0; index < fresh; index++) this.#most[(slot - index) % (slots + 1)] = this.#busy;
    if (slot > this.#slot) this.#slot = slot;
  }
}
