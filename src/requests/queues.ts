// Requests that wait on the main thread for an actor, by pool: who is next, who has waited too long.
import { FrenezuloError } from "../errors.ts";
import type { Actor, InFlight, Pool } from "../services/service.ts";
import type { Ledger } from "./ledger.ts";

export interface QueueEvents {
  /** Puts a waiting request into an actor's ring. False if that has no room now. */
  send(actor: Actor, request: InFlight): boolean;
  /** Requests wait: perhaps the pool needs one more actor. */
  wantActor(pool: Pool): void;
  /** Something waits: its time must be watched. */
  waits(): void;
}

export class Queues {
  /** Pools with requests that wait. */
  readonly #pools = new Set<Pool>();
  readonly #ledger: Ledger;
  readonly #events: QueueEvents;

  constructor(ledger: Ledger, events: QueueEvents) {
    this.#ledger = ledger;
    this.#events = events;
  }

  /** Requests that wait. */
  get length(): number {
    let length = 0;
    for (const pool of this.#pools) length += pool.waiting.length;
    return length;
  }

  /** Lets a new request wait behind the others. False, and nothing done, if the queue is full. */
  push(request: InFlight): boolean {
    const { pool } = request;
    if (!pool.hasQueueRoom) return false;
    pool.waiting.push(request);
    this.#add(request);
    this.#wantActor(pool);
    return true;
  }

  /** Lets a request that was taken back wait where its age belongs, whatever the queue's limit. */
  putBack(request: InFlight): void {
    request.pool.requeue(request);
    this.#add(request);
  }

  /** Sends what can be sent now. */
  pump(pool: Pool): void {
    let hasSent = false;
    while (pool.waiting.length > 0 && pool.hasPermit) {
      const actor = pool.pick();
      if (actor === null) {
        if (pool.actors.size === 0) this.#events.wantActor(pool);
        break;
      }
      if (!this.#events.send(actor, pool.waiting[0] as InFlight)) break;
      pool.waiting.shift();
      hasSent = true;
    }
    // Who had its turn goes behind the others that wait for the same shared carriers; who had none keeps its place.
    if (hasSent || pool.waiting.length === 0) this.#pools.delete(pool);
    if (pool.waiting.length > 0) this.#pools.add(pool);
  }

  pumpAll(): void {
    for (const pool of [...this.#pools]) this.pump(pool);
  }

  /** Answers what has waited too long with 503. True if something still waits. */
  timeOut(nowMs: number): boolean {
    for (const pool of [...this.#pools]) {
      const limitMs = pool.policy.limits.queue_timeout;
      while (pool.waiting.length > 0 && nowMs - (pool.waiting[0] as InFlight).readyMs >= limitMs) {
        this.failTimedOut(pool.waiting.shift() as InFlight);
      }
      this.pump(pool);
      if (pool.waiting.length > 0) this.#wantActor(pool);
    }
    return this.#pools.size > 0;
  }

  failTimedOut(request: InFlight): void {
    if (request.exchange === null) {
      this.#ledger.finish(request);
      return;
    }
    this.#ledger.fail(request, timedOut(request.pool));
  }

  /** Fails every request that waits in a pool. */
  failAll(pool: Pool, error: FrenezuloError): void {
    for (const request of pool.waiting.splice(0)) this.#ledger.fail(request, error);
    this.#pools.delete(pool);
  }

  /** Requests of a replaced pool that have not begun go to its successor. */
  move(from: Pool, to: Pool): void {
    this.#pools.delete(from);
    for (const request of from.waiting.splice(0)) {
      request.pool = to;
      this.putBack(request);
    }
    this.pump(to);
  }

  /** No actor helps while its clients do not take what they have got. */
  #wantActor(pool: Pool): void {
    if (!pool.service.unsent.isFull) this.#events.wantActor(pool);
  }

  #add(request: InFlight): void {
    request.stage = "waiting";
    this.#pools.add(request.pool);
    this.#events.waits();
  }
}

/** What the client should learn: why no actor became free. */
function timedOut(pool: Pool): FrenezuloError {
  const { retryAfterSeconds, lastStartFailure } = pool;
  const { prefix: service, unsent } = pool.service;
  if (unsent.isFull) {
    const why = `clients of service ${service} have not taken ${unsent.bytes} bytes of answers (limits.unsent_bytes)`;
    return new FrenezuloError("node_busy", { why }, { retryAfterSeconds });
  }
  if (pool.ready.length === 0 && lastStartFailure !== null) {
    return new FrenezuloError("cannot_start", { service, why: lastStartFailure }, { retryAfterSeconds });
  }
  return new FrenezuloError("queue_timeout", { service, ms: pool.policy.limits.queue_timeout }, { retryAfterSeconds });
}
