// One random history of a supervision tree under a virtual clock: start failures, crashes, hangs, kills, late and
// doubled messages, children that come and go, drain. model.ts checks every step.

import type { Command } from "../../supervisors/commands.ts";
import { type ChildSpec, childSpec, type SupervisorSpec, supervisorSpec } from "../../supervisors/spec.ts";
import { Tree } from "../../supervisors/tree.ts";
import type { Exit, ExitReason } from "../../wire/exits.ts";
import { Random } from "../harness/random.ts";
import { type Incarnation, Model } from "./supervision-model.ts";

/** Something that will happen to a worker. `timer`: the tree is told although the timer was disarmed. */
interface Scheduled {
  readonly atMs: number;
  readonly what: "started" | "start_failed" | "exited" | "timer";
  readonly id: string;
  /** Generation, or token of the timer. */
  readonly number: number;
  readonly exit: Exit;
}

const crashes: readonly ExitReason[] = ["trap", "deadline", "killed", "memory", "normal", "shutdown"];
const normal: Exit = { reason: "normal", text: "" };
/** A tree that is never at rest would be a fault too. */
const stepsMax = 5000;

/** Runs the history of a seed; returns how many events it had. @throws AssertionError */
export function runHistory(seed: number): number {
  return new History(seed).run();
}

class History {
  readonly #random: Random;
  readonly #tree: Tree;
  readonly #model: Model;
  #scheduled: Scheduled[] = [];
  #now: number;
  #names = 0;
  #events = 0;
  /** Nothing new goes wrong: then the tree must come to rest. */
  #calm = false;
  readonly #crashiness: number;
  readonly #backoffMs: number;

