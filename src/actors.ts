// Actors on carriers: starts them, stops them, kills them, ends idle ones, and says what became of each. Main thread.
//
// When and why is decided by the supervision tree (supervision.ts); requests are the dispatcher's (dispatch.ts).
import type { Exit } from "../actors/exits.ts";
import type { Pids } from "../actors/pids.ts";
import type { ActorSpec } from "../actors/wire.ts";
import { reapable } from "../supervisors/reaping.ts";
import type { Carrier } from "./carrier.ts";
import type { Carriers } from "./carriers.ts";
import type { Dispatch } from "./dispatch.ts";
import { type FrenezuloError, reasonOf } from "./errors.ts";
import type { Life } from "./life.ts";
import type { CompiledModule } from "./modules.ts";
import { Actor, type InFlight, type Pool } from "./service.ts";
import { after } from "./timer.ts";

/** How often idle actors are looked for, and carriers for actors that wait for one. ms */
const SWEEP_MS = 100;
/** How long a carrier may take to forget an actor that has no request. ms */
const STOP_MS = 1000;

/** What became of an actor, for the supervision tree. */
export interface ActorOutcomes {
  started(actor: Actor): void;
  startFailed(actor: Actor, why: string): void;
  /** It has ended as it was told; also for one that was not there. */
  stopped(id: string, generation: number): void;
  exited(actor: Actor, exit: Exit): void;
  /** It is idle for long, or its carrier is needed: it should be stopped in order. */
  surplus(actor: Actor): void;
  /** Requests wait, and the pool has no actor. */
  wanted(pool: Pool): void;
}

export interface ActorsOptions {
  /** The compiled module of a pool: from the cache, or read and compiled now (part of a cold start). */
  readonly load: (pool: Pool) => Promise<CompiledModule>;
  readonly onOutput: (actor: Actor, stream: number, text: Buffer) => void;
  readonly onFailure: (request: InFlight, error: FrenezuloError, note: string) => void;
  readonly onExit: (actor: Actor, exit: Exit) => void;
}

export class Actors implements Life {
  readonly #options: ActorsOptions;
  #outcomes!: ActorOutcomes;
  #dispatch!: Dispatch;
  #carriers!: Carriers;
  #pids!: Pids;
  /** By child id. */
  readonly #actors = new Map<string, Actor>();
  /** Pools that have actors. */
  readonly #pools = new Set<Pool>();
  readonly #starting = new Map<Carrier, Actor>();
  /** Starting actors without a carrier, in order. */
  readonly #waiting: { readonly actor: Actor; readonly take: (carrier: Carrier | null) => void }[] = [];
  readonly #sweeper: NodeJS.Timeout;
  /** Ends of actors and of their guests, by reason. */
  readonly exits = new Map<string, number>();

