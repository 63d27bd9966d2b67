// Carriers for light processes alone: taken when they are needed, ended when they have been empty for a while.
import type { Carrier } from "../carriers/carrier.ts";
import type { Carriers } from "../carriers/carriers.ts";
import type { Environments } from "./environments.ts";

/** A carrier with more processes than this may have fewer made in it: making one is dearer with each thousand. */
const CROWD = 256;
/** Another must have so many fewer that it pays to go there. */
const MARGIN = 32;
/** How often empty ones are looked for, and how long one is kept empty. ms */
const SWEEP_MS = 1000;
const EMPTY_MS = 5000;

export class ProcessHosts {
  readonly #environments: Environments;
  readonly #carriers: Carriers;
  readonly #max: number;
  /** Each with the time since which it has been empty; 0: it is not. performance.now() */
  readonly #hosts = new Map<Carrier, number>();
  /** Births that a host has not answered. */
  readonly #births = new Map<Carrier, number>();
  readonly #timer: NodeJS.Timeout;

  /** @param max hosts at most */
  constructor(environments: Environments, carriers: Carriers, max: number) {
    this.#environments = environments;
    this.#carriers = carriers;
    this.#max = max;
    this.#timer = setInterval(() => this.#sweep(performance.now()), SWEEP_MS);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** The one with the fewest processes. @throws Error if there is none and no carrier is free */
  least(): Carrier {
    let least: Carrier | null = null;
    for (const host of this.#hosts.keys()) if (least === null || load(host) < load(least)) least = host;
    const host = least ?? this.#take();
    if (host === null) throw new Error("no carrier is free for processes");
    return host;
  }

  /** Where one more light process of a carrier should live: there, unless another has many fewer. */
  roomiest(own: Carrier): Carrier {
    if (load(own) < CROWD) return own;
    let best = own;
    for (const host of this.#hosts.keys()) if (load(host) + MARGIN < load(best)) best = host;
    const mayTake = best === own && this.#hosts.size < this.#max && this.#carriers.available > 1;
    return (mayTake ? this.#take() : null) ?? best;
  }

  /** Births were asked of a carrier (1), or answered (-1): one with such is not empty. */
  countBirth(carrier: Carrier, change: number): void {
    const births = (this.#births.get(carrier) ?? 0) + change;
    if (births > 0) this.#births.set(carrier, births);
    else this.#births.delete(carrier);
  }

  gone(carrier: Carrier): void {
    this.#hosts.delete(carrier);
    this.#births.delete(carrier);
  }

  #take(): Carrier | null {
    const fresh = this.#carriers.take();
    if (fresh !== null) this.#hosts.set(fresh, 0);
    return fresh;
  }

  /** What a crowd has left in a thread, its heap and its pools, goes with the thread; the carrier is others'. */
  #sweep(nowMs: number): void {
    for (const [host, emptySinceMs] of this.#hosts) {
      if (!this.#isEmpty(host)) this.#hosts.set(host, 0);
      else if (emptySinceMs === 0) this.#hosts.set(host, nowMs);
      else if (nowMs - emptySinceMs >= EMPTY_MS) {
        this.#hosts.delete(host);
        this.#carriers.kill(host);
      }
    }
  }

  #isEmpty(host: Carrier): boolean {
    if (this.#births.has(host)) return false;
    for (const environment of this.#environments.all()) if (environment.workIn(host) > 0) return false;
    return true;
  }
}

function load(carrier: Carrier): number {
  return carrier.counter("instances");
}
