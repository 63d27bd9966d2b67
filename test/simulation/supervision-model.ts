// What must be true of a supervision tree, checked from outside: from its commands and from what really runs.
import assert, { AssertionError } from "node:assert/strict";
import type { Command, Report } from "../../supervisors/commands.ts";
import type { ChildSpec, SupervisorSpec } from "../../supervisors/spec.ts";
import type { Tree } from "../../supervisors/tree.ts";
import type { Exit } from "../../wire/exits.ts";

/** A worker that was started and whose end has not been told to the tree. */
export interface Incarnation {
  readonly id: string;
  readonly generation: number;
  started: boolean;
  stopTold: boolean;
  killTold: boolean;
}

interface ModelSupervisor {
  spec: SupervisorSpec;
  readonly parent: string | null;
  /** In start order, workers and supervisors. */
  children: string[];
  /** Phase before the call whose commands are being read. */
  phase: string;
  /** Seconds of the restarts that count, by reading the reports. */
  restarts: number[];
  killed: boolean;
  /** Its settings were changed while it was at work: then no order is expected of what is under way. */
  changed: boolean;
}

interface ModelChild {
  readonly spec: ChildSpec;
  readonly parent: string;
  trial: boolean;
  removing: boolean;
  /** Temporary and started, or transient and ended normally: not to be started again before its supervisor is. */
  spent: boolean;
  /** Added while its supervisor was at work: then its place in the order counts from the next start on. */
  late: boolean;
  /** Whether its last incarnation had started when it ended. */
  endedStarted: boolean;
}

export class Model {
  readonly live = new Map<string, Incarnation>();
  readonly timers = new Map<number, { readonly id: string; readonly atMs: number }>();
  readonly supervisors = new Map<string, ModelSupervisor>();
  readonly children = new Map<string, ModelChild>();
  ended = false;
  readonly #tree: Tree;

  constructor(tree: Tree, root: SupervisorSpec) {
    this.#tree = tree;
    this.#declare(root, null);
  }

  addSupervisor(spec: SupervisorSpec, asChild: ChildSpec, parent: string): void {
    this.#declare(spec, parent);
    this.addChild(asChild, parent, false);
  }

  addChild(spec: ChildSpec, parent: string, trial: boolean): void {
    const sup = this.supervisors.get(parent)!;
    this.children.set(spec.id, {
      spec,
      parent,
      trial,
      removing: false,
      spent: false,
      late: sup.phase !== "ended",
      endedStarted: false,
    });
    sup.children.push(spec.id);
    sort(sup);
  }

  changeSupervisor(spec: SupervisorSpec): void {
    const sup = this.supervisors.get(spec.id)!;
    sup.spec = spec;
    sup.changed = true;
    sort(sup);
  }

  /** Reads the commands of one call, in order. */
  read(commands: readonly Command[], now: number): void {
    let due: "shutdown" | null = null;
    let dueBy = "";
    let breakers: string[] = [];
    for (const command of commands) {
      if (breakers.length > 0) {
        assert.ok(command.type === "open_breaker", `breakers of ${breakers} are not opened`);
        breakers = breakers.filter((service) => service !== command.service);
        continue;
      }
      if (due !== null) {
        assert.ok(
          command.type === "report" && command.report.context === due && command.report.supervisor === dueBy,
          `${dueBy} does not give up after one restart too many`,
        );
        due = null;
        breakers = this.#servicesBelow(dueBy);
        this.supervisors.get(dueBy)!.phase = "stopping";
        continue;
      }
      switch (command.type) {
        case "start":
          this.#start(command);
          break;
        case "stop":
          this.#stop(command);
          break;
        case "kill":
          this.#kill(command);
          break;
        case "arm":
          assert.ok(!this.timers.has(command.token), "a timer token is used twice");
          assert.ok(command.atMs >= now, "a timer is armed for the past");
          for (const { id } of this.timers.values()) assert.notEqual(id, command.id, "a child has two timers");
          this.timers.set(command.token, { id: command.id, atMs: command.atMs });
          break;
        case "disarm":
          assert.ok(this.timers.delete(command.token), "a timer is disarmed that is not armed");
          break;
        case "report":
          if (this.#counts(command.report, now)) {
            due = "shutdown";
            dueBy = command.report.supervisor;
          }
          break;
        case "open_breaker":
          assert.fail(`the breaker of ${command.service} opens for no reason`);
          break;
        case "supervisor_started": {
          const sup = this.supervisors.get(command.id)!;
          assert.notEqual(sup.phase, "running", `${command.id} starts twice`);
          sup.phase = "running";
          break;
        }
        case "supervisor_ended":
          this.#supervisorEnded(command.id);
          break;
        case "removed":
          this.#removed(command.id);
          break;
        case "ended":
          assert.ok(!this.ended, "the root ends twice");
          this.ended = true;
      }
    }
    assert.equal(due, null, "a supervisor does not give up after one restart too many");
    assert.equal(breakers.length, 0, "breakers are not opened");
    this.#check();
  }

