// Carries out what the supervision tree decides: starts and stops actors on carriers, keeps its timers, tells it what
// became of them. Main thread.
//
// Ids in the tree: "services" the root of services, NAME a group of the config, "hello#3" the supervisor of version 3 of
// service hello, "hello#3/7" an actor of it. Everything else is a worker of the node (store, carriers, acceptor).
import type { Exit } from "../actors/exits.ts";
import type { Pids } from "../actors/pids.ts";
import type { ActorSpec } from "../actors/wire.ts";
import type { Command, Report } from "../supervisors/commands.ts";
import { reapable } from "../supervisors/reaping.ts";
import { childSpec, type SupervisorSpec, supervisorSpec } from "../supervisors/spec.ts";
import { Tree } from "../supervisors/tree.ts";
import type { Carrier, Carriers } from "./carriers.ts";
import type { Policy, SupervisorConfig } from "./config.ts";
import type { Dispatch, Life } from "./dispatch.ts";
import { FrenezuloError, reasonOf } from "./errors.ts";
import type { CompiledModule } from "./modules.ts";
import { Actor, type InFlight, type Pool } from "./service.ts";
import { after, type Timer } from "./timer.ts";

/** How often idle actors are looked for, and carriers for actors that wait for one. ms */
const SWEEP_MS = 100;
export const SERVICES = "services";

/** A part of the node that is a worker of the tree's root. */
export interface NodePart {
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface SupervisionOptions {
  /** Parts of the node in start order; "services" stands for the root of services among them. */
  readonly parts: ReadonlyMap<string, NodePart | typeof SERVICES>;
  readonly groups: ReadonlyMap<string, SupervisorConfig>;
  /** The compiled module of a pool: from the cache, or read and compiled now (part of a cold start). */
  readonly load: (pool: Pool) => Promise<CompiledModule>;
  readonly onReport: (report: Report) => void;
  readonly onOutput: (actor: Actor, stream: number, text: Buffer) => void;
  readonly onFailure: (request: InFlight, error: FrenezuloError, note: string) => void;
  readonly onExit: (actor: Actor, exit: Exit) => void;
}

interface Outcome {
  readonly resolve: () => void;
  readonly reject: (error: FrenezuloError) => void;
}

export class Supervision implements Life {
  readonly #options: SupervisionOptions;
  readonly #tree: Tree;
  readonly #timers = new Map<number, Timer>();
  #dispatch!: Dispatch;
  #carriers!: Carriers;
  #pids!: Pids;
  /** Actors by child id, and the pools of all children that the tree knows. */
  readonly #actors = new Map<string, Actor>();
  readonly #pools = new Map<string, Pool>();
  /** Pools that have actors or wait for a supervisor. */
  readonly #alive = new Set<Pool>();
  readonly #starting = new Map<Carrier, Actor>();
  /** Starting actors without a carrier, in order. */
  readonly #waiting: { readonly actor: Actor; readonly take: (carrier: Carrier | null) => void }[] = [];
  readonly #trials = new Map<string, Outcome>();
  readonly #removals = new Map<string, () => void>();
  #started: Outcome | null = null;
  #ended: (() => void) | null = null;
  #startError: unknown;
  #children = 0;
  #sweeper: NodeJS.Timeout | undefined;
  /** Requests that had to start their actor. */
  coldStarts = 0;
  readonly exits = new Map<string, number>();

  constructor(options: SupervisionOptions) {
    this.#options = options;
    this.#tree = new Tree(
      supervisorSpec({ id: "node", maxRestarts: Number.POSITIVE_INFINITY, order: [...options.parts.keys()] }),
      Math.random,
    );
  }

  attach(dispatch: Dispatch, carriers: Carriers, pids: Pids): void {
    this.#pids = pids;
    this.#dispatch = dispatch;
    this.#carriers = carriers;
  }

