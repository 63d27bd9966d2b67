// Request → actor → reply: who runs what, who takes over what another had not begun, and who fails for whom.
//
// The main thread owns a request until its reply is seen. Two words decide races with a carrier: its state word
// (DECISIONS 2.2) says who ends a running request, and a claim word in each frame says who has a request that waits in
// a ring. Whatever the order of events, each admitted request gets one answer or its client goes first.
import type { Exit } from "../../wire/exits.ts";
import { SEQ_TURNS } from "../../wire/layout.ts";
import { Answer, type Head } from "../acceptor/contract.ts";
import type { Carrier, CarrierEvents } from "../carriers/carrier.ts";
import type { Carriers } from "../carriers/carriers.ts";
import { type ErrorCode, FrenezuloError } from "../errors.ts";
import type { Log } from "../log/log.ts";
import type { Actor, InFlight, Pool } from "../services/service.ts";
import { exitError, REQUEST_ID } from "./answers.ts";
import { Cancellations } from "./cancellations.ts";
import type { ActorEvents, ProcessEvents } from "./events.ts";
import type { Ledger } from "./ledger.ts";
import { Orphans } from "./orphans.ts";
import { Queues } from "./queues.ts";
import { readReply } from "./reply/reply.ts";
import { Requeue } from "./requeue.ts";
import { Suspended } from "./suspended.ts";
import { Tenants } from "./tenants.ts";
import { Watchdog } from "./watchdog.ts";

export interface DispatchParts {
  readonly carriers: Carriers;
  readonly ledger: Ledger;
  readonly actors: ActorEvents;
  readonly processes: ProcessEvents;
  readonly log: Log;
}

/** Who brought a carrier to its end. */
interface Culprit {
  readonly actor: Actor;
  /** The request that did; 0: any of its requests may have. */
  readonly seq: number;
}

export class Dispatch implements CarrierEvents {
  readonly #tenants = new Tenants();
  readonly #cancellations: Cancellations;
  readonly #answer = new Answer();
  readonly #ledger: Ledger;
  readonly #actors: ActorEvents;
  readonly #processes: ProcessEvents;
  readonly #watchdog: Watchdog;
  readonly #requeue: Requeue;
  readonly #orphans: Orphans;
  readonly #suspended: Suspended;
  /** Requests that no ring has. */
  readonly queues: Queues;
  readonly #carriers: Carriers;
  readonly #log: Log;
  /** Replies that nobody waited for. */
  lateReplies = 0;

