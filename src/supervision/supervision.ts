// Carries out what the supervision tree decides: its timers, the node's parts, actors; and tells it what became of
// them.
//
// Ids in the tree: "services" the root of services, NAME a group of the config, "hello#3.17" the supervisor of a pool
// of version 3 of hello, "hello#3.17/7" an actor of it. Everything else is a worker of the node (store, carriers,
// acceptor).

import type { Command, Report } from "../../supervisors/commands.ts";
import { type ChildSpec, supervisorSpec } from "../../supervisors/spec.ts";
import { Tree } from "../../supervisors/tree.ts";
import type { SupervisorView } from "../../supervisors/view.ts";
import type { Exit } from "../../wire/exits.ts";
import type { SupervisorConfig } from "../config/config.ts";
import { FrenezuloError } from "../errors.ts";
import type { Actors } from "../hosting/actors.ts";
import type { ActorOutcomes } from "../hosting/outcomes.ts";
import { cannotStart } from "../requests/answers.ts";
import type { Actor, Pool, Service } from "../services/service.ts";
import { Groups } from "./groups.ts";
import { NodeParts, type Parts } from "./node-parts.ts";
import { wantedActor } from "./pressure.ts";
import { actorSpec, partSpec, poolAsChild, poolSpec, retiredPool, SERVICES } from "./specs.ts";
import { TreeTimers } from "./timers.ts";
import { Trials } from "./trials.ts";

export interface SupervisionOptions {
  /** Parts of the node in start order; "services" stands for the root of services among them. */
  readonly parts: Parts;
  readonly groups: ReadonlyMap<string, SupervisorConfig>;
  readonly actors: Actors;
  readonly serviceOf: (prefix: string) => Service | undefined;
  readonly onReport: (report: Report) => void;
  /** A version's actors have ended, and nothing of it is left. */
  readonly onPoolGone: (pool: Pool) => void;
  /** A service's supervisor gave up: its breaker is open, and what waits must be answered. */
  readonly onBroken: (service: Service, error: FrenezuloError) => void;
}

export class Supervision implements ActorOutcomes {
  readonly #options: SupervisionOptions;
  readonly #tree: Tree;
  readonly #parts: NodeParts;
  /** The supervisors of the config. */
  readonly groups: Groups;
  readonly #timers = new TreeTimers((id, token) => this.#run(this.#tree.timer(id, token, performance.now())));
  /** Pools by the ids of their supervisors and of the actors that the tree knows. */
  readonly #pools = new Map<string, Pool>();
  readonly #trials = new Trials();
  readonly #removals = new Map<string, () => void>();
  /** Pools that may have fewer actors than their minimum: one gave way to another service. */
  readonly #lacking = new Set<Pool>();
  readonly #commands: Command[] = [];
  #isRunning = false;
  #started: { resolve: () => void; reject: (error: unknown) => void } | null = null;
  #ended: (() => void) | null = null;
  #children = 0;
  /** Requests that had to start their actor. */
  coldStarts = 0;

  constructor(options: SupervisionOptions) {
    this.#options = options;
    this.#tree = new Tree(
      supervisorSpec({ id: "node", maxRestarts: Number.POSITIVE_INFINITY, order: [...options.parts.keys()] }),
      Math.random,
    );
    this.#parts = new NodeParts(options.parts, this.#tree, (commands) => this.#run(commands));
    this.groups = new Groups(this.#tree, options.groups, (commands) => this.#run(commands));
  }

  /** Starts the node's parts in order. @throws what the part that failed threw; those started before are stopped */
  start(): Promise<void> {
    for (const [id, part] of this.#options.parts) {
      if (part === SERVICES) this.groups.open();
      else this.#run(this.#tree.addChild("node", partSpec(id), performance.now()));
    }
    return new Promise((resolve, reject) => {
      this.#started = { resolve, reject };
      this.#run(this.#tree.start(performance.now()));
    });
  }

