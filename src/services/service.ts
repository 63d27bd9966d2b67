// A service as the node knows it: its versions' pools, their actors, and the requests they have. State only.

import type { Breaker } from "../../supervisors/breaker.ts";
import { Peak, reapable } from "../../supervisors/reaping.ts";
import type { Exit } from "../../wire/exits.ts";
import { Share } from "../acceptor/arrivals.ts";
import type { Exchange } from "../acceptor/contract.ts";
import { UnsentAnswers } from "../acceptor/unsent.ts";
import type { Carrier } from "../carriers/carrier.ts";
import type { Policy } from "../config/config.ts";
import { remove } from "../lists.ts";
import type { ServiceMetrics } from "../metrics/counts.ts";
import { Envelope } from "./envelope.ts";
import { Heat } from "./heat.ts";

/** Where a service's definition comes from; decides who may change it (DECISIONS 6.1). */
export type Origin = { readonly kind: "api" } | { readonly kind: "config"; readonly where: string };

export class Service {
  readonly prefix: string;
  /** Its place in the config may move. */
  origin: Origin;
  readonly breaker: Breaker;
  readonly metrics: ServiceMetrics;
  /** Where new requests go. Set before the service is routed. */
  pool!: Pool;
  /** Pools of older versions that still have requests, and the current one. */
  readonly pools = new Set<Pool>();
  /** Admitted requests that have not ended. */
  inFlight = 0;
  /** Its part of the bodies that are coming in. */
  readonly bodies = new Share();
  /** What its clients have not taken of their answers. */
  readonly unsent = new UnsentAnswers();
  restarts = 0;

  constructor(prefix: string, origin: Origin, breaker: Breaker, metrics: ServiceMetrics) {
    this.prefix = prefix;
    this.origin = origin;
    this.breaker = breaker;
    this.metrics = metrics;
  }
}

/**
 * starting: not ready for requests yet; leaving: takes no more, and ends when it has none (the tree does not know);
 * stopping: takes no more, and is killed when its policy's shutdown has passed; gone.
 */
export type ActorState = "starting" | "ready" | "leaving" | "stopping" | "gone";

/** An actor as the main thread sees it. */
export class Actor {
  readonly pool: Pool;
  /** Its child id in the supervision tree, and the start attempt it stands for. */
  readonly id: string;
  readonly generation: number;
  /** Started for one request, because the residents were under pressure. */
  readonly isBurst: boolean;
  state: ActorState = "starting";
  pid = 0;
  carrier: Carrier | null = null;
  /** True while it holds its place in its carrier. */
  isPlaced = false;
  /** Its carrier ended while it started, because of another service. */
  isDisplaced = false;
  /** Requests in its carrier's ring, begun or not, in order. */
  readonly sent: InFlight[] = [];
  /** Its requests run as light processes: while one waits its carrier does other things. */
  isLight = false;
  /** Begun requests of a light actor that wait in the middle, by their numbers. */
  readonly suspended = new Map<number, InFlight>();
  /** Living processes and armed timers of its requests in its carrier. */
  work: () => number = () => 0;
  requests = 0;
  /** Its request takes longer than its policy's pressure.wait: nothing is put behind it. */
  lingers = false;
  /** performance.now() of its latest start or end of a request. ms */
  lastUsedMs = performance.now();
  /** How it ended, where its policy counts that as an exit although its carrier lives. */
  exit: Exit | null = null;
  /** Why its start failed, where the main thread knows it better than the carrier. */
  startFailure: string | null = null;

  constructor(pool: Pool, id: string, generation: number, isBurst: boolean) {
    this.pool = pool;
    this.id = id;
    this.generation = generation;
    this.isBurst = isBurst;
  }

  /** True if it takes no more requests and ends when it has none. */
  get isEnding(): boolean {
    return this.state === "stopping" || this.state === "leaving";
  }

