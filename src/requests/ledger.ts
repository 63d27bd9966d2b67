// The table of requests in flight, by reply pid: each gets one answer, or its client goes first.
import type { Pids } from "../../wire/pids.ts";
import { Answer, type Exchange, type Head } from "../acceptor/contract.ts";
import type { FrenezuloError } from "../errors.ts";
import type { Log } from "../log/log.ts";
import { InFlight, type Service } from "../services/service.ts";
import { errorAnswer } from "./answers.ts";

export class Ledger {
  /** From admission until answered or the client has gone. */
  readonly #inFlight = new Map<number, InFlight>();
  readonly #answer = new Answer();
  readonly #pids: Pids;
  readonly #log: Log;
  /** True while the node drains: every answer then closes its connection. */
  isDraining = false;

  constructor(pids: Pids, log: Log) {
    this.#pids = pids;
    this.#log = log;
  }

  /** Requests admitted and not answered. */
  get size(): number {
    return this.#inFlight.size;
  }

  /**
   * Takes a request in.
   * @param ticket of the service's breaker
   */
  admit(service: Service, exchange: Exchange, head: Head, requestId: string, ticket: number, nowMs: number): InFlight {
    const request = new InFlight(exchange, service.pool, requestId, this.#pids.next(), head.method, nowMs);
    request.ticket = ticket;
    this.#inFlight.set(request.replyPid, request);
    service.inFlight++;
    return request;
  }

  get(replyPid: number): InFlight | undefined {
    return this.#inFlight.get(replyPid);
  }

  /** The client has gone: nobody waits for a reply any more. */
  abandon(request: InFlight): void {
    request.exchange = null;
    this.#inFlight.delete(request.replyPid);
  }

  /** Gives a request that had begun another reply pid, under which it may run once more. */
  reopen(request: InFlight, runAgain: (replyPid: number) => void): void {
    this.#inFlight.delete(request.replyPid);
    runAgain(this.#pids.next());
    request.hasRunAgain = true;
    request.isSeen = false;
    this.#inFlight.set(request.replyPid, request);
  }

  /** Writes the one answer of a request. Not inside an acceptor's handler. */
  settle(request: InFlight, answer: Answer, nowMs: number = performance.now()): void {
    const exchange = request.exchange;
    this.#inFlight.delete(request.replyPid);
    if (exchange !== null) {
      request.exchange = null;
      request.isAnswered = true;
      exchange.owner = null;
      answer.unsent = request.pool.service.unsent;
      if (this.isDraining) answer.close = true;
      const micros = (nowMs - request.admittedMs) * 1000;
      request.pool.service.metrics.record(answer.status, micros);
      exchange.answer(answer);
    }
    if (request.stage !== "sent" && request.stage !== "suspended") this.finish(request);
  }

  /** Answers with a failure. */
  fail(request: InFlight, error: FrenezuloError, note = ""): void {
    const service = request.pool.service.prefix;
    const { requestId } = request;
    this.#log.failure(error, { service, requestId, ...(note === "" ? {} : { note }) });
    this.settle(request, errorAnswer(this.#answer, error, service, requestId));
  }

  /** Answers with a failure that is the guest's, so that its breaker counts it. */
  failGuest(request: InFlight, error: FrenezuloError, note = ""): void {
    request.pool.service.breaker.record(request.ticket, false, performance.now());
    this.fail(request, error, note);
  }

  /** A request's last step: its permit goes back. (Its body's bytes are the acceptor's to give back.) */
  finish(request: InFlight): void {
    if (request.stage === "over") return;
    request.stage = "over";
    request.pool.service.inFlight--;
    request.head = null;
  }
}
