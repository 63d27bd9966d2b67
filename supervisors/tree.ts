// The supervision tree of a node: supervisors under supervisors, workers as leaves. Runs on the main thread; pure, so
// that it can be run for a million events under a virtual clock.
//
// A tree decides; it starts nothing itself. Every method takes the time (monotonic ms), changes the tree, and returns
// the commands that follow, to be carried out in order. commands.ts says what each command asks for and how it is
// answered. The rules are those of OTP 27's supervisor:
//
// - A supervisor starts its children in order, each when the one before has started, and stops them in reverse. A
//   dynamic one (simple_one_for_one) has no order: its children start at once and stop in parallel.
// - If a child cannot be started while its supervisor starts, those that were started are stopped in reverse and the
//   supervisor's own start has failed.
// - A child that ends by itself is restarted as its restart type says: permanent always, transient after an exit that
//   is neither normal nor shutdown, temporary never, not even when a sibling's end took it down. An ordered stop
//   (remove, stop) is not an exit. Under one_for_all and rest_for_one the affected siblings are stopped in reverse and
//   all are started in order; a transient sibling that had ended normally is started again with them.
// - More than maxRestarts restarts within maxSeconds, failed attempts included: the supervisor reports, opens the
//   breakers of all services below it, stops its children and ends with shutdown. To its own supervisor that is the
//   exit of a child: a permanent supervisor is restarted, a transient or temporary one is not.
// - A child that does not end within its shutdown time is killed; what ends otherwise than told is a shutdown_error.
// - auto_shutdown: the end of a significant child (any, or the last) ends the supervisor with shutdown.
//
// Beyond OTP: starting is asynchronous and has a time-out; a restart waits for the child's backoff, which begins anew
// when the child has run for maxSeconds; with minMs 0 it is OTP's. A supervisor that is not dynamic keeps every child
// that was added until it is removed, and starts them all when it is itself restarted. While a start, restart or stop
// of several children is under way, exits wait to be judged until it is done.
//
// Events may come late, twice, or for a child that is gone: each names the generation of the start it is about, and
// one that does not fit changes nothing. No event costs more than its supervisor's affected children; one_for_one:
// O(1).
import type { Exit } from "../wire/exits.ts";
import type { ChildState } from "./child.ts";
import type { Command } from "./commands.ts";
import {
  type ChildSpec,
  childProblem,
  childSpec,
  placementProblem,
  type SupervisorSpec,
  supervisorProblem,
} from "./spec.ts";
import {
  type Ambient,
  changeChild,
  changeSupervisor,
  newSupervisor,
  type Supervisor,
  type SupervisorCommand,
} from "./state.ts";
import { type SupervisorEvent, step } from "./supervisor.ts";
import { type SupervisorView, viewOf } from "./view.ts";

const stoppedAsTold: Exit = { reason: "shutdown", text: "stopped as ordered" };

/** Settings of a supervisor as the child of another; id and type are known. */
export type SupervisorAsChild = Partial<Omit<ChildSpec, "id" | "type">>;

interface Work {
  readonly sup: Supervisor;
  readonly event: SupervisorEvent;
}

export class Tree {
  readonly #root: Supervisor;
  readonly #ambient: Ambient;
  readonly #supervisors = new Map<string, Supervisor>();
  /** The supervisor of each child, by the child's id; the root has none. */
  readonly #owners = new Map<string, Supervisor>();

  /**
   * A tree of one supervisor that does not run yet.
   *
   * @param random gives numbers in [0, 1), for the jitter of backoffs
   * @throws RangeError if the settings are not acceptable
   */
  constructor(root: SupervisorSpec, random: () => number) {
    refuse(supervisorProblem(root));
    this.#root = newSupervisor(root);
    this.#supervisors.set(root.id, this.#root);
    this.#ambient = { now: 0, random, serial: 0 };
  }

  /** Starts the root and all below it. The root's `supervisor_started` comes last; `ended` if it could not start. */
  start(now: number): Command[] {
    return this.#run(this.#root, { type: "start" }, now);
  }

  /** Stops everything in reverse order. `ended` comes last; nothing comes if the root does not run. */
  stop(now: number): Command[] {
    return this.#run(this.#root, { type: "stop" }, now);
  }

  /**
   * Kills a worker, or a supervisor with all below it at once. To its supervisor that is an exit, unless it was being
   * stopped: so a drain's deadline cuts short the stop of a subtree, and the stop goes on in order after it.
   */
  kill(id: string, now: number): Command[] {
    const sup = this.#supervisors.get(id);
    if (sup !== undefined) return this.#run(sup, { type: "kill" }, now);
    const child = this.#owners.get(id)?.children.get(id);
    const isAlive = child !== undefined && ["starting", "running", "stopping"].includes(child.state);
    return isAlive ? [{ type: "kill", id, generation: child.generation, child: child.spec }] : [];
  }

