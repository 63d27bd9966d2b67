// Requests whose process has ended without a reply while processes that it began live on, and may send it.
//  (DECISIONS 4.1: until the deadline.)
import type { Carrier } from "../carriers/carrier.ts";
import { FrenezuloError } from "../errors.ts";
import type { InFlight } from "../services/service.ts";
import { after, type Timer } from "../timer.ts";
import type { ProcessEvents } from "./events.ts";
import type { Ledger } from "./ledger.ts";

interface Orphan {
  readonly request: InFlight;
  readonly timer: Timer;
  /** The carrier that it ran in, while processes of it live there. */
  carrier: Carrier | null;
}

export class Orphans {
  readonly #ledger: Ledger;
  readonly #processes: ProcessEvents;
  readonly #orphans = new Map<number, Orphan>();

  constructor(ledger: Ledger, processes: ProcessEvents) {
    this.#ledger = ledger;
    this.#processes = processes;
  }

  /** @param carrier the one that it ran in, if processes of it live there */
  add(request: InFlight, carrier: Carrier | null): void {
    const { replyPid, pool } = request;
    const { deadline } = pool.policy.limits;
    const timer = after(deadline, () => {
      this.#orphans.delete(replyPid);
      // What has outlived its answer lives on.
      if (!request.isAnswered) this.#processes.requestOver(request);
      this.#fail(request, new FrenezuloError("deadline", { service: pool.service.prefix, ms: deadline }));
    });
    const orphan: Orphan = { request, timer, carrier };
    this.#orphans.set(replyPid, orphan);
    this.#check(orphan);
  }

  /** The last of its processes in a carrier has ended. */
  ended(replyPid: number, carrier: Carrier): void {
    const orphan = this.#orphans.get(replyPid);
    if (orphan === undefined) return;
    if (orphan.carrier === carrier) orphan.carrier = null;
    this.#check(orphan);
  }

  /** A carrier has ended, and what lived in it. */
  carrierGone(carrier: Carrier): void {
    for (const replyPid of this.#orphans.keys()) this.ended(replyPid, carrier);
  }

  /** Nobody is left who could reply: it need not wait. */
  #check({ request, timer, carrier }: Orphan): void {
    if (carrier !== null || this.#processes.livesElsewhere(request)) return;
    this.#orphans.delete(request.replyPid);
    timer.cancel();
    this.#fail(request, new FrenezuloError("no_reply", { service: request.pool.service.prefix }));
  }

  #fail(request: InFlight, error: FrenezuloError): void {
    if (request.exchange !== null) this.#ledger.failGuest(request, error);
  }
}