  /** Stops everything in reverse order. */
  stop(): Promise<void> {
    return new Promise<void>((resolve) => {
      this.#ended = resolve;
      this.#run(this.#tree.stop(performance.now()));
      if (this.#tree.phaseOf("node") === "ended") resolve();
    });
  }

  /** Ends every actor at once: the drain's deadline has passed. */
  killServices(): void {
    this.#run(this.#tree.kill(SERVICES, performance.now()));
  }

  /** Puts a version under its group's supervision. No actor is started. */
  addPool(pool: Pool): void {
    const spec = poolSpec(pool);
    this.#pools.set(spec.id, pool);
    pool.service.pools.add(pool);
    this.#run(this.#tree.addSupervisor(pool.policy.supervisor, spec, poolAsChild(pool), performance.now()));
  }

  /** Starts a version's first actor. @throws supervisor_down, first_start_failed */
  async startFirst(pool: Pool): Promise<void> {
    const { supervisor } = pool.policy;
    if (!this.#tree.isRunning(pool.id)) {
      throw new FrenezuloError("supervisor_down", { supervisor }, { retryAfterSeconds: 1 });
    }
    const spec = this.#newActor(pool);
    const outcome = this.#trials.begin(spec.id);
    this.#run(this.#tree.startChild(pool.id, spec, performance.now()));
    return outcome;
  }

  /** Starts what is missing of a version's minimum. */
  ensureMinimum(pool: Pool): void {
    if (pool.service.pool !== pool || !this.#tree.isRunning(pool.id)) return;
    for (let missing = pool.lacking; missing > 0; missing--) this.#grow(pool, false);
  }

  /** A version was replaced: what its actors do until it is removed concerns neither its group nor the next version. */
  retirePool(pool: Pool): void {
    const { spec, asChild } = retiredPool(pool);
    this.#tree.changeSupervisor(spec);
    this.#tree.changeChild(asChild);
  }

  /** Stops a version's actors in order and forgets it. */
  async removePool(pool: Pool): Promise<void> {
    const { id } = pool;
    if (this.#tree.has(id)) {
      await new Promise<void>((resolve) => {
        this.#removals.set(id, resolve);
        this.#run(this.#tree.removeChild(id, performance.now()));
      });
    }
    this.#pools.delete(id);
    pool.service.pools.delete(pool);
    this.#options.onPoolGone(pool);
  }

  /** A picture of the tree; costs as much as there is. */
  view(): SupervisorView {
    return this.#tree.view();
  }

  // --- What became of actors (ActorOutcomes). ---

  started({ id, generation }: Actor): void {
    this.#trials.settle(id, null);
    this.#run(this.#tree.childStarted(id, generation, performance.now()));
  }

  startFailed({ id, generation }: Actor, why: string): void {
    this.#trials.settle(id, why);
    this.#run(this.#tree.childStartFailed(id, generation, why, performance.now()));
  }

  stopped(id: string, generation: number): void {
    this.#run(this.#tree.childStopped(id, generation, performance.now()));
  }

  exited({ id, generation }: Actor, exit: Exit): void {
    this.#run(this.#tree.childExited(id, generation, exit, performance.now()));
  }

  surplus({ id, pool }: Actor): void {
    this.#mayLack(pool);
    this.#run(this.#tree.removeChild(id, performance.now()));
  }

  displaced(actor: Actor): void {
    this.surplus(actor);
    this.stopped(actor.id, actor.generation);
  }

  wanted(pool: Pool): void {
    if (pool.service.pool !== pool) return;
    if (!this.#tree.isRunning(pool.id)) {
      // Its group comes back; its own supervisor, once it has ended by its restart type, does not. (Not in a handler.)
      const isOver = this.#tree.stateOf(pool.id) === "down" && this.#tree.isRunning(pool.policy.supervisor);
      if (isOver) setImmediate(() => this.#openBreaker(pool.service));
      return;
    }
    const decision = wantedActor(pool, performance.now());
    if (decision === "nothing") return;
    // Permit before start: one that would only wait for a carrier helps nobody, but the first must come.
    if (pool.staying > 0 && !this.#options.actors.hasRoomFor(pool)) return;
    if (pool.staying === 0) this.coldStarts++;
    this.#grow(pool, decision === "burst");
  }

  restock(): void {
    for (const pool of this.#lacking) {
      if (pool.service.pool === pool && pool.lacking > 0) {
        if (!this.#options.actors.hasRoomFor(pool)) continue;
        this.ensureMinimum(pool);
      }
      this.#lacking.delete(pool);
    }
  }

  grow(pool: Pool): void {
    const isFull = pool.staying >= pool.stayingMax;
    if (pool.service.pool === pool && !isFull && this.#tree.isRunning(pool.id)) this.#grow(pool, false);
  }

  // --- Carrying out commands. ---

  /**
   * In order, and one call's commands before those that follow from them: an answer may come while one is carried out.
   */
  #run(commands: readonly Command[]): void {
    this.#commands.push(...commands);
    if (this.#isRunning) return;
    this.#isRunning = true;
    for (let next = this.#commands.shift(); next !== undefined; next = this.#commands.shift()) this.#carryOut(next);
    this.#isRunning = false;
  }

  #carryOut(command: Command): void {
    switch (command.type) {
      case "start":
        if (this.#parts.has(command.id)) void this.#parts.start(command.id, command.generation);
        else void this.#options.actors.start(this.#pools.get(command.id) as Pool, command.id, command.generation);
        return;
      case "stop":
        if (this.#parts.has(command.id)) void this.#parts.stop(command.id, command.generation);
        else this.#options.actors.stop(command.id, command.generation);
        return;
      case "kill":
        this.#options.actors.kill(command.id, command.generation);
        return;
      case "arm":
        this.#timers.arm(command.id, command.token, command.atMs);
        return;
      case "disarm":
        this.#timers.disarm(command.token);
        return;
      case "report":
        this.#options.onReport(command.report);
        return;
      case "open_breaker":
        this.#openBreaker(this.#options.serviceOf(command.service));
        return;
      case "supervisor_started":
        if (command.id === "node") this.#started?.resolve();
        else {
          const pool = this.#pools.get(command.id);
          if (pool !== undefined) this.ensureMinimum(pool);
        }
        return;
      case "removed":
        this.#removed(command.id);
        return;
      case "ended":
        this.#started?.reject(this.#parts.failure);
        this.#ended?.();
    }
  }

  // --- Actors. ---

  #grow(pool: Pool, isBurst: boolean): void {
    this.#run(this.#tree.addChild(pool.id, this.#newActor(pool, isBurst), performance.now()));
  }

  #newActor(pool: Pool, isBurst = false): ChildSpec {
    const id = `${pool.id}/${++this.#children}`;
    this.#pools.set(id, pool);
    pool.children++;
    if (isBurst) pool.burstIds.add(id);
    return actorSpec(id, pool, isBurst);
  }

  #removed(id: string): void {
    const pool = this.#pools.get(id);
    if (pool !== undefined && id !== pool.id) {
      this.#pools.delete(id);
      pool.children--;
      pool.burstIds.delete(id);
      this.#trials.settle(id, "its supervisor was stopped");
    }
    this.#removals.get(id)?.();
    this.#removals.delete(id);
  }

  #mayLack(pool: Pool): void {
    if (pool.policy.scale.min > 0) this.#lacking.add(pool);
  }

  /** The service's supervisor gave up: nothing is tried until the breaker lets a probe through. */
  #openBreaker(service: Service | undefined): void {
    if (service === undefined) return;
    const nowMs = performance.now();
    service.breaker.trip(nowMs);
    this.#options.onBroken(service, cannotStart(service, nowMs));
  }
}
