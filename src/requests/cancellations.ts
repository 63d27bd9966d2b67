// Requests in rings whose clients have gone: taken back where they have not begun.

import type { InFlight } from "../services/service.ts";
import type { ActorEvents } from "./events.ts";
import type { Ledger } from "./ledger.ts";

export class Cancellations {
  readonly #ledger: Ledger;
  readonly #actors: Pick<ActorEvents, "actorIdle">;
  readonly #drain: () => void;
  readonly #requests: InFlight[] = [];

  /** @param drain deals with what is in the rings: only what is left in them after that can be taken back */
  constructor(ledger: Ledger, actors: Pick<ActorEvents, "actorIdle">, drain: () => void) {
    this.#ledger = ledger;
    this.#actors = actors;
    this.#drain = drain;
  }

  /** Later: draining answers others, which no acceptor's handler may do. */
  add(request: InFlight): void {
    if (this.#requests.push(request) === 1) setImmediate(() => this.#takeBack());
  }

  #takeBack(): void {
    this.#drain();
    for (const request of this.#requests.splice(0)) {
      const { actor } = request;
      if (request.stage !== "sent" || actor?.carrier == null || !request.takeBack(actor.carrier)) continue;
      actor.remove(request);
      this.#ledger.finish(request);
      if (actor.isEnding && !actor.isBusy) this.#actors.actorIdle(actor);
    }
  }
}
