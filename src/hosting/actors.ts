// Actors on carriers: starts them, stops them, kills them, ends idle ones, and says what became of each.
//
// When and why is decided by the supervision tree (supervision.ts); requests are the dispatcher's (dispatch.ts).
import type { Exit } from "../../wire/exits.ts";
import { SEQ_STARTING } from "../../wire/layout.ts";
import type { Pids } from "../../wire/pids.ts";
import type { Carrier } from "../carriers/carrier.ts";
import type { Carriers } from "../carriers/carriers.ts";
import { reasonOf } from "../errors.ts";
import type { Log } from "../log/log.ts";
import type { CompiledModule } from "../modules/modules.ts";
import type { Dispatch } from "../requests/dispatch.ts";
import type { ActorEvents } from "../requests/events.ts";
import { Actor, type Pool } from "../services/service.ts";
import { after } from "../timer.ts";
import { type ActorEnvironment, specOf } from "./actor-spec.ts";
import type { ActorOutcomes } from "./outcomes.ts";
import { Placement } from "./placement.ts";
import { Sweep } from "./sweep.ts";

/** How often idle actors are looked for, and carriers for actors that wait for one. ms */
const SWEEP_MS = 100;
/** How long a carrier may take to forget an actor that has no request. ms */
const STOP_MS = 1000;

export interface ActorsOptions {
  readonly carriers: Carriers;
  readonly pids: Pids;
  readonly log: Log;
  /** The compiled module of a pool: from the cache, or read and compiled now (part of a cold start). */
  readonly load: (pool: Pool) => Promise<CompiledModule>;
  /** True if a pool's requests are light processes in a shared carrier. */
  readonly givesWay: (pool: Pool, compiled: CompiledModule) => Promise<boolean>;
  /** What its processes are, of an actor that is to start in a carrier. */
  readonly environmentOf: (actor: Actor, carrier: Carrier, compiled: CompiledModule) => Promise<ActorEnvironment>;
  readonly sharedMax: number;
  readonly shareMax: number;
  readonly instancesMax: number;
  readonly onCarrierGone: (carrier: Carrier, why: string) => void;
}

/** Whom actors tell of what became of them, and who gives them requests. Both are made after them. */
export interface ActorsPeers {
  readonly outcomes: ActorOutcomes;
  readonly dispatch: Dispatch;
}

export class Actors implements ActorEvents {
  readonly #options: ActorsOptions;
  readonly #carriers: Carriers;
  // Set by `open`, before any actor is started.
  #outcomes!: ActorOutcomes;
  #dispatch!: Dispatch;
  #sweep!: Sweep;
  /** By child id. */
  readonly #actors = new Map<string, Actor>();
  /** Pools that have actors. */
  readonly #pools = new Set<Pool>();
  /** Those whose carrier has been asked to start them, by pid. */
  readonly #starting = new Map<number, Actor>();
  readonly #placement: Placement;
  #sweeper: NodeJS.Timeout | undefined;
  /** Ends of actors and of their guests, by reason. */
  readonly exits = new Map<string, number>();