  constructor({ carriers, ledger, actors, processes, log }: DispatchParts) {
    this.#carriers = carriers;
    this.#ledger = ledger;
    this.#actors = actors;
    this.#processes = processes;
    this.#log = log;
    this.#watchdog = new Watchdog({
      carriers: () => carriers.all,
      actorOf: (pid) => this.#tenants.get(pid),
      drain: () => carriers.drain(),
      actorStarting: (carrier, pid, ms) => actors.actorStarting(carrier, pid, ms),
      overdue: (actor, seq) => this.#overdue(actor, seq),
      holdsUp: (carrier) => this.#quarantine(this.#poolOf(carrier.turnOf)),
      heldUp: (carrier) => this.#heldUp(carrier),
      hogged: (carrier, why) => this.#hogged(carrier, why),
      condemn: (actor, seq, exit, code) => this.#condemn(actor, seq, exit, code),
      lingers: (actor) => this.#requeue.lingers(actor),
      timeOut: (nowMs) => this.#timeOut(nowMs),
    });
    this.queues = new Queues(ledger, {
      send: (actor, request) => this.#send(actor, request, null),
      wantActor: (pool) => actors.wantActor(pool),
      waits: () => this.#watchdog.arm(),
    });
    this.#requeue = new Requeue(ledger, this.queues);
    this.#cancellations = new Cancellations(ledger, actors, () => carriers.drain());
    this.#suspended = new Suspended(ledger, processes);
    this.#orphans = new Orphans(ledger, processes);
  }

  // --- From the front: inside an acceptor's handler, so nothing here answers. ---

  /**
   * Sends a complete request to an actor, or lets it wait for one.
   * @param head the request's head if it is not yet encoded
   * @returns what to answer if it can do neither
   */
  submit(request: InFlight, head: Head | null): FrenezuloError | null {
    const pool = request.followService();
    if (pool.waiting.length === 0 && pool.hasPermit) {
      const actor = pool.pick();
      if (actor !== null && this.#send(actor, request, head)) return null;
    }
    if (head !== null) request.keepHead(head);
    if (this.queues.push(request)) return null;
    const { concurrency, queue } = pool.policy.limits;
    const { retryAfterSeconds } = pool;
    const details = { service: pool.service.prefix, limit: concurrency + queue };
    return new FrenezuloError("service_busy", details, { retryAfterSeconds });
  }

  /** The client has gone: the entry is released at once, the permit when the actor is done with it (DECISIONS 4.3). */
  abandon(request: InFlight): void {
    this.#ledger.abandon(request);
    if (request.stage === "reading") this.#ledger.finish(request);
    else if (request.stage === "waiting") {
      request.pool.removeWaiting(request);
      this.#ledger.finish(request);
    } else if (request.stage === "sent") this.#cancellations.add(request);
  }

  // --- Actors come and go. ---

  /** A started actor takes requests from now on. */
  addActor(actor: Actor): void {
    actor.state = "ready";
    actor.pool.ready.push(actor);
    this.#tenants.add(actor);
    this.queues.pump(actor.pool);
  }

  /** An actor takes no more requests; those it has not begun go to others. `actorIdle` tells when it has none. */
  retire(actor: Actor, state: "leaving" | "stopping" = "stopping"): void {
    actor.state = state;
    actor.pool.removeReady(actor);
    this.#carriers.drain();
    this.#requeue.takeBack(actor);
    if (!actor.isBusy) this.#actors.actorIdle(actor);
  }

  /** Forgets an actor that has no requests any more. */
  removeActor(actor: Actor): void {
    actor.state = "gone";
    actor.pool.removeReady(actor);
    this.#tenants.remove(actor);
  }

  /** Ends an actor at once; if it runs, with its carrier: a request it had begun fails with `code`. */
  killActor(actor: Actor, exit: Exit, code: ErrorCode): void {
    const carrier = actor.carrier as Carrier;
    this.#carriers.drain();
    if (carrier.isShared && actor.sent.length === 0) {
      for (const request of [...actor.suspended.values()]) {
        this.#processes.requestOver(request);
        this.#requeue.loseBegun(actor, request, exit, code);
      }
      this.removeActor(actor);
      this.#actors.actorEnded(actor, exit);
      return;
    }
    // Whatever it is doing: once condemned it takes nothing more. It moves between states only between our reads.
    while (carrier.state === "taken" && !carrier.condemn(carrier.running()?.seq ?? 0)) this.#carriers.drain();
    this.#carriers.drain();
    this.#lose(carrier, { actor, seq: 0 }, exit, code);
  }

  /** It must also see that an actor starts. */
  get watchdog(): Watchdog {
    return this.#watchdog;
  }

  // --- From the carriers, while their rings are drained. ---

  reply(environment: number, replyPid: number, bytes: Buffer, start: number, length: number): void {
    const request = this.#ledger.get(replyPid);
    if (request?.actor == null || request.pool.environmentId !== environment) {
      this.lateReplies++;
      this.#processes.lateReply(environment, length);
      return;
    }
    const { service, policy } = request.pool;
    const answer = this.#answer;
    const fault = readReply(bytes, start, length, request.tag, { bodyBytesMax: policy.limits.body_out }, answer);
    if (fault === null) {
      answer.add(REQUEST_ID, request.requestId);
      const nowMs = performance.now();
      service.breaker.record(request.ticket, true, nowMs);
      this.#ledger.settle(request, answer, nowMs);
    } else {
      const details = { service: service.prefix, why: fault.why, limit: policy.limits.body_out };
      this.#ledger.failGuest(request, new FrenezuloError(fault.code, details));
    }
  }

  done(carrier: Carrier, actorPid: number, seq: number, exit: Exit, micros: number, goesOn: number): void {
    const actor = this.#tenants.get(actorPid);
    if (actor === undefined) return;
    const request = actor.takeDone(seq, micros, this.#carriers.drainMs);
    if (request === undefined) return;
    const runsAgain = exit.reason === "hogged" && this.#hoggedAlone(actor, request);
    const isOrphan = goesOn > 0 && exit.reason === "normal" && request.exchange !== null;
    if (isOrphan) this.#orphans.add(request, goesOn === 2 ? carrier : null);
    else if (!runsAgain && request.exchange !== null) {
      const [text = "", note = ""] = exit.text.split("\n");
      const { service, policy } = actor.pool;
      this.#ledger.failGuest(request, exitError(exit.reason, text, service.prefix, policy.limits.memory), note);
    }
    if (!runsAgain) this.#ledger.finish(request);
    if (actor.isEnding && !actor.isBusy) this.#actors.actorIdle(actor);
    else if (actor.isBurst) this.#actors.burstDone(actor);
    if (exit.reason !== "normal" && actor.state === "ready") this.#actors.guestExited(actor, exit);
  }

  output(_carrier: Carrier, actorPid: number, environment: number, stream: number, text: Buffer): void {
    const actor = this.#tenants.get(actorPid);
    if (actor !== undefined) this.#log.guest(actor.pool.service.prefix, stream, text);
    else this.#processes.processOutput(environment, stream, text);
  }

  suspended(_carrier: Carrier, actorPid: number, seq: number): void {
    const actor = this.#tenants.get(actorPid);
    if (actor !== undefined) this.#suspended.add(actor, seq);
  }

  seen(_carrier: Carrier, actorPid: number, seq: number): void {
    const request = this.#tenants.get(actorPid)?.find(seq);
    if (request !== undefined) request.isSeen = true;
  }

  exited(_carrier: Carrier, pid: number, environment: number, exit: Exit): void {
    if (exit.reason === "hogged") this.#quarantine(this.#poolOf(environment));
    this.#processes.processExited(pid, environment, exit);
  }

  orphaned(carrier: Carrier, environment: number, replyPid: number, births: number): void {
    this.#processes.birthsOver(environment, replyPid, carrier, births);
    this.#orphans.ended(replyPid, carrier);
  }

  /** An actor could not make its next instance. Its carrier is sound and skips the frames that are taken back here. */
  ended(carrier: Carrier, actorPid: number, exit: Exit): void {
    const actor = this.#tenants.get(actorPid);
    if (actor === undefined) return;
    this.#requeue.takeBack(actor);
    this.removeActor(actor);
    carrier.wake();
    this.#actors.actorEnded(actor, exit);
  }

  gone(carrier: Carrier, why: string): void {
    this.#lose(carrier, this.#culpritIn(carrier), { reason: "killed", text: why }, "carrier_lost");
    this.#actors.carrierGone(carrier, why);
    this.#orphans.carrierGone(carrier);
  }

  spare(): void {
    this.#actors.spareCarrier();
  }

  drained(): void {
    this.queues.pumpAll();
  }

  // --- Inside. ---

  #send(actor: Actor, request: InFlight, head: Head | null): boolean {
    const carrier = actor.carrier as Carrier;
    const seq = carrier.nextSeq();
    if (!request.send(carrier, actor.pid, seq, head)) {
      // Say that we wait, and look again: the room may have come in between. Later the carrier rings (drained).
      carrier.requests.starve();
      if (!request.send(carrier, actor.pid, seq, head)) return false;
    }
    this.#carriers.wakeSoon(carrier);
    request.actor = actor;
    request.stage = "sent";
    actor.add(request);
    this.#watchdog.arm();
    return true;
  }

  /**
   * A carrier has gone or is condemned. Only the culprit pays for it: what had not begun goes to others, what others
   * had begun is the node's to answer for, and co-tenants are started anew when they are needed.
   */
  #lose(carrier: Carrier, culprit: Culprit | null, exit: Exit, code: ErrorCode): void {
    const tenants = this.#tenants.of(carrier);
    for (const actor of tenants) {
      this.#requeue.takeBack(actor);
      for (const request of [...actor.sent, ...actor.suspended.values()]) {
        this.#processes.requestOver(request); // what it began in other carriers ends with it
        const isGuilty = actor === culprit?.actor && (culprit.seq === 0 || culprit.seq === request.seq);
        if (isGuilty) this.#requeue.loseBegun(actor, request, exit, code);
        else this.#requeue.displace(actor, request, exit.text);
      }
      this.removeActor(actor);
    }
    this.#carriers.kill(carrier, culprit === null ? exit.text : `${culprit.actor.pool.service.prefix}: ${exit.text}`);
    for (const actor of tenants) {
      if (actor === culprit?.actor) this.#actors.actorEnded(actor, exit);
      else this.#actors.actorDisplaced(actor);
    }
  }

  /**
   * Whoever wins the swap decides (DECISIONS 2.2): if the carrier ended the request first, its reply is in the ring.
   */
  #condemn(actor: Actor, seq: number, exit: Exit, code: ErrorCode): void {
    const carrier = actor.carrier as Carrier;
    if (!carrier.condemn(seq)) return;
    this.#carriers.drain();
    if (exit.reason === "deadline") this.#quarantine(actor.pool);
    this.#lose(carrier, { actor, seq }, exit, code);
  }

  /** Light processes of a carrier have not had a turn for a while: what has not begun there goes to others. */
  #heldUp(carrier: Carrier): void {
    carrier.isHeldUp = true;
    for (const actor of this.#tenants.of(carrier)) this.#requeue.takeBack(actor);
  }

  #overdue(actor: Actor, seq: number): void {
    const request = actor.find(seq);
    if (request === undefined || !this.#suspended.end(request)) return;
    this.#quarantine(actor.pool);
  }

  /**
   * A request kept others waiting for so long that its carrier has ended it, and lives. True if it runs once more, in a
   * carrier of its own.
   */
  #hoggedAlone(actor: Actor, request: InFlight): boolean {
    this.#processes.requestOver(request);
    this.#quarantine(actor.pool);
    return this.#requeue.runAgain(actor, request);
  }

  /** A light process does not give its carrier back: a turn has no such length but in one endless host call. */
  #hogged(carrier: Carrier, why: string): void {
    const culprit = this.#culpritIn(carrier);
    this.#quarantine(this.#poolOf(carrier.turnOf));
    if (carrier.condemn(SEQ_TURNS)) this.#lose(carrier, culprit, { reason: "killed", text: why }, "carrier_lost");
  }

  /** Whose code runs in a carrier, or ran when it ended; which of a light actor's requests does is not known. */
  #culpritIn(carrier: Carrier): Culprit | null {
    const running = carrier.running();
    if (running === null) return null;
    if (running.seq !== SEQ_TURNS) {
      const actor = this.#tenants.get(running.pid);
      return actor === undefined ? null : { actor, seq: running.seq };
    }
    const actor = this.#tenants.of(carrier).find(({ pool }) => pool.environmentId === carrier.turnOf);
    return actor === undefined ? null : { actor, seq: 0 };
  }

  #poolOf(environment: number): Pool | null {
    for (const { pool } of this.#tenants.all()) if (pool.environmentId === environment) return pool;
    return null;
  }

  /** A pool has held up others: it shares no carrier any more. */
  #quarantine(pool: Pool | null): void {
    if (pool === null || pool.isQuarantined) return;
    pool.isQuarantined = true;
    this.#log.info({ service: pool.service.prefix }, "it held up others in a carrier, and shares none any more");
    this.#actors.quarantined(pool);
  }

  /** What has waited too long gets 503, in a ring or here. True if something still waits. */
  #timeOut(nowMs: number): boolean {
    for (const actor of this.#tenants.all()) if (actor.sent.length > 0) this.#requeue.timeOut(actor, nowMs);
    const isWaiting = this.#suspended.timeOut(nowMs);
    return this.queues.timeOut(nowMs) || isWaiting;
  }
}
