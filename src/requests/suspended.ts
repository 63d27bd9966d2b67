// Requests of light actors that wait in the middle: their carriers do other things meanwhile.
//
// Their deadline ends their processes and not their carrier (DECISIONS 9.7).
import { FrenezuloError } from "../errors.ts";
import type { Actor, InFlight } from "../services/service.ts";
import type { ProcessEvents } from "./events.ts";
import type { Ledger } from "./ledger.ts";

export class Suspended {
  readonly #ledger: Ledger;
  readonly #processes: ProcessEvents;
  /** Actors that have any. */
  readonly #actors = new Set<Actor>();

  constructor(ledger: Ledger, processes: ProcessEvents) {
    this.#ledger = ledger;
    this.#processes = processes;
  }

  /** A request has begun and waits. */
  add(actor: Actor, seq: number): void {
    if (actor.suspend(seq)) this.#actors.add(actor);
  }

  /** Fails those whose deadline has passed. True if there are others. */
  timeOut(nowMs: number): boolean {
    for (const actor of this.#actors) {
      if (actor.suspended.size === 0) this.#actors.delete(actor);
      const ms = actor.pool.policy.limits.deadline;
      for (const request of actor.suspended.values()) if (nowMs - request.begunMs >= ms) this.end(request);
    }
    return this.#actors.size > 0;
  }

  /** The deadline of a light actor's request has passed: its processes are told to end. False if they were before. */
  end(request: InFlight): boolean {
    if (request.isOver) return false;
    request.isOver = true;
    this.#processes.requestOver(request);
    const { service, policy } = request.pool;
    const error = new FrenezuloError("deadline", { service: service.prefix, ms: policy.limits.deadline });
    if (request.exchange !== null) this.#ledger.failGuest(request, error);
    return true;
  }
}
