// One service's breaker: refuses its requests while most of them fail. Pure; allow and record are on the request path
// of the main thread and allocate nothing.
//
// closed → open: at least `failures` failures and at least `ratio` of the requests in the window, or trip().
// open → half_open: the backoff has passed; the next request is the probe, and the only one.
// half_open → closed: the probe succeeded. → open with the next longer backoff: it failed.
import { backoffDelayMs } from "./backoff.ts";
import type { Backoff } from "./spec.ts";

export interface BreakerPolicy {
  /** Failures in the window from which it may open. */
  readonly failures: number;
  /** Share of the window's requests, 0..1, that must have failed as well. */
  readonly ratio: number;
  readonly windowMs: number;
  /** How long it stays open: attempt 0, 1, … until a probe succeeds. minMs must be above 0. */
  readonly backoff: Backoff;
}

/** The window is counted in this many slots, so that it slides by a tenth of its length. */
const slots = 10;

export class Breaker {
  #policy: BreakerPolicy;
  readonly #random: () => number;
  #slotMs: number;
  readonly #failed = new Float64Array(slots);
  readonly #all = new Float64Array(slots);
  /** Number of the newest slot since time 0. */
  #slot = 0;
  #state: "closed" | "open" | "half_open" = "closed";
  /** Open: when a probe may go. Half-open: when another may, should the first never be heard of. */
  #untilMs = 0;
  #attempts = 0;
  /** Tickets of the present state; a result under an older one says nothing about now. */
  #epoch = 1;

  /** @param random gives numbers in [0, 1), for the jitter of the backoff. @throws RangeError on an unfit policy */
  constructor(policy: BreakerPolicy, random: () => number) {
    refuseUnfit(policy);
    this.#policy = policy;
    this.#random = random;
    this.#slotMs = policy.windowMs / slots;
  }

  get state(): "closed" | "open" | "half_open" {
    return this.#state;
  }

  /**
   * Whether a request may be dispatched now: 0 if not, otherwise a ticket to give back to `record`. If it was open and
   * the backoff has passed, this request is the probe. A probe that is never recorded (its client left) is replaced
   * after as long as the breaker had been open.
   */
  allow(now: number): number {
    if (this.#state === "closed") return this.#epoch;
    if (now < this.#untilMs) return 0;
    this.#state = "half_open";
    this.#untilMs = now + this.#delayMs();
    return ++this.#epoch;
  }

  /**
   * The result of a request that `allow` gave `ticket` for. Results from before the last change of state are ignored.
   */
  record(ticket: number, ok: boolean, now: number): void {
    if (ticket !== this.#epoch) return;
    if (this.#state === "half_open") {
      if (ok) this.reset();
      else this.#open(now);
      return;
    }
    if (this.#state === "open") return;
    this.#slideTo(now);
    const slot = this.#slot % slots;
    this.#all[slot]!++;
    if (ok) return;
    this.#failed[slot]!++;
    const failures = sum(this.#failed);
    if (failures >= this.#policy.failures && failures >= this.#policy.ratio * sum(this.#all)) this.#open(now);
  }

  /** The service's supervisor gave up: opens it, unless it is open already. */
  trip(now: number): void {
    if (this.#state !== "open") this.#open(now);
  }

  /** Closes it and forgets all failures: a probe succeeded. */
  reset(): void {
    this.#state = "closed";
    this.#attempts = 0;
    this.#epoch++;
    this.#failed.fill(0);
    this.#all.fill(0);
  }

  /** As reset, and under another policy: the service has been replaced. @throws RangeError on an unfit policy */
  change(policy: BreakerPolicy): void {
    refuseUnfit(policy);
    this.reset();
    this.#policy = policy;
    this.#slotMs = policy.windowMs / slots;
    this.#slot = 0; // slots of another length are counted from time 0 anew
  }

  /** Milliseconds until a request has a chance; 0 when closed. For Retry-After. */
  retryAfterMs(now: number): number {
    return this.#state === "closed" ? 0 : Math.max(0, this.#untilMs - now);
  }

  #open(now: number): void {
    this.#attempts++;
    this.#state = "open";
    this.#untilMs = now + this.#delayMs();
    this.#epoch++;
  }

  #delayMs(): number {
    return backoffDelayMs(this.#policy.backoff, this.#attempts - 1, this.#random());
  }

  #slideTo(now: number): void {
    const slot = Math.floor(now / this.#slotMs);
    const fresh = Math.min(slot - this.#slot, slots);
    for (let index = 0; index < fresh; index++) {
      this.#failed[(slot - index) % slots] = 0;
      this.#all[(slot - index) % slots] = 0;
    }
    if (slot > this.#slot) this.#slot = slot;
  }
}

function refuseUnfit(policy: BreakerPolicy): void {
  if (!(policy.failures >= 1)) throw new RangeError(`breaker failures must be at least 1, not ${policy.failures}`);
  if (!(policy.ratio >= 0 && policy.ratio <= 1))
    throw new RangeError(`breaker ratio must be from 0 to 1, not ${policy.ratio}`);
  if (!(policy.windowMs >= slots && policy.windowMs < Number.POSITIVE_INFINITY))
    throw new RangeError(`breaker window must be at least ${slots} ms and finite, not ${policy.windowMs}`);
  if (!(policy.backoff.minMs > 0))
    throw new RangeError(`the backoff of a breaker must have a min above 0 ms, not ${policy.backoff.minMs}`);
}

function sum(counts: Float64Array): number {
  let total = 0;
  for (let index = 0; index < counts.length; index++) total += counts[index]!;
  return total;
}