  constructor(seed: number) {
    this.#random = new Random(seed);
    this.#now = this.#random.below(5000);
    this.#crashiness = this.#random.pick([0.02, 0.1, 0.4]);
    this.#backoffMs = this.#random.pick([0, 0, 10, 300]);
    let root = this.#supervisorSpec("root", false);
    // Mostly a root that lasts: when it ends the history is over.
    if (this.#random.chance(0.8)) root = { ...root, maxRestarts: 99, autoShutdown: "never" };
    this.#tree = new Tree(root, this.#random.next);
    this.#model = new Model(this.#tree, root);
  }

  run(): number {
    const random = this.#random;
    for (let groups = 1 + random.below(3); groups > 0; groups--) this.#addSupervisor();
    for (let workers = random.below(3); workers > 0; workers--) this.#addWorker();
    this.#tell(this.#tree.start(this.#now));
    if (random.chance(0.8)) this.#startUp();
    for (let actions = 50 + random.below(100); actions > 0 && !this.#model.ended; actions--) {
      this.#act();
      for (let steps = random.below(4); steps > 0; steps--) this.#step();
    }
    if (random.chance(0.5)) {
      this.#calm = true;
      while (this.#step());
      this.#model.checkAtRest();
      this.#calm = false;
    }
    if (!this.#model.ended) {
      this.#tell(this.#tree.stop(this.#now));
      if (random.chance(0.3)) {
        this.#step();
        this.#kill(random.pick([...this.#model.supervisors.keys()]));
      }
    }
    while (this.#step());
    this.#model.checkAfterStop();
    return this.#events;
  }

  /** Nothing goes wrong until the root runs. */
  #startUp(): void {
    this.#calm = true;
    while (this.#tree.phaseOf("root") === "starting" && this.#step());
    this.#calm = false;
  }

  #act(): void {
    const dice = this.#random.next();
    if (dice < 0.25) this.#addWorker();
    else if (dice < 0.3) this.#addSupervisor();
    else if (dice < 0.4) this.#remove();
    else if (dice < 0.42) this.#kill(this.#random.pick([...this.#model.supervisors.keys()]));
    else if (dice < 0.45) this.#change();
    else if (dice < 0.55) this.#pass(this.#random.pick([0, 1, 100, 1000, 6000]));
    else this.#crash();
  }

  /** Time passes, and what is due in it happens. */
  #pass(ms: number): void {
    const until = this.#now + ms;
    while (this.#nextAt() <= until && this.#step());
    this.#now = Math.max(this.#now, until);
  }

  #addWorker(): void {
    const parents = [...this.#model.supervisors.values()].filter(
      ({ spec }) => !spec.dynamic || this.#tree.isRunning(spec.id),
    );
    if (parents.length === 0 || this.#model.children.size > 16) return;
    const { spec } = this.#random.pick(parents);
    const child = this.#childSpec(`w${this.#names++}`, spec);
    const trial = this.#random.chance(0.2);
    this.#model.addChild(child, spec.id, trial);
    this.#tell(
      trial ? this.#tree.startChild(spec.id, child, this.#now) : this.#tree.addChild(spec.id, child, this.#now),
    );
  }

  #addSupervisor(): void {
    const parents = [...this.#model.supervisors.values()].filter(({ spec }) => !spec.dynamic);
    if (this.#model.supervisors.size > 6) return;
    const { spec: above } = this.#random.pick(parents);
    const spec = this.#supervisorSpec(`s${this.#names++}`, this.#random.chance(0.5));
    const { restart, significant, backoff } = this.#childSpec(spec.id, above);
    const asChild = { restart, significant, backoff, shutdown: this.#random.pick([Number.POSITIVE_INFINITY, 500]) };
    this.#model.addSupervisor(spec, childSpec({ ...asChild, id: spec.id, type: "supervisor" }), above.id);
    this.#tell(this.#tree.addSupervisor(above.id, spec, asChild, this.#now));
  }

  #remove(): void {
    const ids = [...this.#model.children.keys()];
    if (ids.length === 0) return;
    const id = this.#random.pick(ids);
    this.#model.children.get(id)!.removing = true;
    this.#tell(this.#tree.removeChild(id, this.#now));
  }

  #kill(id: string): void {
    const sup = this.#model.supervisors.get(id)!;
    if (this.#tree.phaseOf(id) !== "ended") sup.killed = true;
    this.#tell(this.#tree.kill(id, this.#now));
  }

  #change(): void {
    if (this.#random.chance(0.7)) return;
    const { spec } = this.#random.pick([...this.#model.supervisors.values()]);
    const { strategy, maxRestarts, maxSeconds, order } = this.#supervisorSpec(spec.id, spec.dynamic);
    const changed = { ...spec, strategy, maxSeconds, order, maxRestarts: spec.maxRestarts === 99 ? 99 : maxRestarts };
    this.#tree.changeSupervisor(changed);
    this.#model.changeSupervisor(changed);
  }

  #crash(): void {
    for (const incarnation of this.#model.live.values()) {
      if (incarnation.started && !incarnation.stopTold && this.#random.chance(this.#crashiness)) {
        this.#exit(incarnation, { reason: this.#random.pick(crashes), text: "" });
        return;
      }
    }
  }

  #supervisorSpec(id: string, dynamic: boolean): SupervisorSpec {
    const random = this.#random;
    return supervisorSpec({
      id,
      dynamic,
      strategy: dynamic ? "one_for_one" : random.pick(["one_for_one", "one_for_all", "rest_for_one"]),
      maxRestarts: random.pick([0, 1, 2, 3, 5]),
      maxSeconds: random.pick([1, 2, 5]),
      autoShutdown: random.pick(["never", "never", "any_significant", "all_significant"]),
      order: dynamic || random.chance(0.8) ? [] : ["w5", "w4", "w7", "s8", "w3"],
      service: dynamic ? id : null,
    });
  }

  #childSpec(id: string, above: SupervisorSpec): ChildSpec {
    const random = this.#random;
    const restart = random.pick(["permanent", "permanent", "transient", "temporary"] as const);
    return childSpec({
      id,
      restart,
      significant: restart !== "permanent" && above.autoShutdown !== "never" && random.chance(0.5),
      shutdown: random.pick(["brutal_kill", 0, 50, 5000, Number.POSITIVE_INFINITY]),
      startTimeoutMs: random.pick([20, 1000]),
      backoff: { minMs: this.#backoffMs, maxMs: 1000, factor: 2, jitter: 0.5 },
    });
  }

  /** Carries out what a call asked for. */
  #tell(commands: readonly Command[]): void {
    this.#events++;
    this.#model.read(commands, this.#now);
    for (const command of commands) {
      if (command.type === "start") this.#started(command.id, command.generation);
      else if (command.type === "stop") this.#stopped(command.id, command.generation, command.shutdownMs);
      else if (command.type === "kill") this.#later(20, "exited", command.id, command.generation, "killed");
      else if (command.type === "disarm" && this.#random.chance(0.1)) {
        this.#later(100, "timer", command.id, command.token);
      }
    }
  }

