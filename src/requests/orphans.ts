// Requests whose process has ended without a reply while processes that it began live on, and may send it.
// Main thread. (DECISIONS 4.1: until the deadline.)
import type { Carrier } from "../carriers/carrier.ts";
import { FrenezuloError } from "../errors.ts";
import type { InFlight } from "../services/service.ts";
import { after, type Timer } from "../timer.ts";
import type { ProcessEvents } from "./events.ts";
import type { Ledger } from "./ledger.ts";

interface Waiting {
  readonly request: InFlight;
  readonly timer: Timer;
  /** The carrier that it ran in, while processes of it live there. */
  carrier: Carrier | null;
}

export class Orphans {
  readonly #ledger: Ledger;
  readonly #processes: ProcessEvents;
  readonly #waiting = new Map<number, Waiting>();

  constructor(ledger: Ledger, processes: ProcessEvents) {
    this.#ledger = ledger;
    this.#processes = processes;
  }

  /** @param carrier the one that it ran in, if processes of it live there */
  add(request: InFlight, carrier: Carrier | null): void {
    const { replyPid, pool } = request;
    const { deadline } = pool.policy.limits;
    const timer = after(deadline, () => {
      this.#waiting.delete(replyPid);
      // What has outlived its answer lives on.
      if (!request.isAnswered) this.#processes.requestOver(request);
      this.#fail(request, new FrenezuloError("deadline", { service: pool.service.prefix, ms: deadline }));
    });
    const waiting: Waiting = { request, timer, carrier };
    this.#waiting.set(replyPid, waiting);
    this.#check(waiting);
  }

  /** The last of its processes in a carrier has ended. */
  ended(replyPid: number, carrier: Carrier): void {
    const waiting = this.#waiting.get(replyPid);
    if (waiting === undefined) return;
    if (waiting.carrier === carrier) waiting.carrier = null;
    this.#check(waiting);
  }

  /** A carrier has ended, and what lived in it. */
  carrierGone(carrier: Carrier): void {
    for (const replyPid of this.#waiting.keys()) this.ended(replyPid, carrier);
  }

  /** Nobody is left who could reply: it need not wait. */
  #check({ request, timer, carrier }: Waiting): void {
    if (carrier !== null || this.#processes.livesElsewhere(request)) return;
    this.#waiting.delete(request.replyPid);
    timer.cancel();
    this.#fail(request, new FrenezuloError("no_reply", { service: request.pool.service.prefix }));
  }

  #fail(request: InFlight, error: FrenezuloError): void {
    if (request.exchange !== null) this.#ledger.failGuest(request, error);
  }
}
