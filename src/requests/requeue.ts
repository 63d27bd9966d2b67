// What happens to an actor's requests when it takes no more of them: those it has not begun go to others.
import type { Exit } from "../../wire/exits.ts";
import type { Carrier } from "../carriers/carrier.ts";
import { type ErrorCode, FrenezuloError } from "../errors.ts";
import type { Actor, InFlight } from "../services/service.ts";
import type { Ledger } from "./ledger.ts";
import type { Queues } from "./queues.ts";

export class Requeue {
  readonly #ledger: Ledger;
  readonly #queues: Queues;

  constructor(ledger: Ledger, queues: Queues) {
    this.#ledger = ledger;
    this.#queues = queues;
  }

  /** Takes back what an actor has not begun, in order, so that others run it. */
  takeBack(actor: Actor): void {
    const carrier = actor.carrier as Carrier;
    for (const request of [...actor.sent]) if (request.takeBack(carrier)) this.#putBack(actor, request);
  }

  /** An actor's request takes long: nothing waits behind it. */
  lingers(actor: Actor): void {
    actor.lingers = true;
    this.takeBack(actor);
  }

  /** Fails what has waited in an actor's ring for too long. */
  timeOut(actor: Actor, nowMs: number): void {
    const limitMs = actor.pool.policy.limits.queue_timeout;
    for (const request of [...actor.sent]) {
      if (nowMs - request.readyMs < limitMs) return;
      if (!request.takeBack(actor.carrier as Carrier)) continue; // it has begun: its deadline counts
      actor.remove(request);
      request.stage = "waiting";
      this.#queues.failTimedOut(request);
    }
  }

  #putBack(actor: Actor, request: InFlight): void {
    actor.remove(request);
    if (request.exchange === null) {
      this.#ledger.finish(request);
      return;
    }
    request.actor = null;
    request.followService();
    this.#queues.putBack(request);
  }

  /**
   * A request that had begun runs once more, where it may: if nothing of its first run can be seen, or if its method is
   * idempotent and its policy allows (reliability.md §3.10).
   */
  runAgain(actor: Actor, request: InFlight): boolean {
    const isAllowed = request.isIdempotent && request.pool.policy.retry === "idempotent";
    const mayRunAgain = !request.hasRunAgain && (isAllowed || actor.isUnseen(request));
    if (request.exchange === null || !mayRunAgain) return false;
    this.#ledger.reopen(request, (replyPid) => request.runAgain(actor.carrier as Carrier, replyPid));
    this.#putBack(actor, request);
    return true;
  }

  /** A request that had begun has lost its carrier through another's doing: it counts against nobody here. */
  displace(actor: Actor, request: InFlight, why: string): void {
    if (this.runAgain(actor, request)) return;
    if (request.exchange !== null) {
      const details = { service: actor.pool.service.prefix, why };
      this.#ledger.fail(request, new FrenezuloError("displaced", details, { retryAfterSeconds: 1 }));
    }
    actor.remove(request);
    this.#ledger.finish(request);
  }

  /** A request that had begun ends with its actor. */
  loseBegun(actor: Actor, request: InFlight, exit: Exit, code: ErrorCode): void {
    if (code === "carrier_lost" && this.runAgain(actor, request)) return;
    if (request.exchange !== null) {
      const { service, policy } = actor.pool;
      const details = { service: service.prefix, why: exit.text, ms: policy.limits.deadline };
      this.#ledger.failGuest(request, new FrenezuloError(code, details));
    }
    actor.remove(request);
    this.#ledger.finish(request);
  }
}
