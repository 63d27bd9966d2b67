// The node's side of an acceptor: a request's head → a service, the admin routes, or a refusal.
//
// Nothing is answered inside an acceptor's handler (contract.ts): what can be answered at once goes out in the next
// turn of the loop.

import type { Arrivals } from "../acceptor/arrivals.ts";
import { Answer, type Exchange, type Front, type Head, type Refusal } from "../acceptor/contract.ts";
import type { Admin } from "../admin/admin.ts";
import type { AdminHead, AdminResponse, Listener } from "../admin/contract.ts";
import { type ErrorCode, FrenezuloError, reasonOf } from "../errors.ts";
import { ADMIN_SEGMENT, firstSegment, type Router } from "../services/router.ts";
import { InFlight, type Service } from "../services/service.ts";
import { after } from "../timer.ts";
import { errorAnswer, REQUEST_ID, type RequestIds } from "./answers.ts";
import type { Dispatch } from "./dispatch.ts";
import type { Ledger } from "./ledger.ts";

export interface FrontOptions {
  readonly listener: Listener;
  /** Requests in the node at once. */
  readonly inFlightMax: number;
  /** Requests whose bodies are coming in have a limit of their own. */
  readonly arrivals: Arrivals;
  readonly router: Router<Service>;
  readonly ledger: Ledger;
  readonly dispatch: Dispatch;
  readonly admin: Admin;
  readonly requestIds: RequestIds;
  /** Counts what is refused before it belongs to a service. */
  readonly onRefused: (code: ErrorCode) => void;
}

/** An admin request whose body is being read. */
class AdminCall {
  readonly head: AdminHead;
  readonly bodyBytesMax: number;

  constructor(head: AdminHead, bodyBytesMax: number) {
    this.head = head;
    this.bodyBytesMax = bodyBytesMax;
  }
}

interface Late {
  readonly exchange: Exchange;
  readonly error: FrenezuloError;
  readonly service: string | null;
  readonly requestId: string;
  readonly close: boolean;
}

export class NodeFront implements Front {
  readonly #options: FrontOptions;
  readonly #answer = new Answer();
  readonly #late: Late[] = [];

  constructor(options: FrontOptions) {
    this.#options = options;
  }

  head(head: Head, exchange: Exchange): void {
    const { listener, router, ledger, requestIds } = this.#options;
    const requestId = head.requestIdIndex < 0 ? requestIds.next() : (head.values[head.requestIdIndex] as string);
    const segment = firstSegment(head.path);
    if (segment === ADMIN_SEGMENT || listener === "admin") {
      this.#adminHead(head, exchange, requestId);
      return;
    }
    const service = router.get(segment);
    if (service === undefined) {
      const error = new FrenezuloError("unknown_service", { service: segment || '""' });
      this.#refuseLater(exchange, error, segment, requestId);
      return;
    }
    if (ledger.isDraining) {
      const error = new FrenezuloError("draining", {}, { retryAfterSeconds: 1 });
      this.#refuseLater(exchange, error, service.prefix, requestId, true);
      return;
    }
    const nowMs = performance.now();
    const refused = this.#isBusy(0) ? this.#nodeBusy() : null;
    const ticket = refused === null ? service.breaker.allow(nowMs) : 0;
    if (ticket === 0) {
      this.#refuseLater(exchange, refused ?? breakerOpen(service, nowMs), service.prefix, requestId);
      return;
    }
    const request = ledger.admit(service, exchange, head, requestId, ticket, nowMs);
    exchange.owner = request;
    if (head.bodyBytes === 0) {
      this.#submit(request, head);
      return;
    }
    request.keepHead(head);
    exchange.readBody(service.pool.policy.limits.body_in, service.bodies);
  }

  refuse(refusal: Refusal, exchange: Exchange): void {
    const error = new FrenezuloError(refusal.code, refusal.details);
    this.#refuseLater(exchange, error, null, this.#options.requestIds.next(), true);
  }

  body(exchange: Exchange, body: Uint8Array): void {
    const { owner } = exchange;
    if (owner instanceof InFlight) {
      owner.body = body;
      owner.readyMs = performance.now();
      // It is one of those in flight by now.
      if (this.#isBusy(1)) this.#failLater(owner, this.#nodeBusy());
      else if (owner.isLarge) void this.#submitLarge(owner);
      else this.#submit(owner, null);
    } else if (owner instanceof AdminCall) this.#adminBody(exchange, owner, body);
  }

  bodyFailed(exchange: Exchange, code: ErrorCode, why: string): void {
    const { owner } = exchange;
    if (owner instanceof InFlight) {
      const details = { service: owner.pool.service.prefix, limit: owner.pool.policy.limits.body_in, why };
      const options = code === "node_busy" ? { retryAfterSeconds: 1 } : {};
      this.#failLater(owner, new FrenezuloError(code, details, options));
    } else if (owner instanceof AdminCall) {
      const details = { service: "this route", limit: owner.bodyBytesMax, why };
      this.#refuseLater(exchange, new FrenezuloError(code, details), null, owner.head.requestId, true);
    }
  }

  gone(exchange: Exchange): void {
    const { owner } = exchange;
    exchange.owner = null;
    if (owner instanceof InFlight) this.#options.dispatch.abandon(owner);
  }

  /** True if there are as many requests as may be, beside so many. */
  #isBusy(apart: number): boolean {
    const { ledger, arrivals, inFlightMax } = this.#options;
    return ledger.size - arrivals.all.count - apart >= inFlightMax;
  }