  /** True while it has a request. */
  get isBusy(): boolean {
    return this.sent.length > 0 || this.suspended.size > 0;
  }

  /** A request has begun and waits in the middle: its carrier is free for others. False if it is not there any more. */
  suspend(seq: number): boolean {
    const request = this.sent.find((each) => each.seq === seq);
    if (request === undefined) return false;
    remove(this.sent, request);
    (this.carrier as Carrier).sent--;
    request.stage = "suspended";
    request.begunMs = performance.now();
    this.suspended.set(seq, request);
    // Its frame is free, and not written over as long as its carrier is counted busy: until this call is over.
    request.restore(this.carrier as Carrier);
    return true;
  }

  /** The request of that number, in a ring or suspended. */
  find(seq: number): InFlight | undefined {
    return this.suspended.get(seq) ?? this.sent.find((each) => each.seq === seq);
  }

  /** True if nothing of what a request of it has done so far can be seen by others. */
  isUnseen(request: InFlight): boolean {
    return this.isLight && !request.isSeen;
  }

  /** A request has been put into its carrier's ring. */
  add(request: InFlight): void {
    this.sent.push(request);
    this.pool.permits++;
    (this.carrier as Carrier).sent++;
  }

  /** A request that it had will not be run by it. */
  remove(request: InFlight): void {
    if (this.suspended.get(request.seq) === request) this.suspended.delete(request.seq);
    else if (remove(this.sent, request)) (this.carrier as Carrier).sent--;
    else return;
    this.pool.permits--;
  }

  /** The request of that number has ended after so many microseconds. Undefined if it has none of that number. */
  takeDone(seq: number, micros: number, nowMs: number): InFlight | undefined {
    const request = this.sent[0]?.seq === seq ? this.sent[0] : this.find(seq);
    if (request === undefined) return undefined;
    this.remove(request);
    this.requests++;
    this.lingers = false;
    this.lastUsedMs = nowMs;
    this.pool.observe(micros);
    return request;
  }
}

/** Pools made since the start. */
let pools = 0;

/** The actors of one service version under one policy, and the requests that wait for them. */
export class Pool {
  readonly service: Service;
  readonly version: number;
  /**
   * Its supervisor's id in the tree, "hello#3.17": version 3, and the node's 17th pool (a version can have several).
   */
  readonly id: string;
  /** sha256 of the module, hex. */
  readonly digest: string;
  readonly policy: Policy;
  /** Its processes' environment, of which names and pids are private to it. */
  readonly environmentId = nextEnvironmentId();
  /** Ready actors, the most recently used last. */
  readonly ready: Actor[] = [];
  /** All actors that are starting, ready or stopping. */
  readonly actors = new Set<Actor>();
  /** Admitted requests that are in no ring, oldest first. */
  readonly waiting: InFlight[] = [];
  /** Requests that hold a permit: in rings or suspended. */
  permits = 0;
  /** Recent service time, begin to end: an exponentially weighted mean. ms */
  serviceMs = 0;
  /** Time its guests have run since the start. ms */
  busyMs = 0;
  /** Busy enough for carriers of its own (placement auto). */
  isHot = false;
  /** It held up others, or was killed for its deadline: it shares no carrier any more. */
  isQuarantined = false;
  /** While it has no requests the sweep passes it over until then. performance.now(), ms */
  lookAtMs = 0;
  /** Its actors are light where they share a carrier: known when one starts. */
  givesWay = false;
  #aheadMax = 2;
  readonly #peak: Peak;
  readonly #heat = new Heat();
  /** Ids of those of its children that are burst actors. */
  readonly burstIds = new Set<string>();
  /** Its actors in the supervision tree, those that wait out a backoff included. */
  children = 0;
  /** Those of its actors that make way for others: they have requests to end, and take no more. */
  readonly leaving = new Set<Actor>();
  lastStartFailure: string | null = null;

