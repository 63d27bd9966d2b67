// From time to time over all pools with actors: who is idle for long, who has become busy, who is held up.

import type { Actor, Pool } from "../services/service.ts";
import type { ActorOutcomes } from "./outcomes.ts";
import type { Placement } from "./placement.ts";
import { isStarved } from "./starvation.ts";

/** A pool without requests is looked at this often, or ten times in its idle_timeout: there may be thousands. ms */
const REST_MS = 1000;

export class Sweep {
  readonly #pools: ReadonlySet<Pool>;
  readonly #placement: Placement;
  readonly #outcomes: ActorOutcomes;
  readonly #makeWay: (actor: Actor) => void;

  /**
   * @param pools those that have actors
   * @param makeWay ends an actor as soon as it has no request
   */
  constructor(
    pools: ReadonlySet<Pool>,
    placement: Placement,
    outcomes: ActorOutcomes,
    makeWay: (actor: Actor) => void,
  ) {
    this.#pools = pools;
    this.#placement = placement;
    this.#outcomes = outcomes;
    this.#makeWay = makeWay;
  }

  /** Actors without requests that may give up what they hold. */
  *idle(): Iterable<Actor> {
    for (const pool of this.#pools) {
      if (pool.waiting.length > 0 || pool.policy.state === "kept") continue;
      for (const actor of pool.ready) if (!actor.isBusy && actor.work() === 0) yield actor;
    }
  }

  run(nowMs: number): void {
    for (const pool of this.#pools) {
      const isIdle = pool.permits === 0 && pool.waiting.length === 0;
      if (isIdle && nowMs < pool.lookAtMs) continue;
      pool.lookAtMs = nowMs + (isIdle ? Math.min(REST_MS, pool.policy.scale.idle_timeout / 10) : 0);
      for (const actor of pool.surplus(nowMs)) this.#makeWay(actor);
      if (pool.heatsUp(nowMs)) {
        if (this.#placement.hasRoomFor(pool)) this.#giveOwn(pool);
        else this.#placement.askForRoom(pool, nowMs);
      }
      this.#moveOn(pool, nowMs);
    }
    this.#placement.sweep(nowMs);
    this.#outcomes.restock();
  }

  /**
   * A busy service leaves shared carriers for its own: one actor more, or, at its maximum, one for another. If none is
   * idle the one that leaves ends its requests first, and whoever waits then starts the other.
   */
  #giveOwn(pool: Pool): void {
    const { ready } = pool;
    if (pool.staying >= pool.stayingMax) {
      const idle = ready.find(({ isBusy }) => !isBusy);
      const leaving = idle ?? (pool.waiting.length > 0 ? ready[0] : undefined);
      if (leaving === undefined) return;
      this.#makeWay(leaving);
    }
    this.#outcomes.grow(pool);
  }

  /** Whose requests wait because of others in its shared carriers takes another that is free (DECISIONS 8.3). */
  #moveOn(pool: Pool, nowMs: number): void {
    if (!isStarved(pool, nowMs)) return;
    if (!this.#placement.hasRoomFor(pool)) {
      this.#placement.askForRoom(pool, nowMs);
      return;
    }
    const blocked = [...pool.ready];
    for (const actor of blocked) this.#makeWay(actor);
    this.#outcomes.grow(pool);
  }
}
