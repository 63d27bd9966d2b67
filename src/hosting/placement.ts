// Which carrier an actor gets: one of its own, or one it shares; who waits for one, and who must give one up.
//
// Dedicated: busy, kept and quarantined services; requests may wait in the carrier's ring. Shared: cold and idle
// services; the carrier runs one request at a time, the others wait on the main thread (DECISIONS 8.3). Light actors
// share with light ones, since a plain one that does not end takes with it what waits in its carrier.

import type { Carrier } from "../carriers/carrier.ts";
import type { Carriers } from "../carriers/carriers.ts";
import type { Actor, Pool, Service } from "../services/service.ts";
import { idleLongest, isIdle, placedBy, sharedLongest } from "./idleness.ts";
import { isCrowdedOut } from "./starvation.ts";

export interface PlacementOptions {
  /** Shared carriers that are kept in use before others are made shared. */
  readonly sharedMax: number;
  /** Carriers that one service may hold while others wait for one. */
  readonly shareMax: number;
  /** Instances in the process; beyond them the least recently used idle actor goes. */
  readonly instancesMax: number;
  /** Actors that have no requests, for giving up what they hold. */
  readonly idle: () => Iterable<Actor>;
  /** All actors. */
  readonly all: () => Iterable<Actor>;
  /** An actor that should end as soon as it has no request. */
  readonly makeWay: (actor: Actor) => void;
}

interface Waiter {
  readonly actor: Actor;
  readonly take: (carrier: Carrier | null) => void;
}

/** Spares above the wanted number are kept this long, for the next burst. ms */
const SPARE_MS = 2000;
/** For a busy service that shares a carrier, one gives up its own only after so long without a request. ms */
const IDLE_MS = 1000;
/** Behind what has run for so long in a shared carrier nobody starts: it may be an endless loop. ms */
const LONG_MS = 20;

export class Placement {
  readonly #carriers: Carriers;
  readonly #options: PlacementOptions;
  readonly #shared = new Set<Carrier>();
  /** Actors that were told to give up what they hold, and shared carriers that nobody is placed in any more. */
  readonly #leaving = new Set<Actor>();
  readonly #clearing = new Set<Carrier>();
  readonly #waiting: Waiter[] = [];
  /** Carriers of its own that each service holds. */
  readonly #held = new Map<Service, number>();
  #instances = 0;
  #surplusSinceMs: number | null = null;

  constructor(carriers: Carriers, options: PlacementOptions) {
    this.#carriers = carriers;
    this.#options = options;
  }