  constructor(service: Service, version: number, digest: string, policy: Policy) {
    this.service = service;
    this.version = version;
    this.id = `${service.prefix}#${version}.${++pools}`;
    this.digest = digest;
    this.policy = policy;
    this.#peak = new Peak(Math.min(policy.scale.window, policy.scale.idle_timeout));
  }

  /** True if its actors may not share a carrier. */
  get needsDedicated(): boolean {
    const { placement, state } = this.policy;
    return placement === "dedicated" || state === "kept" || this.isQuarantined;
  }

  /** True if its actors get carriers of their own, where there are any: also while a request of it runs for long. */
  get wantsDedicated(): boolean {
    const isAuto = this.policy.placement === "auto";
    return this.needsDedicated || (isAuto && (this.isHot || this.ready.some(({ lingers }) => lingers)));
  }

  /** Its children without those that leave. */
  get staying(): number {
    return this.children - this.leaving.size;
  }

  /** How many may stay: one that leaves takes a place while it runs a request, and none for what only waits. */
  get stayingMax(): number {
    let max = this.policy.scale.max;
    for (const { sent } of this.leaving) if (sent.length > 0) max--;
    return max;
  }

  /** How many are missing of its minimum. */
  get lacking(): number {
    return Math.min(this.policy.scale.min, this.stayingMax) - this.staying;
  }

  /** True if one more request may be put into a ring: not while its clients take too little of what they have got. */
  get hasPermit(): boolean {
    return this.permits < this.policy.limits.concurrency && !this.service.unsent.isFull;
  }

  /**
   * True if one more request may wait, for its turn or for an actor while there is none. What is answered and has not
   * returned yet takes no place: a client that asks again upon its answer would be refused by chance.
   */
  get hasQueueRoom(): boolean {
    const { concurrency, queue } = this.policy.limits;
    let over = this.permits + this.waiting.length - (concurrency + queue);
    if (over >= 0) for (const { sent } of this.actors) for (const { isAnswered } of sent) if (isAnswered) over--;
    return over < 0;
  }

  /**
   * The actor for the next request, the most recently used first, so that the others stay idle and can be reaped. One
   * in a shared carrier only while that is idle; one in a carrier of its own may have requests ahead, the one with the
   * fewest first, up to what is expected to take no longer than the policy's pressure.wait. Null if none can take it.
   */
  pick(): Actor | null {
    let best: Actor | null = null;
    for (let i = this.ready.length - 1; i >= 0; i--) {
      const actor = this.ready[i] as Actor;
      const carrier = actor.carrier as Carrier;
      if (carrier.isShared ? carrier.sent === 0 && !carrier.isHeldUp : actor.sent.length === 0) {
        if (!actor.isBurst || (actor.requests === 0 && !actor.isBusy)) return actor;
      } else if (!carrier.isShared && !actor.isBurst && !actor.lingers && actor.sent.length < this.#aheadMax) {
        if (best === null || actor.sent.length < best.sent.length) best = actor;
      }
    }
    return best;
  }

  /** Puts a request that had not begun back in front, where its age belongs. */
  requeue(request: InFlight): void {
    let at = 0;
    while (at < this.waiting.length && (this.waiting[at] as InFlight).readyMs <= request.readyMs) at++;
    this.waiting.splice(at, 0, request);
  }

  removeReady(actor: Actor): void {
    remove(this.ready, actor);
  }

  removeWaiting(request: InFlight): void {
    remove(this.waiting, request);
  }

  /** Seconds after which trying again makes sense, from what waits now. */
  get retryAfterSeconds(): number {
    const ahead = this.waiting.length + this.permits;
    const actors = Math.max(1, this.ready.length);
    return Math.max(1, Math.min(60, Math.ceil((ahead * this.serviceMs) / actors / 1000)));
  }

