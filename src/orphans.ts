// Requests whose process has ended without a reply while processes that it began live on, and may send it.
// Main thread. (DECISIONS 4.1: until the deadline.)
import { FrenezuloError } from "./errors.ts";
import type { Ledger } from "./ledger.ts";
import type { InFlight } from "./service.ts";
import { after, type Timer } from "./timer.ts";

export class Orphans {
  readonly #ledger: Ledger;
  readonly #onDeadline: (request: InFlight) => void;
  readonly #waiting = new Map<number, { readonly request: InFlight; readonly timer: Timer }>();

  /** @param onDeadline told of a request whose processes must end */
  constructor(ledger: Ledger, onDeadline: (request: InFlight) => void) {
    this.#ledger = ledger;
    this.#onDeadline = onDeadline;
  }

  add(request: InFlight): void {
    const { replyPid, pool } = request;
    const { deadline } = pool.policy.limits;
    const timer = after(deadline, () => {
      this.#waiting.delete(replyPid);
      this.#onDeadline(request);
      this.#fail(request, new FrenezuloError("deadline", { service: pool.service.prefix, ms: deadline }));
    });
    this.#waiting.set(replyPid, { request, timer });
  }

  /** The last of its processes has ended. */
  ended(replyPid: number): void {
    const waiting = this.#waiting.get(replyPid);
    if (waiting === undefined) return;
    this.#waiting.delete(replyPid);
    waiting.timer.cancel();
    const { request } = waiting;
    this.#fail(request, new FrenezuloError("no_reply", { service: request.pool.service.prefix }));
  }

  #fail(request: InFlight, error: FrenezuloError): void {
    if (request.exchange !== null) this.#ledger.failGuest(request, error);
  }
}