  /**
   * Adds a supervisor below another; it starts at once if that one runs.
   *
   * @throws RangeError if the settings are not acceptable, the id is taken, or the parent cannot have it
   */
  addSupervisor(parentId: string, spec: SupervisorSpec, asChild: SupervisorAsChild, now: number): Command[] {
    refuse(supervisorProblem(spec));
    const child = childSpec({ ...asChild, id: spec.id, type: "supervisor" });
    const parent = this.#newParent(parentId, child);
    this.#supervisors.set(spec.id, newSupervisor(spec));
    return this.#add(parent, child, false, now);
  }

  /**
   * Adds a worker; it starts at once if its supervisor runs, and is supervised from then on: a first start that fails
   * counts and is tried again (a temporary one is not).
   *
   * @throws RangeError as addSupervisor; also if the supervisor is dynamic and does not run (see isRunning)
   */
  addChild(parentId: string, spec: ChildSpec, now: number): Command[] {
    refuse(spec.type === "worker" ? null : `child ${spec.id} is a supervisor: use addSupervisor`);
    return this.#add(this.#newParent(parentId, spec), spec, false, now);
  }

  /**
   * As addChild, but as OTP's start_child: if the first start fails the child is forgotten (`start_error` report, then
   * `removed`), nothing is counted and no sibling is touched. For the first instance of a new version.
   */
  startChild(parentId: string, spec: ChildSpec, now: number): Command[] {
    refuse(spec.type === "worker" ? null : `child ${spec.id} is a supervisor: use addSupervisor`);
    return this.#add(this.#newParent(parentId, spec), spec, true, now);
  }

  /** Stops a child, a supervisor with all below it, and forgets it: `removed` comes when it has ended. */
  removeChild(id: string, now: number): Command[] {
    const owner = this.#owners.get(id);
    return owner === undefined ? [] : this.#run(owner, { type: "remove", id }, now);
  }

  /**
   * Changes a supervisor's settings while it runs; nothing is stopped or started, and what is under way goes on.
   *
   * @throws RangeError if there is no such supervisor, or the settings do not fit it or its children
   */
  changeSupervisor(spec: SupervisorSpec): void {
    refuse(supervisorProblem(spec));
    const sup = this.#supervisor(spec.id);
    refuse(sup.spec.dynamic === spec.dynamic ? null : `supervisor ${spec.id} cannot change whether it is dynamic`);
    for (const child of sup.children.values()) refuse(placementProblem(child.spec, spec));
    changeSupervisor(sup, spec);
  }

  /**
   * As changeSupervisor, for a child (a worker, or a supervisor as the child of another): holds from its next event on.
   */
  changeChild(spec: ChildSpec): void {
    refuse(childProblem(spec));
    const owner = this.#owners.get(spec.id);
    const child = owner?.children.get(spec.id);
    if (owner === undefined || child === undefined) throw new RangeError(`there is no child ${spec.id}`);
    refuse(spec.type === child.spec.type ? null : `child ${spec.id} cannot change its type`);
    refuse(placementProblem(spec, owner.spec));
    changeChild(owner, child, spec);
  }

  childStarted(id: string, generation: number, now: number): Command[] {
    return this.#tell({ type: "child_started", id, generation }, now);
  }

  childStartFailed(id: string, generation: number, text: string, now: number): Command[] {
    return this.#tell({ type: "child_start_failed", id, generation, text }, now);
  }

  /** The child ended, by itself or not. */
  childExited(id: string, generation: number, exit: Exit, now: number): Command[] {
    return this.#tell({ type: "child_exited", id, generation, exit }, now);
  }

  /** The child ended as it was told to. */
  childStopped(id: string, generation: number, now: number): Command[] {
    return this.#tell({ type: "child_exited", id, generation, exit: stoppedAsTold }, now);
  }

  /** An armed timer is due. */
  timer(id: string, token: number, now: number): Command[] {
    return this.#tell({ type: "timer", id, token }, now);
  }

  /** True for a supervisor that has started all its children and is not stopping, and for a worker that runs. */
  isRunning(id: string): boolean {
    return (this.phaseOf(id) ?? this.stateOf(id)) === "running";
  }

  has(id: string): boolean {
    return this.#supervisors.has(id) || this.#owners.has(id);
  }

  /** The child's state as its supervisor sees it (child.ts); null for the root and for unknown ids. */
  stateOf(id: string): ChildState | null {
    return this.#owners.get(id)?.children.get(id)?.state ?? null;
  }

