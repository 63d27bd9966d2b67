// The table of requests in flight: request → actor → reply. Admission, deadlines, hand-over, and who answers what. Main thread.
//
// The main thread owns a request until its reply is seen. Two words decide races with a carrier: its state word
// (DECISIONS 2.2) says who ends a running request, and a claim word in each frame says who has a request that waits in
// a ring. Whatever the order of events, each admitted request gets one answer or its client goes first.
import type { Exit, ExitReason } from "../actors/exits.ts";
import type { Pids } from "../actors/pids.ts";
import { SEQ_STARTING } from "../actors/wire.ts";
import { Answer, type Exchange, type Head } from "./acceptor/contract.ts";
import { errorAnswer, REQUEST_ID } from "./answers.ts";
import type { Carrier, CarrierEvents, Carriers } from "./carriers.ts";
import { type ErrorCode, type ErrorDetails, FrenezuloError } from "./errors.ts";
import { readReply } from "./reply.ts";
import { type Actor, InFlight, type Pool, type Service } from "./service.ts";

const TICK_MS = 10;

/** What the dispatcher asks of whoever lets actors live and die (supervision.ts). */
export interface Life {
  /** Requests wait and no actor is there or coming. */
  wantActor(pool: Pool): void;
  /** A ready actor has ended by itself or by the watchdog. Its carrier has been dealt with. */
  actorEnded(actor: Actor, exit: Exit): void;
  /** An actor that was told to stop has no request left. */
  actorIdle(actor: Actor): void;
  /** A carrier that no ready actor uses has gone: one that starts an actor, or a spare. */
  carrierGone(carrier: Carrier, why: string): void;
  /** A starting actor's guest code has run for so long. */
  actorStarting(carrier: Carrier, ms: number): void;
  /** A request ended its guest: by a trap, by proc_exit, or for its memory. The actor goes on in a new instance. */
  guestExited(actor: Actor, exit: Exit): void;
  spareCarrier(): void;
  output(actor: Actor, stream: number, text: Buffer): void;
  /** A failure of a service's request, for the log. */
  requestFailed(request: InFlight, error: FrenezuloError, note: string): void;
}

export class Dispatch implements CarrierEvents {
  /** By reply pid, from admission until answered or the client has gone. */
  readonly #inFlight = new Map<number, InFlight>();
  readonly #actors = new Map<number, Actor>();
  readonly #byCarrier = new Map<Carrier, Actor>();
  /** Pools with requests that wait. */
  readonly #queued = new Set<Pool>();
  readonly #cancelled: InFlight[] = [];
  readonly #answer = new Answer();
  #pids!: Pids;
  readonly #life: Life;
  #carriers!: Carriers;
  #timer: NodeJS.Timeout | undefined;
  /** Replies that nobody waited for. */
  lateReplies = 0;
  /** True while the node drains: every answer then closes its connection. */
  isDraining = false;

  constructor(life: Life) {
    this.#life = life;
  }

  /** The carriers whose events this object takes; they need each other. */
  attach(carriers: Carriers, pids: Pids): void {
    this.#carriers = carriers;
    this.#pids = pids;
  }

  /** Requests admitted and not answered. */
  get size(): number {
    return this.#inFlight.size;
  }