  #nodeBusy(): FrenezuloError {
    const why = `${this.#options.inFlightMax} requests are in flight (limits.in_flight)`;
    return new FrenezuloError("node_busy", { why }, { retryAfterSeconds: 1 });
  }

  #submit(request: InFlight, head: Head | null): void {
    const refused = this.#options.dispatch.submit(request, head);
    if (refused !== null) this.#failLater(request, refused);
  }

  /** Its client may go while it is copied: then `gone` has ended it. */
  async #submitLarge(request: InFlight): Promise<void> {
    try {
      await request.prepare();
    } catch (thrown) {
      const why = `there is no memory for a body of ${request.body.length} bytes (${reasonOf(thrown)})`;
      this.#failLater(request, new FrenezuloError("node_busy", { why }, { retryAfterSeconds: 1 }));
      return;
    }
    if (request.exchange !== null) this.#submit(request, null);
  }

  #failLater(request: InFlight, error: FrenezuloError): void {
    this.#options.onRefused(error.code);
    setImmediate(() => {
      if (request.exchange !== null) this.#options.ledger.fail(request, error);
    });
  }

  #refuseLater(
    exchange: Exchange,
    error: FrenezuloError,
    service: string | null,
    requestId: string,
    close = this.#options.ledger.isDraining,
  ): void {
    this.#options.onRefused(error.code);
    if (this.#late.push({ exchange, error, service, requestId, close }) > 1) return;
    setImmediate(() => {
      for (const late of this.#late.splice(0)) {
        const answer = errorAnswer(this.#answer, late.error, late.service, late.requestId);
        answer.close = late.close;
        late.exchange.answer(answer);
      }
    });
  }

  // --- Admin routes. ---

  #adminHead(head: Head, exchange: Exchange, requestId: string): void {
    const call = adminHead(head, exchange, this.#options.listener, requestId);
    const decision = this.#options.admin.route(call);
    if (decision.refused) {
      const { response, delayMs, closes } = decision;
      const answer = (): void => this.#adminAnswer(exchange, response, requestId, closes);
      if (delayMs === 0) setImmediate(answer);
      else after(delayMs, answer).unref();
      return;
    }
    const owner = new AdminCall(call, decision.bodyBytesMax);
    exchange.owner = owner;
    if (head.bodyBytes === 0) this.#adminBody(exchange, owner, new Uint8Array(0));
    else exchange.readBody(decision.bodyBytesMax, null);
  }

  #adminBody(exchange: Exchange, { head }: AdminCall, body: Uint8Array): void {
    setImmediate(() => {
      void this.#options.admin.handle({ ...head, body }).then((response) => {
        setImmediate(() => this.#adminAnswer(exchange, response, head.requestId));
      });
    });
  }

  #adminAnswer(exchange: Exchange, response: AdminResponse, requestId: string, closes = false): void {
    const answer = this.#answer.reset(response.status);
    for (const [name, value] of response.headers) answer.add(name, value);
    answer.add(REQUEST_ID, requestId);
    answer.body = response.body;
    answer.close = closes || this.#options.ledger.isDraining;
    exchange.answer(answer);
  }
}

function breakerOpen(service: Service, nowMs: number): FrenezuloError {
  const retryAfterSeconds = Math.max(1, Math.ceil(service.breaker.retryAfterMs(nowMs) / 1000));
  return new FrenezuloError("breaker_open", { service: service.prefix }, { retryAfterSeconds });
}

function adminHead(head: Head, exchange: Exchange, listener: Listener, requestId: string): AdminHead {
  const headers = new Map<string, string[]>();
  for (let i = 0; i < head.count; i++) {
    const name = head.names[i] as string;
    const values = headers.get(name);
    if (values === undefined) headers.set(name, [head.values[i] as string]);
    else values.push(head.values[i] as string);
  }
  const { method, path, query } = head;
  return { method, path, query, headers, remoteAddress: exchange.remoteAddress, listener, requestId };
}