  /** Actors that wait for a carrier. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * True if one more actor of this pool could run now. A service that has its share already, shared carriers included,
   * takes nothing from those who wait, and leaves the last free carrier to those who come. Actors that are all behind
   * others in their shared carriers do not count, nor do those that it leaves for carriers of its own.
   */
  hasRoomFor(pool: Pool): boolean {
    const sharing = isCrowdedOut(pool) ? 0 : pool.actors.size;
    const has = pool.wantsDedicated ? this.#heldBy(pool.service) : sharing;
    const isSated = has >= this.#options.shareMax;
    if (isSated && this.#waiting.length > 0) return false;
    let free = this.#carriers.available;
    if (!pool.wantsDedicated) for (const carrier of this.#alike(pool)) if (isIdle(carrier)) free++;
    return free > (isSated ? 1 : 0);
  }

  /** A carrier for a starting actor. @throws Error if it is told to stop while it waits */
  place(actor: Actor): Promise<Carrier> {
    const carrier = this.#find(actor);
    if (carrier !== null) return Promise.resolve(this.#give(actor, carrier));
    return new Promise((resolve, reject) => {
      const take = (given: Carrier | null): void => {
        if (given === null) reject(new Error("it was told to stop before it had a carrier"));
        else resolve(this.#give(actor, given));
      };
      this.#waiting.push({ actor, take });
      this.#makeRoom();
    });
  }

  /** An actor that waits for a carrier needs none any more. False if it does not wait. */
  withdraw(actor: Actor): boolean {
    const at = this.#waiting.findIndex((each) => each.actor === actor);
    if (at < 0) return false;
    this.#waiting.splice(at, 1)[0]?.take(null);
    return true;
  }

  /** An actor has ended. Its carrier, if that lives, is free for others. */
  release(actor: Actor): void {
    const carrier = actor.carrier;
    if (carrier === null || !actor.isPlaced) return;
    actor.isPlaced = false;
    this.#leaving.delete(actor);
    carrier.tenants--;
    this.#instances--;
    if (!carrier.isShared) {
      const { service } = actor.pool;
      const held = this.#heldBy(service) - 1;
      if (held > 0) this.#held.set(service, held);
      else this.#held.delete(service);
    }
    if (carrier.tenants > 0) {
      this.serve(); // one instance fewer
      return;
    }
    this.#shared.delete(carrier);
    this.#clearing.delete(carrier);
    carrier.isShared = false;
    carrier.givesWay = false;
    this.#carriers.giveBack(carrier);
  }

  /** A carrier is free: whose service has the fewest actors gets it, among equals the one that waits longest. */
  serve(): void {
    while (this.#waiting.length > 0) {
      let next = this.#waiting[0] as Waiter;
      let fewest = Number.POSITIVE_INFINITY;
      for (const each of this.#waiting) {
        const placed = placedBy(each.actor.pool.service);
        if (placed >= fewest) continue;
        next = each;
        fewest = placed;
      }
      const carrier = this.#find(next.actor);
      if (carrier === null) return;
      this.#waiting.splice(this.#waiting.indexOf(next), 1);
      next.take(carrier);
    }
  }

  /** From time to time: makes room for those who wait, and ends spares that nobody needed for a while. */
  sweep(nowMs: number): void {
    this.serve();
    this.#makeRoom();
    if (!this.#carriers.hasSurplus) this.#surplusSinceMs = null;
    else {
      this.#surplusSinceMs ??= nowMs;
      if (nowMs - this.#surplusSinceMs >= SPARE_MS) this.#carriers.trim();
    }
  }

  /**
   * A busy service should have a carrier of its own, and none is free: who has long been idle gives up its own, or
   * those in a shared carrier give up that; one of more shared carriers than are wanted is given up at any time.
   */
  askForRoom(pool: Pool, nowMs: number): void {
    if (this.#waiting.length > 0 || this.#coming > 0 || !this.#carriers.isExhausted) return;
    if (this.#heldBy(pool.service) >= this.#options.shareMax) return;
    const oldest = idleLongest(
      this.#options.idle(),
      ({ carrier, pool: its }) => carrier?.isShared === false && its.staying > its.policy.scale.min,
    );
    if (oldest !== null && nowMs - oldest.lastUsedMs >= IDLE_MS) {
      this.#giveUp(oldest);
      return;
    }
    const shared = this.#shared.size > 1 ? sharedLongest(this.#shared, this.#options.all(), nowMs) : null;
    const isTooMany = this.#shared.size > this.#options.sharedMax;
    if (shared !== null && (isTooMany || nowMs - shared.lastUsedMs >= IDLE_MS)) this.#clear(shared.carrier);
  }

  /** Ends a shared carrier's actors in order; the carrier is free when they have ended. */
  #clear(carrier: Carrier): void {
    this.#shared.delete(carrier);
    this.#clearing.add(carrier);
    for (const actor of [...this.#options.all()]) if (actor.carrier === carrier) this.#options.makeWay(actor);
  }

  /** Places that will be free as soon as what they have now has ended. */
  get #coming(): number {
    return this.#leaving.size + this.#clearing.size;
  }

  #giveUp(actor: Actor): void {
    this.#leaving.add(actor);
    this.#options.makeWay(actor);
  }

  #heldBy(service: Service): number {
    return this.#held.get(service) ?? 0;
  }

  #give(actor: Actor, carrier: Carrier): Carrier {
    actor.isPlaced = true;
    carrier.tenants++;
    this.#instances++;
    if (!carrier.isShared) this.#held.set(actor.pool.service, this.#heldBy(actor.pool.service) + 1);
    return carrier;
  }

  #find(actor: Actor): Carrier | null {
    if (this.#instances >= this.#options.instancesMax) return null;
    if (actor.pool.wantsDedicated) {
      const own = this.#take(actor);
      // One that is only busy shares rather than wait for what does not come.
      if (own !== null || actor.pool.needsDedicated || this.#carriers.available > 0) return own;
    }
    const { givesWay, service } = actor.pool;
    const alike = this.#alike(actor.pool);
    const best = bestOf(alike);
    if (best.idle !== null && alike.length >= this.#options.sharedMax) return best.idle;
    const fresh = this.#take(actor);
    if (fresh !== null) {
      fresh.isShared = true;
      fresh.givesWay = givesWay;
      this.#shared.add(fresh);
      return fresh;
    }
    if (best.idle !== null || this.#carriers.available > 0) return best.idle;
    // Nobody is without an actor because the others are not of its kind.
    const other = placedBy(service) === 0 ? bestOf(this.#shared) : best;
    const found = other.idle ?? best.busy ?? other.busy;
    if (found !== null && !givesWay) found.givesWay = false;
    return found;
  }

  /** Shared carriers whose actors are light as the pool's are, or plain as they are. */
  #alike(pool: Pool): Carrier[] {
    return [...this.#shared].filter(({ givesWay }) => givesWay === pool.givesWay);
  }

  /**
   * A warm carrier, if there is one. The last one is for a service that has no actor, or none that can run: another is
   * made, where one can be.
   */
  #take({ pool }: Actor): Carrier | null {
    if (this.#carriers.spares === 1 && !isCrowdedOut(pool) && placedBy(pool.service) > 0) {
      if (this.#carriers.prepare(this.#waiting.length + 2)) return null;
    }
    return this.#carriers.take();
  }

  /**
   * Where actors wait and no carrier can be made: the actor that has been idle longest gives up its own, or, for one
   * that needs its own, those that share one and have been idle for longer; if none is idle, a service that holds more
   * than its share ends one actor (its running request is finished first).
   */
  #makeRoom(): void {
    const isFull = this.#instances >= this.#options.instancesMax;
    if (this.#waiting.length <= this.#coming || !(isFull || this.#carriers.isExhausted)) return;
    const oldest = idleLongest(this.#options.idle(), (actor) => isFull || actor.carrier?.isShared === false);
    const shared =
      isFull || !this.#mayClear ? null : sharedLongest(this.#shared, this.#options.all(), performance.now());
    if (shared !== null && (oldest === null || shared.lastUsedMs < oldest.lastUsedMs)) {
      this.#clear(shared.carrier);
      return;
    }
    if (oldest !== null) {
      this.#giveUp(oldest);
      return;
    }
    const fewest = Math.min(...this.#waiting.map(({ actor }) => this.#heldBy(actor.pool.service)));
    for (const [service, held] of this.#held) {
      if (held <= this.#options.shareMax || held <= fewest + 1) continue;
      const last = [...service.pool.ready].find((actor) => actor.carrier?.isShared === false);
      if (last === undefined) continue;
      this.#giveUp(last);
      return;
    }
  }

  /** True if actors that may not share wait for a carrier. The last shared one is not for those that would keep it. */
  get #mayClear(): boolean {
    const wanted = this.#waiting.filter(({ actor }) => actor.pool.needsDedicated);
    if (wanted.length <= this.#clearing.size) return false;
    return this.#shared.size > 1 || wanted.some(({ actor }) => actor.pool.policy.state !== "kept");
  }
}

/** Of shared carriers, those with the fewest actors: an idle one, and one that has not been busy for long. */
function bestOf(shared: Iterable<Carrier>): { readonly idle: Carrier | null; readonly busy: Carrier | null } {
  let idle: Carrier | null = null;
  let busy: Carrier | null = null;
  for (const carrier of shared) {
    if (carrier.state !== "taken") continue;
    if (isIdle(carrier)) {
      if (idle === null || carrier.tenants < idle.tenants) idle = carrier;
    } else if ((carrier.running()?.ms ?? 0) < LONG_MS && !carrier.isHeldUp) {
      if (busy === null || carrier.tenants < busy.tenants) busy = carrier;
    }
  }
  return { idle, busy };
}