  /** Starts the node's parts in order. @throws what the part that failed threw; those started before are stopped */
  start(): Promise<void> {
    for (const [id, part] of this.#options.parts) {
      if (part === SERVICES) this.#addGroups();
      // Parts of the node are not restarted: one that fails at start ends the start, and none ends by itself.
      else this.#run(this.#tree.addChild("node", partSpec(id), performance.now()));
    }
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_MS);
    return new Promise((resolve, reject) => {
      this.#started = { resolve, reject };
      this.#run(this.#tree.start(performance.now()));
    });
  }

  /** Stops everything in reverse order. */
  stop(): Promise<void> {
    const ended = new Promise<void>((resolve) => {
      this.#ended = resolve;
      this.#run(this.#tree.stop(performance.now()));
      if (this.#tree.phaseOf("node") === "ended") resolve();
    });
    return ended.then(() => clearInterval(this.#sweeper));
  }

  /** Ends every actor at once: the drain's deadline has passed. */
  killServices(): void {
    this.#run(this.#tree.kill(SERVICES, performance.now()));
  }

  /** Puts a version under its group's supervision. No actor is started. */
  addPool(pool: Pool): void {
    const { policy, service } = pool;
    const group = this.#tree.phaseOf(policy.supervisor) === null ? SERVICES : policy.supervisor;
    const spec = supervisorSpec({
      id: pool.id,
      maxRestarts: policy.max_restarts,
      maxSeconds: policy.max_seconds,
      dynamic: true,
      service: service.prefix,
    });
    this.#pools.set(spec.id, pool);
    service.pools.add(pool);
    this.#run(this.#tree.addSupervisor(group, spec, { backoff: backoffOf(policy) }, performance.now()));
  }

  /** Starts a version's first actor. @throws first_start_failed */
  startFirst(pool: Pool): Promise<void> {
    return new Promise((resolve, reject) => {
      const spec = this.#actorSpec(pool);
      this.#trials.set(spec.id, { resolve, reject });
      this.#run(this.#tree.startChild(pool.id, spec, performance.now()));
    });
  }

  /** Stops a version's actors in order and forgets it. */
  async removePool(pool: Pool): Promise<void> {
    const id = pool.id;
    if (this.#tree.has(id)) {
      await new Promise<void>((resolve) => {
        this.#removals.set(id, resolve);
        this.#run(this.#tree.removeChild(id, performance.now()));
      });
    }
    this.#pools.delete(id);
    this.#alive.delete(pool);
    pool.service.pools.delete(pool);
  }

  get actorCount(): number {
    return this.#actors.size;
  }

  *actors(): Iterable<Actor> {
    yield* this.#actors.values();
  }

  // --- What the dispatcher tells (Life). ---

  wantActor(pool: Pool): void {
    const id = pool.id;
    if (!this.#tree.isRunning(id) || pool.service.pool !== pool) return;
    // A child that waits out its backoff is an actor that is coming.
    if (pool.children > 0) return;
    this.coldStarts++;
    this.#run(this.#tree.addChild(id, this.#actorSpec(pool), performance.now()));
  }

  actorEnded(actor: Actor, exit: Exit): void {
    this.#forget(actor);
    this.#countExit(actor, exit);
    this.#run(this.#tree.childExited(actor.id, actor.generation, exit, performance.now()));
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

  // --- Carrying out commands. ---

  #run(commands: readonly Command[]): void {
    for (const command of commands) this.#carryOut(command);
  }

  #carryOut(command: Command): void {
    switch (command.type) {
      case "start":
        if (this.#options.parts.has(command.id)) void this.#startPart(command.id, command.generation);
        else void this.#startActor(command.id, command.generation);
        return;
      case "stop":
        if (this.#options.parts.has(command.id)) void this.#stopPart(command.id, command.generation);
        else this.#stopActor(command.id, command.generation);
        return;
      case "kill":
        this.#killActor(command.id, command.generation);
        return;
      case "arm": {
        const { id, token, atMs } = command;
        const fire = (): void => {
          this.#timers.delete(token);
          this.#run(this.#tree.timer(id, token, performance.now()));
        };
        this.#timers.set(token, after(Math.max(0, atMs - performance.now()), fire));
        return;
      }
      case "disarm":
        this.#timers.get(command.token)?.cancel();
        this.#timers.delete(command.token);
        return;
      case "report":
        this.#options.onReport(command.report);
        return;
      case "open_breaker":
        this.#openBreaker(command.service);
        return;
      case "supervisor_started":
        if (command.id === "node") this.#started?.resolve();
        else this.#ensureMinimum(this.#pools.get(command.id));
        return;
      case "supervisor_ended":
        return;
      case "removed":
        this.#removed(command.id);
        return;
      case "ended":
        this.#started?.reject(this.#startError as FrenezuloError);
        this.#ended?.();
        return;
    }
  }

  // --- The node's parts. ---

  #addGroups(): void {
    const nowMs = performance.now();
    // It never gives up: a group that does is tried again after its backoff, and no guest ends the root (DECISIONS 8.1).
    const root = this.#options.groups.get(SERVICES);
    const spec = { id: SERVICES, maxRestarts: Number.POSITIVE_INFINITY, strategy: root?.strategy ?? "one_for_one" };
    this.#run(this.#tree.addSupervisor("node", supervisorSpec({ ...spec, order: root?.order ?? [] }), {}, nowMs));
    for (const id of parentsFirst(this.#options.groups)) {
      const group = this.#options.groups.get(id) as SupervisorConfig;
      const parent = group.parent ?? SERVICES;
      this.#run(this.#tree.addSupervisor(parent, groupSpec(id, group), { backoff: groupBackoff }, nowMs));
    }
  }

  async #startPart(id: string, generation: number): Promise<void> {
    try {
      await (this.#options.parts.get(id) as NodePart).start();
      this.#run(this.#tree.childStarted(id, generation, performance.now()));
    } catch (thrown) {
      this.#startError ??= thrown;
      this.#run(this.#tree.childStartFailed(id, generation, reasonOf(thrown), performance.now()));
    }
  }

  async #stopPart(id: string, generation: number): Promise<void> {
    await (this.#options.parts.get(id) as NodePart).stop().catch((thrown: unknown) => {
      this.#startError ??= thrown;
    });
    this.#run(this.#tree.childStopped(id, generation, performance.now()));
  }

  // --- Actors. ---

  #actorSpec(pool: Pool) {
    const { restart, shutdown } = pool.policy;
    const id = `${pool.id}/${++this.#children}`;
    this.#pools.set(id, pool);
    this.#alive.add(pool);
    pool.children++;
    // Its start is watched here: only the guest's own start code has a deadline, not the wait for a carrier.
    const startTimeoutMs = Number.POSITIVE_INFINITY;
    return childSpec({ id, restart, shutdown, backoff: backoffOf(pool.policy), startTimeoutMs });
  }

  async #startActor(id: string, generation: number): Promise<void> {
    const pool = this.#pools.get(id) as Pool;
    const actor = new Actor(pool, id, generation);
    this.#actors.set(id, actor);
    pool.actors.add(actor);
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
    this.#settleTrial(id, null);
    this.#run(this.#tree.childStarted(id, generation, performance.now()));
    this.#dispatch.addActor(actor);
  }

  #startFailed(actor: Actor, why: string): void {
    const wasToldToStop = actor.state !== "starting";
    this.#forget(actor);
    const nowMs = performance.now();
    if (wasToldToStop) {
      this.#run(this.#tree.childStopped(actor.id, actor.generation, nowMs));
      return;
    }
    this.#countExit(actor, { reason: "start_failed", text: why });
    actor.pool.lastStartFailure = why;
    this.#settleTrial(actor.id, why);
    this.#run(this.#tree.childStartFailed(actor.id, actor.generation, why, nowMs));
  }

  #settleTrial(id: string, why: string | null): void {
    const trial = this.#trials.get(id);
    this.#trials.delete(id);
    if (why === null) trial?.resolve();
    else trial?.reject(new FrenezuloError("first_start_failed", { why }));
  }

  #stopActor(id: string, generation: number): void {
    const actor = this.#actors.get(id);
    if (actor === undefined || actor.generation !== generation) {
      this.#run(this.#tree.childStopped(id, generation, performance.now()));
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

  #killActor(id: string, generation: number): void {
    const actor = this.#actors.get(id);
    if (actor === undefined || actor.generation !== generation) return;
    const isPlaced = actor.carrier !== null && !this.#starting.has(actor.carrier);
    if (isPlaced && actor.state !== "gone") {
      this.#dispatch.killActor(actor, { reason: "killed", text: "killed by its supervisor" }, "carrier_lost");
    } else this.#stopActor(id, generation);
  }

  /** A stopping actor has no requests left: its carrier is free again. */
  async #finishStop(actor: Actor): Promise<void> {
    if (actor.state === "gone") return;
    this.#dispatch.removeActor(actor);
    const carrier = actor.carrier as Carrier;
    try {
      await carrier.stop(actor.pid);
      this.#carriers.giveBack(carrier);
    } catch {
      // The carrier has gone; so has the actor.
    }
    this.#forget(actor);
    const nowMs = performance.now();
    if (actor.exit === null) this.#run(this.#tree.childStopped(actor.id, actor.generation, nowMs));
    else this.#run(this.#tree.childExited(actor.id, actor.generation, actor.exit, nowMs));
  }

  #forget(actor: Actor): void {
    actor.state = "gone";
    actor.pool.actors.delete(actor);
    if (this.#actors.get(actor.id) === actor) this.#actors.delete(actor.id);
  }

  #removed(id: string): void {
    const pool = this.#pools.get(id);
    if (pool !== undefined && id !== pool.id) {
      this.#pools.delete(id);
      pool.children--;
      if (pool.children === 0) this.#alive.delete(pool);
      this.#settleTrial(id, "its supervisor was stopped");
    }
    this.#removals.get(id)?.();
    this.#removals.delete(id);
  }

  #ensureMinimum(pool: Pool | undefined): void {
    if (pool === undefined || pool.service.pool !== pool) return;
    const missing = Math.min(1, pool.policy.scale.min) - pool.children;
    if (missing > 0) {
      this.#run(this.#tree.addChild(pool.id, this.#actorSpec(pool), performance.now()));
    }
  }

  /** The service's supervisor gave up: nothing is tried until the breaker lets a probe through. */
  #openBreaker(prefix: string): void {
    for (const pool of this.#pools.values()) {
      if (pool.service.prefix !== prefix) continue;
      const { service } = pool;
      const nowMs = performance.now();
      service.breaker.trip(nowMs);
      const retryAfterSeconds = Math.max(1, Math.ceil(service.breaker.retryAfterMs(nowMs) / 1000));
      const why = pool.lastStartFailure ?? "its actors failed too often";
      this.#dispatch.failWaiting(
        service.pool,
        new FrenezuloError("cannot_start", { service: prefix, why }, { retryAfterSeconds }),
      );
      return;
    }
  }

  #countExit(actor: Actor, exit: Exit): void {
    this.exits.set(exit.reason, (this.exits.get(exit.reason) ?? 0) + 1);
    actor.pool.service.restarts++;
    this.#options.onExit(actor, exit);
  }

  // --- Carriers. ---

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
    for (const pool of this.#alive) {
      if (pool.waiting.length > 0 || pool.policy.state === "kept") continue;
      for (const actor of pool.ready) {
        if (actor.sent.length > 0) continue;
        if (oldest === null || actor.lastUsedMs < oldest.lastUsedMs) oldest = actor;
      }
    }
    if (oldest !== null) this.#run(this.#tree.removeChild(oldest.id, performance.now()));
  }

  #sweep(): void {
    const nowMs = performance.now();
    for (const pool of this.#alive) {
      if (pool.ready.length === 0 || pool.waiting.length > 0) continue;
      const { min, idle_timeout: idleTimeoutMs } = pool.policy.scale;
      const residents = pool.ready.map((actor) => ({
        actor,
        work: actor.sent.length,
        idleSinceMs: actor.lastUsedMs,
      }));
      for (const { actor } of reapable(residents, 0, { min, idleTimeoutMs }, nowMs)) {
        this.#run(this.#tree.removeChild(actor.id, nowMs));
      }
    }
    this.#makeRoom();
  }
}

const groupBackoff = { minMs: 100, maxMs: 30_000, factor: 2, jitter: 0.2 };

function groupSpec(id: string, group: SupervisorConfig): SupervisorSpec {
  return supervisorSpec({
    id,
    strategy: group.strategy,
    maxRestarts: group.max_restarts,
    maxSeconds: group.max_seconds,
    order: group.order,
  });
}

/** Names of groups, each after its parent. */
function parentsFirst(groups: ReadonlyMap<string, SupervisorConfig>): string[] {
  const ordered = new Set<string>([SERVICES]);
  const place = (id: string): void => {
    if (ordered.has(id)) return;
    const parent = groups.get(id)?.parent;
    if (parent !== undefined) place(parent);
    ordered.add(id);
  };
  for (const id of groups.keys()) place(id);
  ordered.delete(SERVICES);
  return [...ordered];
}

function partSpec(id: string) {
  return childSpec({
    id,
    restart: "temporary",
    shutdown: Number.POSITIVE_INFINITY,
    startTimeoutMs: Number.POSITIVE_INFINITY,
  });
}

function backoffOf({ backoff }: Policy) {
  return { minMs: backoff.min, maxMs: backoff.max, factor: backoff.factor, jitter: backoff.jitter };
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