  /**
   * Idle actors to end: those beyond what was busy at once within the window. An actor with work is never among them.
   */
  surplus(nowMs: number): Actor[] {
    const { min, idle_timeout: idleTimeoutMs } = this.policy.scale;
    this.#peak.record(this.ready.filter(({ isBusy }) => isBusy).length, nowMs);
    if (this.ready.length === 0 || this.waiting.length > 0) return [];
    // Processes that live on are work, too (DECISIONS 9.7).
    const residents = this.ready
      .filter(({ isBurst }) => !isBurst)
      .map((actor) => ({
        actor,
        work: actor.sent.length + actor.suspended.size + actor.work(),
        idleSinceMs: actor.lastUsedMs,
      }));
    // A burst actor that is idle now came too late: the others have done what it was started for.
    const late = this.ready.filter(({ isBurst, isBusy }) => isBurst && !isBusy);
    // With nothing in the whole window the timeout alone decides about the last one.
    const peak = this.#peak.at(nowMs);
    return [...late, ...reapable(residents, peak, { min, idleTimeoutMs }, nowMs).map(({ actor }) => actor)];
  }

  /** Asked at every sweep: true while it shares carriers, is busy enough for its own, and none is coming. */
  heatsUp(nowMs: number): boolean {
    const { placement, state } = this.policy;
    if (placement !== "auto" || state === "kept" || this.isQuarantined) return false;
    const isSharing = this.ready.length === this.staying && this.ready.some(({ carrier }) => carrier?.isShared);
    if (this.isHot && !isSharing) return false;
    this.isHot = this.#heat.isHot(this.isHot, this.busyMs, this.service.metrics.requests, nowMs);
    return this.isHot && isSharing;
  }

  /** Takes a measured service time into the mean. */
  observe(micros: number): void {
    const ms = micros / 1000;
    this.busyMs += ms;
    this.serviceMs = this.serviceMs === 0 ? ms : this.serviceMs + (ms - this.serviceMs) * 0.1;
    this.#aheadMax = Math.max(2, Math.ceil(this.policy.scale.pressure.wait / this.serviceMs));
  }
}

/**
 * reading: its body is coming in; waiting: on the main thread; sent: in a carrier's ring, begun or not; suspended:
 * begun, and waiting in the middle; over.
 */
export type Stage = "reading" | "waiting" | "sent" | "suspended" | "over";

/** One request between its admission and its actor's end: who asked, and where it is now. */
export class InFlight extends Envelope {
  /** null once answered, and once the client has gone. */
  exchange: Exchange | null;
  /** Changes when its service is replaced before it has begun. */
  pool: Pool;
  actor: Actor | null = null;
  stage: Stage = "reading";
  /** When it was suspended first. performance.now() */
  begunMs = 0;
  /** Of a light actor's: its deadline has passed. */
  isOver = false;
  readonly isIdempotent: boolean;
  /** Of a light actor's: it has done something that others can see. */
  isSeen = false;
  hasRunAgain = false;
  /** Its answer is out; its actor may still be busy with it. */
  isAnswered = false;
  /** performance.now() at admission. ms */
  readonly admittedMs: number;
  /**
   * performance.now() when it was whole: a body that is still coming in waits for its client and not for an actor. ms
   */
  readyMs: number;
  /** What the service's breaker gave for it; its result goes back under it. */
  ticket = 0;

  constructor(exchange: Exchange, pool: Pool, requestId: string, replyPid: number, method: string, nowMs: number) {
    super(requestId, replyPid);
    this.exchange = exchange;
    this.pool = pool;
    this.isIdempotent = method !== "POST" && method !== "PATCH";
    this.admittedMs = nowMs;
    this.readyMs = nowMs;
  }

  /** Its service may have been replaced while its body came in or it waited: the pool that takes requests now. */
  followService(): Pool {
    this.pool = this.pool.service.pool;
    return this.pool;
  }
}

let lastEnvironmentId = 0;

/** The number of an environment, never used again in a node. u32, from 1 on. */
export function nextEnvironmentId(): number {
  return ++lastEnvironmentId;
}