  /** The end of an incarnation, before the tree is told. */
  exited(incarnation: Incarnation, exit: Exit): void {
    const child = this.children.get(incarnation.id)!;
    const isNormal = exit.reason === "normal" || exit.reason === "shutdown";
    const byItself = incarnation.started && !incarnation.stopTold && !incarnation.killTold;
    const strategy = this.supervisors.get(child.parent)!.spec.strategy;
    if (byItself && child.spec.restart === "transient" && isNormal && strategy === "one_for_one") child.spent = true;
    child.endedStarted = incarnation.started;
    this.live.delete(incarnation.id);
  }

  /** Nothing is scheduled and no timer is armed: then nothing may be half done. */
  checkAtRest(): void {
    for (const [id, child] of this.children) {
      const state = this.#tree.stateOf(id);
      assert.ok(state === "down" || state === "running", `${id} is ${state} for ever`);
      assert.ok(!child.removing, `${id} is never removed`);
    }
    for (const id of this.supervisors.keys()) {
      const phase = this.#tree.phaseOf(id);
      assert.ok(phase === "ended" || phase === "running", `${id} is ${phase} for ever`);
    }
    for (const incarnation of this.live.values()) assert.ok(incarnation.started, `${incarnation.id} is forgotten`);
  }

  checkAfterStop(): void {
    assert.ok(this.ended, "the root does not end");
    assert.equal(this.live.size, 0, "something runs after the end");
    assert.equal(this.timers.size, 0, "a timer is armed after the end");
    for (const id of this.supervisors.keys()) assert.equal(this.#tree.phaseOf(id), "ended");
  }

  #declare(spec: SupervisorSpec, parent: string | null): void {
    this.supervisors.set(spec.id, {
      spec,
      parent,
      children: [],
      phase: "ended",
      restarts: [],
      killed: false,
      changed: false,
    });
  }