  constructor(options: ActorsOptions) {
    this.#options = options;
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_MS);
  }

  attach(outcomes: ActorOutcomes, dispatch: Dispatch, carriers: Carriers, pids: Pids): void {
    this.#outcomes = outcomes;
    this.#dispatch = dispatch;
    this.#carriers = carriers;
    this.#pids = pids;
  }

  /** Ends the sweeps. */
  close(): void {
    clearInterval(this.#sweeper);
  }

  *all(): Iterable<Actor> {
    yield* this.#actors.values();
  }

  // --- What the tree asks. ---

  async start(pool: Pool, id: string, generation: number): Promise<void> {
    const actor = new Actor(pool, id, generation);
    this.#actors.set(id, actor);
    pool.actors.add(actor);
    this.#pools.add(pool);
    try {
      const compiled = await this.#options.load(pool);
      const carrier = await this.#takeCarrier(actor);
      actor.pid = this.#pids.next();
      actor.carrier = carrier;
      this.#starting.set(carrier, actor);
      this.#dispatch.watch();
      const why = await carrier.start(specOf(actor, compiled)).finally(() => this.#starting.delete(carrier));
      if (why !== null) {
        this.#carriers.giveBack(carrier);
        throw new Error(why);
      }
      if (actor.state !== "starting") {
        // It was told to stop meanwhile.
        await this.#finishStop(actor);
        return;
      }
    } catch (thrown) {
      this.#startFailed(actor, actor.startFailure ?? reasonOf(thrown));
      return;
    }
    this.#outcomes.started(actor);
    this.#dispatch.addActor(actor);
  }

  /** Stops an actor in order: no new request, the running one ends. `stopped` tells when it has. */
  stop(id: string, generation: number): void {
    const actor = this.#actors.get(id);
    if (actor === undefined || actor.generation !== generation) {
      this.#outcomes.stopped(id, generation);
      return;
    }
    if (actor.state === "ready") {
      this.#dispatch.retire(actor);
      return;
    }
    if (actor.state !== "starting") return;
    actor.state = "stopping";
    const at = this.#waiting.findIndex((each) => each.actor === actor);
    if (at >= 0) this.#waiting.splice(at, 1)[0]?.take(null);
    else if (actor.carrier !== null) this.#carriers.kill(actor.carrier);
  }

  /** Ends an actor at once; a request that it had begun fails. */
  kill(id: string, generation: number): void {
    const actor = this.#actors.get(id);
    if (actor === undefined || actor.generation !== generation) return;
    if (actor.state === "ready" || (actor.state === "stopping" && actor.sent.length > 0)) {
      this.#dispatch.killActor(actor, { reason: "killed", text: "killed by its supervisor" }, "carrier_lost");
    } else this.stop(id, generation);
  }

  // --- What the dispatcher tells (Life). ---

  wantActor(pool: Pool): void {
    this.#outcomes.wanted(pool);
  }

  actorEnded(actor: Actor, exit: Exit): void {
    this.#forget(actor);
    this.#countExit(actor, exit);
    this.#outcomes.exited(actor, exit);
  }

  guestExited(actor: Actor, exit: Exit): void {
    this.#countExit(actor, exit);
    if (!actor.pool.policy.count_traps) return;
    // The policy counts it as the actor's end, and so it is one.
    actor.exit = exit;
    this.#dispatch.retire(actor);
  }

  actorIdle(actor: Actor): void {
    void this.#finishStop(actor);
  }

  carrierGone(carrier: Carrier, why: string): void {
    const actor = this.#starting.get(carrier);
    if (actor !== undefined) actor.startFailure ??= why;
  }

  actorStarting(carrier: Carrier, ms: number): void {
    const actor = this.#starting.get(carrier);
    const limitMs = actor?.pool.policy.limits.start_deadline ?? Number.POSITIVE_INFINITY;
    if (actor === undefined || ms < limitMs) return;
    actor.startFailure ??= `its start code ran for more than ${limitMs} ms`;
    this.#carriers.kill(carrier);
  }

  spareCarrier(): void {
    while (this.#waiting.length > 0) {
      const carrier = this.#carriers.take();
      if (carrier === null) return;
      this.#waiting.shift()?.take(carrier);
    }
  }

  output(actor: Actor, stream: number, text: Buffer): void {
    this.#options.onOutput(actor, stream, text);
  }

  requestFailed(request: InFlight, error: FrenezuloError, note: string): void {
    this.#options.onFailure(request, error, note);
  }

  // --- Inside. ---

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
    // A carrier that does not answer is in start code of the guest's next instance: no need to wait for its deadline.
    const late = after(STOP_MS, () => this.#carriers.kill(carrier));
    try {
      await carrier.stop(actor.pid);
      this.#carriers.giveBack(carrier);
    } catch {
      // The carrier has gone; so has the actor.
    }
    late.cancel();
    this.#forget(actor);
    if (actor.exit === null) this.#outcomes.stopped(actor.id, actor.generation);
    else this.#outcomes.exited(actor, actor.exit);
  }

  #forget(actor: Actor): void {
    actor.state = "gone";
    actor.pool.actors.delete(actor);
    if (actor.pool.actors.size === 0) this.#pools.delete(actor.pool);
    if (this.#actors.get(actor.id) === actor) this.#actors.delete(actor.id);
  }

  #countExit(actor: Actor, exit: Exit): void {
    this.exits.set(exit.reason, (this.exits.get(exit.reason) ?? 0) + 1);
    actor.pool.service.restarts++;
    this.#options.onExit(actor, exit);
  }

  #takeCarrier(actor: Actor): Promise<Carrier> {
    const stopped = new Error("it was told to stop before it had a carrier");
    if (actor.state !== "starting") return Promise.reject(stopped);
    const carrier = this.#waiting.length === 0 ? this.#carriers.take() : null;
    if (carrier !== null) return Promise.resolve(carrier);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ actor, take: (given) => (given === null ? reject(stopped) : resolve(given)) });
      this.#makeRoom();
    });
  }

  /** Where actors wait and no carrier can be made, the actor that has been idle longest gives up its own. */
  #makeRoom(): void {
    if (this.#waiting.length === 0 || !this.#carriers.isExhausted) return;
    let oldest: Actor | null = null;
    for (const pool of this.#pools) {
      if (pool.waiting.length > 0 || pool.policy.state === "kept") continue;
      for (const actor of pool.ready) {
        if (actor.sent.length > 0) continue;
        if (oldest === null || actor.lastUsedMs < oldest.lastUsedMs) oldest = actor;
      }
    }
    if (oldest !== null) this.#outcomes.surplus(oldest);
  }

  #sweep(): void {
    const nowMs = performance.now();
    for (const pool of this.#pools) {
      if (pool.ready.length === 0 || pool.waiting.length > 0) continue;
      const { min, idle_timeout: idleTimeoutMs } = pool.policy.scale;
      const residents = pool.ready.map((actor) => ({
        actor,
        work: actor.sent.length,
        idleSinceMs: actor.lastUsedMs,
      }));
      for (const { actor } of reapable(residents, 0, { min, idleTimeoutMs }, nowMs)) {
        this.#outcomes.surplus(actor);
      }
    }
    this.#makeRoom();
  }
}

function specOf(actor: Actor, { module, info }: CompiledModule): ActorSpec {
  const { policy, service } = actor.pool;
  return {
    pid: actor.pid,
    service: service.prefix,
    module,
    info,
    state: policy.state,
    snapshotEntropy: policy.snapshot_entropy,
    env: policy.env,
    args: [service.prefix],
    replyBytesMax: policy.limits.body_out,
    outputRequestBytesMax: policy.limits.output_request,
    outputSecondBytesMax: policy.limits.output_second,
  };
}