  constructor(options: ActorsOptions) {
    this.#options = options;
    const { carriers, sharedMax, shareMax, instancesMax } = options;
    this.#carriers = carriers;
    this.#placement = new Placement(carriers, {
      sharedMax,
      shareMax,
      instancesMax,
      idle: () => this.#sweep.idle(),
      all: () => this.#actors.values(),
      makeWay: (actor) => this.#makeWay(actor),
    });
  }

  /** Begins to look for idle actors. Before any actor is started. */
  open({ outcomes, dispatch }: ActorsPeers): void {
    this.#outcomes = outcomes;
    this.#dispatch = dispatch;
    this.#sweep = new Sweep(this.#pools, this.#placement, outcomes, (actor) => this.#makeWay(actor));
    this.#sweeper = setInterval(() => this.#sweep.run(performance.now()), SWEEP_MS);
  }

  /** True if one more actor of this pool could be placed now without taking from others who wait. */
  hasRoomFor(pool: Pool): boolean {
    return this.#placement.hasRoomFor(pool);
  }

  /** Actors that wait for a carrier. */
  get waiting(): number {
    return this.#placement.waiting;
  }

  /** Ends the sweeps. */
  close(): void {
    clearInterval(this.#sweeper);
  }

  /** By their ids in the supervision tree. */
  get byId(): ReadonlyMap<string, Actor> {
    return this.#actors;
  }

  // --- What the tree asks. ---

  async start(pool: Pool, id: string, generation: number): Promise<void> {
    const actor = new Actor(pool, id, generation, pool.burstIds.has(id));
    this.#actors.set(id, actor);
    pool.actors.add(actor);
    this.#pools.add(pool);
    try {
      const compiled = await this.#options.load(pool);
      pool.givesWay = !pool.needsDedicated && (await this.#options.givesWay(pool, compiled));
      do actor.isDisplaced = false;
      while (!(await this.#startOn(actor, compiled)));
    } catch (thrown) {
      this.#startFailed(actor, actor.startFailure ?? reasonOf(thrown));
      return;
    }
    if (actor.state !== "starting") {
      await this.#finishStop(actor); // it was told to stop meanwhile
      return;
    }
    pool.lastStartFailure = null;
    this.#outcomes.started(actor);
    this.#dispatch.addActor(actor);
    if (!pool.isHot || actor.carrier?.isShared) return;
    for (const each of [...pool.ready]) if (each.carrier?.isShared) this.#makeWay(each);
  }

  /** Stops an actor in order: no new request, the running one ends. `stopped` tells when it has. */
  stop(id: string, generation: number): void {
    const actor = this.#actors.get(id);
    if (actor === undefined || actor.generation !== generation) {
      this.#outcomes.stopped(id, generation);
      return;
    }
    if (actor.state === "ready" || actor.state === "leaving") {
      this.#dispatch.retire(actor);
      return;
    }
    if (actor.state !== "starting") return;
    actor.state = "stopping";
    // In a shared carrier it must not end the others: the deadline of its start ends it at the latest.
    if (!this.#placement.withdraw(actor) && actor.carrier?.isShared === false) this.#killStarting(actor);
  }

  /** Ends an actor at once; a request that it had begun fails. */
  kill(id: string, generation: number): void {
    const actor = this.#actors.get(id);
    if (actor === undefined || actor.generation !== generation) return;
    if (actor.state === "ready" || (actor.isEnding && actor.isBusy)) {
      this.#dispatch.killActor(actor, { reason: "killed", text: "killed by its supervisor" }, "carrier_lost");
    } else if (this.#starting.has(actor.pid) && this.#mayKill(actor)) this.#killStarting(actor);
    else this.stop(id, generation);
  }

  /** Its module has a light form now: actors in shared carriers that began without it make way for others. */
  renew(pool: Pool): void {
    for (const actor of [...pool.ready]) {
      if (actor.carrier?.isShared && !actor.isLight && pool.policy.state === "fresh") this.#makeWay(actor);
    }
  }

  // --- What the dispatcher tells (ActorEvents). ---

  quarantined(pool: Pool): void {
    for (const actor of [...pool.ready]) if (actor.carrier?.isShared) this.#makeWay(actor);
  }

  wantActor(pool: Pool): void {
    this.#outcomes.wanted(pool);
  }

  actorEnded(actor: Actor, exit: Exit): void {
    this.#forget(actor);
    this.#countExit(actor, exit);
    this.#outcomes.exited(actor, exit);
  }

  actorDisplaced(actor: Actor): void {
    this.#forget(actor);
    this.#countExit(actor, { reason: "killed", text: "its shared carrier ended because of another service" });
    this.#outcomes.displaced(actor);
  }

  burstDone(actor: Actor): void {
    this.#outcomes.surplus(actor);
  }

  guestExited(actor: Actor, exit: Exit): void {
    this.#countExit(actor, exit);
    if (!actor.pool.policy.count_traps) return;
    // The policy counts it as the actor's end, and so it is one.
    actor.exit = exit;
    this.#dispatch.retire(actor);
  }

  actorIdle(actor: Actor): void {
    if (actor.state === "leaving") this.#outcomes.surplus(actor);
    else void this.#finishStop(actor);
  }

  carrierGone(carrier: Carrier, why: string): void {
    for (const actor of this.#starting.values()) {
      if (actor.carrier !== carrier || actor.startFailure !== null) continue;
      if (carrier.isShared && carrier.running()?.pid !== actor.pid) actor.isDisplaced = true;
      else actor.startFailure = why;
    }
    this.#options.onCarrierGone(carrier, why);
  }

  actorStarting(carrier: Carrier, pid: number, ms: number): void {
    const actor = this.#starting.get(pid);
    const limitMs = actor?.pool.policy.limits.start_deadline ?? Number.POSITIVE_INFINITY;
    if (actor === undefined || ms < limitMs || !carrier.condemn(SEQ_STARTING)) return;
    actor.startFailure ??= `its start code ran for more than ${limitMs} ms`;
    this.#killStarting(actor);
  }

  spareCarrier(): void {
    this.#placement.serve();
  }

  // --- Inside. ---

  #killStarting({ carrier, pool, startFailure }: Actor): void {
    this.#carriers.kill(
      carrier as Carrier,
      `${pool.service.prefix}: ${startFailure ?? "it was told to stop in its start"}`,
    );
  }

  /**
   * An actor ends that nobody was told to stop: its requests have their deadlines for that, not the time of a shutdown.
   */
  #makeWay(actor: Actor): void {
    if (!actor.isBusy) {
      this.#outcomes.surplus(actor);
      return;
    }
    if (actor.state !== "ready") return; // it ends already
    actor.pool.leaving.add(actor);
    actor.pool.burstIds.delete(actor.id);
    this.#dispatch.retire(actor, "leaving");
  }

  /** False if the carrier ended under it because of another service: then it needs another. @throws as it failed */
  async #startOn(actor: Actor, compiled: CompiledModule): Promise<boolean> {
    if (actor.state !== "starting") throw new Error("it was told to stop");
    const carrier = await this.#placement.place(actor);
    actor.carrier = carrier;
    actor.pid = this.#options.pids.next();
    this.#starting.set(actor.pid, actor);
    this.#dispatch.watchdog.arm();
    let why: string | null = null;
    try {
      why = await carrier.start(specOf(actor, compiled, await this.#options.environmentOf(actor, carrier, compiled)));
    } catch (thrown) {
      if (actor.startFailure === null && actor.isDisplaced) {
        this.#placement.release(actor);
        return false;
      }
      throw thrown;
    } finally {
      this.#starting.delete(actor.pid);
    }
    if (why !== null) throw new Error(why);
    return true;
  }

  /** Whether a starting actor's carrier may be killed for it: a shared one only while it runs this start. */
  #mayKill({ carrier, pid }: Actor): boolean {
    if (carrier?.isShared !== true) return true;
    return carrier.running()?.pid === pid && carrier.condemn(SEQ_STARTING);
  }

  #startFailed(actor: Actor, why: string): void {
    const wasToldToStop = actor.state !== "starting";
    this.#forget(actor);
    if (wasToldToStop) {
      this.#outcomes.stopped(actor.id, actor.generation);
      return;
    }
    this.#countExit(actor, { reason: "start_failed", text: why });
    actor.pool.lastStartFailure = why;
    this.#outcomes.startFailed(actor, why);
  }

  /** A stopping actor has no requests left: its carrier is free again. */
  async #finishStop(actor: Actor): Promise<void> {
    if (actor.state === "gone") return;
    this.#dispatch.removeActor(actor);
    const carrier = actor.carrier as Carrier;
    if (carrier.isShared) void carrier.stop(actor.pid).catch(() => {});
    else {
      // One that does not answer is in start code of the guest's next instance: no need to wait for its deadline.
      const late = after(STOP_MS, () =>
        this.#carriers.kill(carrier, `${actor.pool.service.prefix}: it was not let go`),
      );
      await carrier.stop(actor.pid).catch(() => {});
      late.cancel();
    }
    this.#forget(actor);
    if (actor.exit === null) this.#outcomes.stopped(actor.id, actor.generation);
    else this.#outcomes.exited(actor, actor.exit);
  }

  #forget(actor: Actor): void {
    actor.state = "gone";
    this.#placement.release(actor);
    actor.pool.actors.delete(actor);
    actor.pool.leaving.delete(actor);
    if (actor.pool.actors.size === 0) {
      this.#pools.delete(actor.pool);
      // With requests that wait it is as busy as it was; else it begins again in shared carriers.
      if (actor.pool.waiting.length === 0) actor.pool.isHot = false;
    }
    if (this.#actors.get(actor.id) === actor) this.#actors.delete(actor.id);
  }

  #countExit(actor: Actor, exit: Exit): void {
    this.exits.set(exit.reason, (this.exits.get(exit.reason) ?? 0) + 1);
    const { pid, pool } = actor;
    pool.service.restarts++;
    this.#options.log.debug({ service: pool.service.prefix, pid, exit }, "a guest ended");
  }
}