  /** Requests that wait on the main thread. */
  get queued(): number {
    let queued = 0;
    for (const pool of this.#queued) queued += pool.waiting.length;
    return queued;
  }

  // --- From the front: inside an acceptor's handler, so nothing here answers. ---

  /**
   * Takes a request in. Its body, if there is one, follows; then `submit`.
   * @param ticket of the service's breaker
   */
  admit(service: Service, exchange: Exchange, head: Head, requestId: string, ticket: number, nowMs: number): InFlight {
    const request = new InFlight(exchange, service.pool, requestId, this.#pids.next(), head.method, nowMs);
    request.ticket = ticket;
    this.#inFlight.set(request.replyPid, request);
    service.inFlight++;
    return request;
  }

  /**
   * Sends a complete request to an actor, or lets it wait for one.
   * @param head the request's head if it is not yet encoded
   * @returns what to answer if it can do neither
   */
  submit(request: InFlight, head: Head | null): FrenezuloError | null {
    const pool = this.#currentPool(request);
    if (pool.waiting.length === 0 && pool.hasPermit) {
      const actor = pool.pick();
      if (actor !== null && this.#send(actor, request, head)) return null;
    }
    if (!pool.hasQueueRoom) {
      const { concurrency, queue } = pool.policy.limits;
      return new FrenezuloError(
        "service_busy",
        { service: pool.service.prefix, limit: concurrency + queue },
        { retryAfterSeconds: pool.retryAfterSeconds },
      );
    }
    if (head !== null) request.keepHead(head);
    request.stage = "waiting";
    pool.waiting.push(request);
    this.#queued.add(pool);
    if (pool.actors.size === 0) this.#life.wantActor(pool);
    this.#arm();
    return null;
  }

  /** The client has gone: the entry is released at once, the permit when the actor is done with it (DECISIONS 4.3). */
  abandon(request: InFlight): void {
    request.exchange = null;
    this.#inFlight.delete(request.replyPid);
    if (request.stage === "reading") this.#finish(request);
    else if (request.stage === "waiting") {
      request.pool.removeWaiting(request);
      this.#finish(request);
    } else if (request.stage === "sent" && this.#cancelled.push(request) === 1) {
      // Taking it back needs drained rings, and draining answers others: not inside an acceptor's handler.
      setImmediate(() => this.#cancel());
    }
  }

  /** Ends a request with a failure, outside any handler. */
  fail(request: InFlight, error: FrenezuloError, note = ""): void {
    this.#life.requestFailed(request, error, note);
    this.#settle(request, errorAnswer(this.#answer, error, request.pool.service.prefix, request.requestId));
  }

  // --- Actors come and go. ---

  /** A started actor takes requests from now on. */
  addActor(actor: Actor): void {
    actor.state = "ready";
    actor.pool.ready.push(actor);
    this.#actors.set(actor.pid, actor);
    this.#byCarrier.set(actor.carrier as Carrier, actor);
    this.#pump(actor.pool);
  }

  /** A ready actor takes no more requests; those it has not begun go to others. `actorIdle` tells when it has none. */
  retire(actor: Actor): void {
    actor.state = "stopping";
    removeFrom(actor.pool.ready, actor);
    this.#carriers.drain();
    this.#takeBackAll(actor);
    if (actor.sent.length === 0) this.#life.actorIdle(actor);
  }

  /** Forgets an actor that has no requests any more. */
  removeActor(actor: Actor): void {
    actor.state = "gone";
    removeFrom(actor.pool.ready, actor);
    this.#actors.delete(actor.pid);
    if (actor.carrier !== null && this.#byCarrier.get(actor.carrier) === actor) this.#byCarrier.delete(actor.carrier);
  }

  /** Ends an actor at once, with its carrier: a request it had begun fails with `code`. */
  killActor(actor: Actor, exit: Exit, code: ErrorCode): void {
    const carrier = actor.carrier as Carrier;
    this.#carriers.drain();
    // Whatever it is doing: once condemned it takes nothing more. It moves between states only between our reads.
    while (carrier.state === "taken" && !carrier.condemn(carrier.running()?.seq ?? 0)) this.#carriers.drain();
    this.#carriers.drain();
    this.#lose(actor, exit, code);
  }

  /** Fails every request that waits in a pool. */
  failWaiting(pool: Pool, error: FrenezuloError): void {
    for (const request of pool.waiting.splice(0)) this.fail(request, error);
    this.#queued.delete(pool);
  }

  /** Requests of a retired pool that have not begun go to its successor. */
  moveWaiting(from: Pool, to: Pool): void {
    for (const request of from.waiting.splice(0)) {
      request.pool = to;
      to.requeue(request);
    }
    this.#queued.delete(from);
    if (to.waiting.length === 0) return;
    this.#queued.add(to);
    this.#pump(to);
  }

  /** Something runs that the watchdog must see: an actor starts. */
  watch(): void {
    this.#arm();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  // --- From the carriers, while their rings are drained. ---

  reply(carrier: Carrier, replyPid: number, bytes: Buffer, start: number, length: number): void {
    const request = this.#inFlight.get(replyPid);
    if (request?.actor == null || request.actor.carrier !== carrier) {
      this.lateReplies++;
      return;
    }
    const { service, policy } = request.pool;
    const answer = this.#answer;
    const fault = readReply(bytes, start, length, request.tag, { bodyBytesMax: policy.limits.body_out }, answer);
    if (fault === null) {
      answer.add(REQUEST_ID, request.requestId);
      service.breaker.record(request.ticket, true, performance.now());
      this.#settle(request, answer);
    } else {
      const details = { service: service.prefix, why: fault.why, limit: policy.limits.body_out };
      this.#guestFailed(request, new FrenezuloError(fault.code, details), "");
    }
  }

  done(_carrier: Carrier, actorPid: number, seq: number, exit: Exit, micros: number): void {
    const actor = this.#actors.get(actorPid);
    if (actor === undefined) return;
    const at = actor.sent[0]?.seq === seq ? 0 : actor.sent.findIndex((request) => request.seq === seq);
    if (at < 0) return;
    const request = actor.sent[at] as InFlight;
    if (at === 0) actor.sent.shift();
    else actor.sent.splice(at, 1);
    actor.pool.sent--;
    actor.requests++;
    actor.lastUsedMs = actor.pool.lastUsedMs = performance.now();
    actor.pool.observe(micros);
    if (request.exchange !== null) {
      const [text = "", note = ""] = exit.text.split("\n");
      this.#guestFailed(request, exitError(exit.reason, text, actor.pool), note);
    }
    this.#finish(request);
    if (actor.state === "stopping" && actor.sent.length === 0) this.#life.actorIdle(actor);
    if (exit.reason !== "normal" && actor.state === "ready") this.#life.guestExited(actor, exit);
  }

  output(_carrier: Carrier, actorPid: number, stream: number, text: Buffer): void {
    const actor = this.#actors.get(actorPid);
    if (actor !== undefined) this.#life.output(actor, stream, text);
  }

  /** An actor could not make its next instance. Its carrier is sound and skips the frames that are taken back here. */
  ended(carrier: Carrier, actorPid: number, exit: Exit): void {
    const actor = this.#actors.get(actorPid);
    if (actor === undefined) return;
    this.#takeBackAll(actor);
    this.removeActor(actor);
    carrier.wake();
    this.#carriers.giveBack(carrier);
    this.#life.actorEnded(actor, exit);
  }

  gone(carrier: Carrier, why: string): void {
    const actor = this.#byCarrier.get(carrier);
    if (actor === undefined) this.#life.carrierGone(carrier, why);
    else this.#lose(actor, { reason: "killed", text: why }, "carrier_lost");
  }

  spare(): void {
    this.#life.spareCarrier();
  }

  drained(): void {
    for (const pool of this.#queued) this.#pump(pool);
  }

  // --- Inside. ---

  /** The pool that takes requests now: the service may have been replaced while a body came in. */
  #currentPool(request: InFlight): Pool {
    request.pool = request.pool.service.pool;
    return request.pool;
  }

  #send(actor: Actor, request: InFlight, head: Head | null): boolean {
    const carrier = actor.carrier as Carrier;
    const seq = carrier.nextSeq();
    if (!request.send(carrier, actor.pid, seq, head)) {
      // Say that we wait, and look again: the room may have come in between. Later the carrier rings (drained).
      carrier.requests.starve();
      if (!request.send(carrier, actor.pid, seq, head)) return false;
    }
    carrier.wake();
    request.actor = actor;
    request.stage = "sent";
    actor.sent.push(request);
    actor.pool.sent++;
    this.#arm();
    return true;
  }

  #pump(pool: Pool): void {
    while (pool.waiting.length > 0 && pool.hasPermit) {
      const actor = pool.pick();
      if (actor === null) {
        if (pool.actors.size === 0) this.#life.wantActor(pool);
        return;
      }
      if (!this.#send(actor, pool.waiting[0] as InFlight, null)) return;
      pool.waiting.shift();
    }
    if (pool.waiting.length === 0) this.#queued.delete(pool);
  }

  /** Writes the one answer of a request. */
  #settle(request: InFlight, answer: Answer): void {
    const exchange = request.exchange;
    this.#inFlight.delete(request.replyPid);
    if (exchange !== null) {
      request.exchange = null;
      exchange.owner = null;
      if (this.isDraining) answer.close = true;
      const micros = (performance.now() - request.admittedMs) * 1000;
      request.pool.service.metrics.record(answer.status, micros);
      exchange.answer(answer);
    }
    if (request.stage !== "sent") this.#finish(request);
  }

  /** A request's last step: its permit goes back. (Its body's bytes are the acceptor's to give back.) */
  #finish(request: InFlight): void {
    if (request.stage === "over") return;
    request.stage = "over";
    request.pool.service.inFlight--;
    request.head = null;
  }

  #guestFailed(request: InFlight, error: FrenezuloError, note: string): void {
    request.pool.service.breaker.record(request.ticket, false, performance.now());
    this.fail(request, error, note);
  }

  #cancel(): void {
    this.#carriers.drain();
    for (const request of this.#cancelled.splice(0)) {
      const { actor } = request;
      if (request.stage !== "sent" || actor?.carrier == null || !request.takeBack(actor.carrier)) continue;
      removeFrom(actor.sent, request);
      actor.pool.sent--;
      this.#finish(request);
      if (actor.state === "stopping" && actor.sent.length === 0) this.#life.actorIdle(actor);
    }
  }

  /** Takes back what an actor has not begun, in order, so that others run it. */
  #takeBackAll(actor: Actor): void {
    const carrier = actor.carrier as Carrier;
    for (const request of [...actor.sent]) if (request.takeBack(carrier)) this.#handOver(actor, request);
  }