  /** What a supervisor is doing; null if there is none of that id. */
  phaseOf(id: string): Supervisor["phase"] | null {
    return this.#supervisors.get(id)?.phase ?? null;
  }

  /** A picture of a supervisor and all below it; costs as much as there is. @throws RangeError if there is none */
  view(id: string = this.#root.spec.id): SupervisorView {
    return viewOf(this.#supervisor(id), this.#supervisors);
  }

  #supervisor(id: string): Supervisor {
    const sup = this.#supervisors.get(id);
    if (sup === undefined) throw new RangeError(`there is no supervisor ${id}`);
    return sup;
  }

  #newParent(parentId: string, child: ChildSpec): Supervisor {
    refuse(childProblem(child));
    const parent = this.#supervisor(parentId);
    refuse(this.has(child.id) ? `the id ${child.id} is taken` : null);
    refuse(placementProblem(child, parent.spec));
    refuse(
      parent.spec.dynamic && parent.phase !== "running"
        ? `supervisor ${parentId} is dynamic and does not run; it takes children once it does`
        : null,
    );
    return parent;
  }

  #add(parent: Supervisor, spec: ChildSpec, trial: boolean, now: number): Command[] {
    this.#owners.set(spec.id, parent);
    return this.#run(parent, { type: "add", spec, trial }, now);
  }

  #tell(event: Extract<SupervisorEvent, { readonly id: string }>, now: number): Command[] {
    const owner = this.#owners.get(event.id);
    return owner === undefined ? [] : this.#run(owner, event, now);
  }

  /** Steps a supervisor, and then those above and below it that its commands concern, until nothing is left to do. */
  #run(sup: Supervisor, event: SupervisorEvent, now: number): Command[] {
    this.#ambient.now = now;
    const commands: Command[] = [];
    const emitted: SupervisorCommand[] = [];
    const work: Work[] = [{ sup, event }];
    for (let index = 0; index < work.length; index++) {
      const next = work[index]!;
      step(next.sup, next.event, this.#ambient, emitted);
      for (const command of emitted) this.#route(command, work, commands);
      emitted.length = 0;
    }
    return commands;
  }

  #route(command: SupervisorCommand, work: Work[], commands: Command[]): void {
    switch (command.type) {
      case "start":
      case "stop":
      case "kill":
        if (command.child.type === "worker") commands.push(command);
        else work.push({ sup: this.#supervisor(command.id), event: { type: command.type } });
        return;
      case "supervisor_started": {
        commands.push(command);
        const above = this.#above(command.id);
        if (above !== null) {
          work.push({
            sup: above.owner,
            event: { type: "child_started", id: command.id, generation: above.generation },
          });
        }
        return;
      }
      case "supervisor_start_failed": {
        const { id, text } = command;
        const exit: Exit = { reason: "start_failed", text };
        commands.push({ type: "supervisor_ended", id, exit });
        const above = this.#above(id);
        if (above === null) commands.push({ type: "ended", exit });
        else
          work.push({
            sup: above.owner,
            event: { type: "child_start_failed", id, generation: above.generation, text },
          });
        return;
      }
      case "supervisor_ended": {
        commands.push(command);
        const { id, exit } = command;
        const above = this.#above(id);
        if (above === null) commands.push({ type: "ended", exit });
        else work.push({ sup: above.owner, event: { type: "child_exited", id, generation: above.generation, exit } });
        return;
      }
      case "gave_up":
        this.#openBreakers(this.#supervisor(command.id), commands);
        return;
      case "removed":
        this.#forget(command.id, commands);
        return;
      default:
        commands.push(command);
    }
  }

  /** The supervisor of a supervisor, and the generation it knows it by; null for the root. */
  #above(id: string): { owner: Supervisor; generation: number } | null {
    const owner = this.#owners.get(id);
    return owner === undefined ? null : { owner, generation: owner.children.get(id)!.generation };
  }

  #openBreakers(sup: Supervisor, commands: Command[]): void {
    if (sup.spec.service !== null) commands.push({ type: "open_breaker", service: sup.spec.service });
    for (const { spec } of sup.children.values()) {
      if (spec.type === "supervisor") this.#openBreakers(this.#supervisor(spec.id), commands);
    }
  }

  /** Forgets a child that its supervisor has forgotten, and what was below it, leaves first. */
  #forget(id: string, commands: Command[]): void {
    const sup = this.#supervisors.get(id);
    if (sup !== undefined) for (const below of sup.children.keys()) this.#forget(below, commands);
    this.#supervisors.delete(id);
    this.#owners.delete(id);
    commands.push({ type: "removed", id });
  }
}

function refuse(problem: string | null): void {
  if (problem !== null) throw new RangeError(problem);
}
