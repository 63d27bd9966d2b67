// Carries out a tree's commands at once and writes down what was done: the workers of the supervisor tests.

import type { Command } from "../../../supervisors/commands.ts";
import { type ChildSpec, childSpec, type SupervisorSpec, supervisorSpec } from "../../../supervisors/spec.ts";
import { type SupervisorAsChild, Tree } from "../../../supervisors/tree.ts";
import type { ExitReason } from "../../../wire/exits.ts";

export class Stage {
  readonly tree: Tree;
  readonly root: string;
  now = 0;
  /** "start a", "stop a", "kill a" since the last `took`. */
  #acts: string[] = [];
  /** "supervisor context reason offender" of each report, and other news: "breaker s", "up s", "down s", … */
  readonly reports: string[] = [];
  readonly news: string[] = [];
  /** How many of a child's next starts fail. */
  readonly failing = new Map<string, number>();
  /** Children that do not answer a start or a stop. */
  readonly deaf = new Set<string>();
  readonly generations = new Map<string, number>();
  readonly #answers: (() => Command[])[] = [];
  #isAnswering = false;
  readonly timers = new Map<number, { readonly id: string; readonly atMs: number }>();

  constructor(root: Partial<SupervisorSpec> = {}) {
    const spec = supervisorSpec({ id: "root", ...root });
    this.root = spec.id;
    this.tree = new Tree(spec, () => 0);
  }

  supervisor(
    spec: Partial<SupervisorSpec> & { readonly id: string },
    asChild: SupervisorAsChild = {},
    parent = this.root,
  ): this {
    return this.do(this.tree.addSupervisor(parent, supervisorSpec(spec), asChild, this.now));
  }

  worker(spec: Partial<ChildSpec> & { readonly id: string }, parent = this.root): this {
    return this.do(this.tree.addChild(parent, childSpec(spec), this.now));
  }

  start(): this {
    return this.do(this.tree.start(this.now));
  }

  stop(): this {
    return this.do(this.tree.stop(this.now));
  }

  exit(id: string, reason: ExitReason = "trap"): this {
    return this.do(this.tree.childExited(id, this.generations.get(id)!, { reason, text: "test" }, this.now));
  }

  /** Time passes; timers fire in their order. */
  pass(ms: number): this {
    const until = this.now + ms;
    for (;;) {
      const due = [...this.timers].filter(([, { atMs }]) => atMs <= until).sort((a, b) => a[1].atMs - b[1].atMs)[0];
      if (due === undefined) break;
      const [token, { id, atMs }] = due;
      this.timers.delete(token);
      this.now = Math.max(this.now, atMs);
      this.do(this.tree.timer(id, token, this.now));
    }
    this.now = until;
    return this;
  }

  /** What was done since the last call. */
  took(): string[] {
    const acts = this.#acts;
    this.#acts = [];
    return acts;
  }

  do(commands: readonly Command[]): this {
    for (const command of commands) this.#carryOut(command);
    if (this.#isAnswering) return this;
    this.#isAnswering = true;
    for (let answer = this.#answers.shift(); answer !== undefined; answer = this.#answers.shift()) this.do(answer());
    this.#isAnswering = false;
    return this;
  }

  #carryOut(command: Command): void {
    const { tree, now } = this;
    switch (command.type) {
      case "start": {
        const { id, generation } = command;
        this.#acts.push(`start ${id}`);
        this.generations.set(id, generation);
        const failures = this.failing.get(id) ?? 0;
        if (this.deaf.has(id)) return;
        if (failures === 0) this.#answers.push(() => tree.childStarted(id, generation, now));
        else {
          this.failing.set(id, failures - 1);
          this.#answers.push(() => tree.childStartFailed(id, generation, "no luck", now));
        }
        return;
      }
      case "stop": {
        const { id, generation } = command;
        this.#acts.push(`stop ${id}`);
        if (!this.deaf.has(id)) this.#answers.push(() => tree.childStopped(id, generation, now));
        return;
      }
      case "kill": {
        const { id, generation } = command;
        this.#acts.push(`kill ${id}`);
        this.#answers.push(() => tree.childExited(id, generation, { reason: "killed", text: "" }, now));
        return;
      }
      case "arm":
        this.timers.set(command.token, command);
        return;
      case "disarm":
        this.timers.delete(command.token);
        return;
      case "report": {
        const { supervisor, context, reason, offender } = command.report;
        this.reports.push(`${supervisor} ${context} ${reason.reason} ${offender.id}`);
        return;
      }
      case "open_breaker":
        this.news.push(`breaker ${command.service}`);
        return;
      case "supervisor_started":
        this.news.push(`up ${command.id}`);
        return;
      case "supervisor_ended":
        this.news.push(`down ${command.id}`);
        return;
      case "removed":
        this.news.push(`removed ${command.id}`);
        return;
      case "ended":
        this.news.push(`ended ${command.exit.reason}`);
    }
  }
}