  #handOver(actor: Actor, request: InFlight): void {
    removeFrom(actor.sent, request);
    actor.pool.sent--;
    if (request.exchange === null) {
      this.#finish(request);
      return;
    }
    request.actor = null;
    request.stage = "waiting";
    const pool = this.#currentPool(request);
    pool.requeue(request);
    this.#queued.add(pool);
    this.#arm();
  }

  /** An actor's carrier has gone or is condemned. Only the request that had begun pays for it. */
  #lose(actor: Actor, exit: Exit, code: ErrorCode): void {
    const carrier = actor.carrier as Carrier;
    const { pool } = actor;
    this.#takeBackAll(actor);
    for (const request of [...actor.sent]) {
      if (code === "carrier_lost" && request.exchange !== null && this.#mayRunAgain(request)) {
        this.#inFlight.delete(request.replyPid);
        request.runAgain(carrier, this.#pids.next());
        request.hasRunAgain = true;
        this.#inFlight.set(request.replyPid, request);
        this.#handOver(actor, request);
        continue;
      }
      if (request.exchange !== null) {
        const details = { service: pool.service.prefix, why: exit.text, ms: pool.policy.limits.deadline };
        this.#guestFailed(request, new FrenezuloError(code, details), "");
      }
      pool.sent--;
      this.#finish(request);
    }
    actor.sent.length = 0;
    this.removeActor(actor);
    this.#carriers.kill(carrier);
    this.#life.actorEnded(actor, exit);
  }

  #mayRunAgain(request: InFlight): boolean {
    return request.pool.policy.retry === "idempotent" && request.isIdempotent && !request.hasRunAgain;
  }

  /** The watchdog: deadlines of what runs, time-outs of what waits. Runs while there is something to watch. */
  #arm(): void {
    this.#timer ??= setTimeout(() => this.#tick(), TICK_MS);
  }

  #tick(): void {
    this.#timer = undefined;
    this.#carriers.drain();
    const nowMs = performance.now();
    let isBusy = this.#queued.size > 0;
    for (const carrier of [...this.#carriers.all]) {
      const running = carrier.running();
      const actor = this.#byCarrier.get(carrier);
      if (running !== null || carrier.isStarting || (actor !== undefined && actor.sent.length > 0)) isBusy = true;
      if (actor === undefined) {
        if (running?.seq === SEQ_STARTING) this.#life.actorStarting(carrier, running.ms);
        continue;
      }
      const { limits } = actor.pool.policy;
      if (running?.seq === SEQ_STARTING) {
        if (running.ms >= limits.start_deadline) {
          const text = `its start code ran for more than ${limits.start_deadline} ms`;
          this.#condemn(actor, SEQ_STARTING, { reason: "start_failed", text }, "carrier_lost");
        }
      } else if (running !== null && running.ms >= limits.deadline) {
        const text = `a request ran for more than ${limits.deadline} ms`;
        this.#condemn(actor, running.seq, { reason: "deadline", text }, "deadline");
      }
      this.#timeOutSent(actor, nowMs);
    }
    for (const pool of this.#queued) this.#timeOutWaiting(pool, nowMs);
    if (isBusy) this.#arm();
  }

  /** Whoever wins the swap decides (DECISIONS 2.2): if the carrier ended the request first, its reply is in the ring. */
  #condemn(actor: Actor, seq: number, exit: Exit, code: ErrorCode): void {
    if (!(actor.carrier as Carrier).condemn(seq)) return;
    this.#carriers.drain();
    this.#lose(actor, exit, code);
  }

  #timeOutSent(actor: Actor, nowMs: number): void {
    const limitMs = actor.pool.policy.limits.queue_timeout;
    for (const request of [...actor.sent]) {
      if (nowMs - request.admittedMs < limitMs) return;
      if (!request.takeBack(actor.carrier as Carrier)) continue; // it has begun: its deadline counts
      removeFrom(actor.sent, request);
      actor.pool.sent--;
      request.stage = "waiting";
      this.#failTimedOut(request);
    }
  }

  #timeOutWaiting(pool: Pool, nowMs: number): void {
    const limitMs = pool.policy.limits.queue_timeout;
    while (pool.waiting.length > 0 && nowMs - (pool.waiting[0] as InFlight).admittedMs >= limitMs) {
      this.#failTimedOut(pool.waiting.shift() as InFlight);
    }
    if (pool.waiting.length === 0) this.#queued.delete(pool);
    else this.#pump(pool);
  }

  #failTimedOut(request: InFlight): void {
    const { pool } = request;
    const details = { service: pool.service.prefix, ms: pool.policy.limits.queue_timeout };
    const retryAfterSeconds = pool.retryAfterSeconds;
    if (request.exchange === null) this.#finish(request);
    else this.fail(request, new FrenezuloError("queue_timeout", details, { retryAfterSeconds }));
  }
}

function removeFrom<T>(list: T[], item: T): void {
  const at = list.indexOf(item);
  if (at >= 0) list.splice(at, 1);
}

/** What a guest's end without a reply means for its client. */
function exitError(reason: ExitReason, text: string, pool: Pool): FrenezuloError {
  const service = pool.service.prefix;
  const details: ErrorDetails = { service, why: text, limit: pool.policy.limits.memory };
  switch (reason) {
    case "normal":
      return new FrenezuloError("no_reply", details);
    case "exit":
      return new FrenezuloError("exited", details);
    case "memory":
      return new FrenezuloError("memory_limit", details);
    default:
      return new FrenezuloError("trap", details);
  }
}