  #started(id: string, generation: number): void {
    const dice = this.#random.next();
    if (this.#calm) this.#later(10, "started", id, generation);
    else if (dice < 0.8) this.#later(30, "started", id, generation);
    else if (dice < 0.9) this.#later(30, "start_failed", id, generation);
    else if (dice < 0.95) this.#later(30, "exited", id, generation, "trap");
    // else it hangs until its start has timed out
  }

  #stopped(id: string, generation: number, shutdownMs: number): void {
    const dice = this.#random.next();
    if (dice < 0.7 || shutdownMs === Number.POSITIVE_INFINITY) this.#later(200, "exited", id, generation, "shutdown");
    else if (dice < 0.8) this.#later(200, "exited", id, generation, "trap");
    // else it hangs until it is killed
  }

  #later(withinMs: number, what: Scheduled["what"], id: string, number: number, reason: ExitReason = "normal"): void {
    const atMs = this.#now + this.#random.below(withinMs);
    this.#scheduled.push({ atMs, what, id, number, exit: { reason, text: "" } });
  }

  #nextAt(): number {
    let at = Number.POSITIVE_INFINITY;
    for (const { atMs } of this.#scheduled) if (atMs < at) at = atMs;
    for (const { atMs } of this.#model.timers.values()) if (atMs < at) at = atMs;
    return at;
  }

  /** The next thing that is due happens; false if nothing ever will. */
  #step(): boolean {
    if (this.#events > stepsMax) throw new Error(`the tree is not at rest after ${stepsMax} events`);
    let next = -1;
    let at = Number.POSITIVE_INFINITY;
    for (let index = 0; index < this.#scheduled.length; index++) {
      if (this.#scheduled[index]!.atMs < at) {
        next = index;
        at = this.#scheduled[index]!.atMs;
      }
    }
    let token = 0;
    for (const [armed, timer] of this.#model.timers) {
      if (timer.atMs < at) {
        token = armed;
        at = timer.atMs;
      }
    }
    if (at === Number.POSITIVE_INFINITY) return false;
    this.#now = Math.max(this.#now, at);
    if (token !== 0) {
      const { id } = this.#model.timers.get(token)!;
      this.#model.timers.delete(token);
      const sup = this.#model.supervisors.get(id);
      if (sup !== undefined && this.#tree.stateOf(id) === "stopping") sup.killed = true;
      this.#tell(this.#tree.timer(id, token, this.#now));
    } else {
      const happening = this.#scheduled[next]!;
      this.#scheduled[next] = this.#scheduled.at(-1)!;
      this.#scheduled.pop();
      this.#happen(happening);
    }
    return true;
  }

  #happen({ what, id, number, exit }: Scheduled): void {
    if (what === "timer") {
      this.#tell(this.#tree.timer(id, number, this.#now));
      return;
    }
    const live = this.#model.live.get(id);
    const incarnation = live?.generation === number ? live : undefined;
    if (what === "started") {
      if (incarnation !== undefined) {
        // One that was told to stop has started too late: the tree takes no notice.
        const isInTime = !incarnation.stopTold && !incarnation.killTold;
        incarnation.started ||= isInTime;
        if (isInTime) this.#model.children.get(id)!.trial = false;
      }
      this.#tell(this.#tree.childStarted(id, number, this.#now));
    } else if (incarnation !== undefined) {
      if (what === "exited") this.#exit(incarnation, exit);
      else {
        this.#model.exited(incarnation, exit);
        this.#tell(this.#tree.childStartFailed(id, number, "no", this.#now));
      }
    } else {
      // Its end was told already: this is the same news once more, late.
      this.#tell(this.#tree.childExited(id, number, exit, this.#now));
    }
    if (this.#random.chance(0.1)) this.#later(1000, what, id, number);
  }

  #exit(incarnation: Incarnation, exit: Exit): void {
    const { id, generation } = incarnation;
    this.#model.exited(incarnation, exit);
    this.#tell(this.#tree.childExited(id, generation, exit, this.#now));
    if (this.#random.chance(0.1))
      this.#scheduled.push({ atMs: this.#now, what: "exited", id, number: generation, exit: normal });
  }
}