  #start({ id, generation, child: spec }: Extract<Command, { type: "start" }>): void {
    assert.ok(!this.ended, `${id} is started after the end`);
    assert.ok(!this.live.has(id), `${id} is started while it runs`);
    const child = this.children.get(id);
    assert.ok(child !== undefined && child.spec === spec, `${id} is started but not known`);
    assert.ok(!child.removing, `${id} is started while it is being removed`);
    const { phase, changed } = this.supervisors.get(child.parent)!;
    const mayStart = !child.spent || (changed && spec.restart === "transient");
    assert.ok(mayStart, `${id} is ${spec.restart} and started again`);
    if (spec.restart === "temporary") child.spent = true;
    // As in OTP, a subtree whose turn to stop has not come yet goes on as before.
    assert.notEqual(phase, "stopping", `${id} is started while ${child.parent} is stopping`);
    this.live.set(id, { id, generation, started: false, stopTold: false, killTold: false });
  }

  #stop({ id, generation }: Extract<Command, { type: "stop" }>): void {
    const incarnation = this.#alive(id, generation, "stop");
    assert.ok(!incarnation.stopTold && !incarnation.killTold, `${id} is told to stop twice`);
    incarnation.stopTold = true;
    const { parent, removing } = this.children.get(id)!;
    const sup = this.supervisors.get(parent)!;
    if (sup.spec.dynamic || sup.changed || removing || this.#isKilled(parent)) return;
    for (const later of sup.children.slice(sup.children.indexOf(id) + 1)) {
      if (this.children.get(later)!.removing) continue;
      assert.ok(!this.#runsBelow(later), `${id} is stopped before ${later}, which was started after it`);
    }
  }

  #kill({ id, generation, child }: Extract<Command, { type: "kill" }>): void {
    const incarnation = this.#alive(id, generation, "kill");
    const { started, stopTold } = incarnation;
    const mayKill =
      stopTold || !started || child.shutdown === "brutal_kill" || this.#isKilled(this.children.get(id)!.parent);
    assert.ok(mayKill, `${id} is killed without having been asked to stop`);
    incarnation.killTold = true;
  }

  #alive(id: string, generation: number, what: string): Incarnation {
    const incarnation = this.live.get(id);
    assert.ok(
      incarnation !== undefined && incarnation.generation === generation,
      `${what} of ${id}, which does not run`,
    );
    return incarnation;
  }

  /** Counts a restart that a report tells of; true if it is one too many. */
  #counts({ supervisor, context, offender }: Report, now: number): boolean {
    const sup = this.supervisors.get(supervisor)!;
    assert.notEqual(context, "shutdown", `${supervisor} gives up without a reason`);
    const child = this.children.get(offender.id)!;
    if (offender.type === "worker" && context !== "shutdown_error") {
      assert.equal(child.endedStarted, context === "child_terminated", `${offender.id} did not end by ${context}`);
    }
    if (context === "shutdown_error" || offender.restart === "temporary" || sup.phase !== "running") return false;
    if (context === "start_error" && child.trial) return false;
    const second = Math.floor(now / 1000);
    sup.restarts = sup.restarts.filter((time) => second - time <= sup.spec.maxSeconds);
    sup.restarts.push(second);
    return sup.restarts.length > sup.spec.maxRestarts;
  }

  #supervisorEnded(id: string): void {
    const sup = this.supervisors.get(id)!;
    sup.phase = "ended";
    sup.restarts = [];
    sup.killed = false;
    for (const child of sup.children) {
      assert.ok(!this.#runsBelow(child), `${id} has ended but ${child} runs`);
      this.children.get(child)!.spent = false;
      this.children.get(child)!.late = false;
    }
  }

  #removed(id: string): void {
    const child = this.children.get(id);
    assert.ok(child !== undefined, `${id} is removed twice`);
    assert.ok(!this.live.has(id), `${id} is removed while it runs`);
    const sup = this.supervisors.get(child.parent);
    assert.ok(child.removing || child.trial || sup === undefined || sup.spec.dynamic || this.#isRemoving(child.parent));
    assert.equal(this.supervisors.get(id)?.children.length ?? 0, 0, `${id} is removed before what is below it`);
    this.children.delete(id);
    this.supervisors.delete(id);
    if (sup !== undefined) sup.children = sup.children.filter((other) => other !== id);
  }

  #isRemoving(id: string): boolean {
    const child = this.children.get(id);
    return child !== undefined && (child.removing || this.#isRemoving(child.parent));
  }

  #isKilled(id: string | null): boolean {
    if (id === null) return false;
    const sup = this.supervisors.get(id)!;
    return sup.killed || this.#isKilled(sup.parent);
  }

  #runsBelow(id: string): boolean {
    if (this.live.has(id)) return true;
    return this.supervisors.get(id)?.children.some((child) => this.#runsBelow(child)) ?? false;
  }

  #servicesBelow(id: string): string[] {
    const { spec, children } = this.supervisors.get(id)!;
    const below = children
      .filter((child) => this.supervisors.has(child))
      .flatMap((child) => this.#servicesBelow(child));
    return spec.service === null ? below : [spec.service, ...below];
  }

  /** After every event: the tree's states agree with what runs, and starts go one after the other. */
  #check(): void {
    // Not assert: its messages would be made a million times for nothing.
    for (const [id, sup] of this.supervisors) {
      const phase = this.#tree.phaseOf(id);
      if (phase === null) throw new AssertionError({ message: `${id} is lost` });
      sup.phase = phase;
      const oneByOne =
        !sup.spec.dynamic && !sup.changed && (phase === "starting" || sup.spec.strategy !== "one_for_one");
      let starting = 0;
      let waiting = 0;
      for (const childId of sup.children) {
        const state = this.#tree.stateOf(childId);
        const runs = state === "starting" || state === "running" || state === "stopping";
        const isWrong =
          state === null ||
          (!this.supervisors.has(childId) && this.live.has(childId) !== runs) ||
          (phase === "ended" && state !== "down") ||
          (phase === "stopping" && state === "waiting");
        if (isWrong) throw new AssertionError({ message: `${childId} is ${state} under ${id}, which is ${phase}` });
        if (!oneByOne) continue;
        if (state === "waiting" && !this.children.get(childId)!.late) waiting++;
        if (state !== "starting") continue;
        starting++;
        if (starting > 1 || (waiting > 0 && phase !== "stopping"))
          throw new AssertionError({ message: `${childId} is started before its turn` });
      }
    }
  }
}

function sort(sup: ModelSupervisor): void {
  const { order } = sup.spec;
  const rank = (id: string) => (order.includes(id) ? order.indexOf(id) : order.length);
  sup.children.sort((a, b) => rank(a) - rank(b));
}
