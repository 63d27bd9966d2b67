// Whose turn it is in a carrier: processes that can run take turns, and those that wait are found when something came.

import type { Exit } from "../../wire/exits.ts";
import type { Host } from "../abi/host.ts";
import type { Task } from "./task.ts";
import { Timers } from "./timers.ts";

/** Whom the scheduler tells. */
export interface SchedulerEvents {
  /** A task has returned, trapped or must end. */
  onEnd(task: Task, exit: Exit): void;
  /** A task is about to have a turn. */
  onTurn(task: Task): void;
  /** After a turn another process runs than before: nothing of the carrier can be trusted. */
  onMismatch(): void;
}

export class Scheduler {
  readonly timers = new Timers();
  readonly #host: Host;
  readonly #events: SchedulerEvents;
  /** Round robin: two lists, so that taking the first costs nothing. */
  #now: Task[] = [];
  #next = 0;
  #later: Task[] = [];

  constructor(host: Host, events: SchedulerEvents) {
    this.#host = host;
    this.#events = events;
  }

  /** True if a process can run now. */
  get hasReady(): boolean {
    return this.#next < this.#now.length || this.#later.length > 0;
  }

  /** True if a process of another environment can run now. Costs as much as there are ready ones. */
  hasReadyBeside(environment: number): boolean {
    const isOther = ({ state, process }: Task): boolean => state === "ready" && process.environment !== environment;
    return this.#later.some(isOther) || this.#now.slice(this.#next).some(isOther);
  }

  /** True if the next one blocks its thread when it waits. */
  get nextIsPlain(): boolean {
    const next = this.#now[this.#next] ?? this.#later[0];
    return next !== undefined && !next.pool.module.info.light;
  }

  /** The time at which a timer is due; Infinity: none. performance.now() */
  get nextMs(): number {
    return this.timers.nextMs;
  }

  /** How long nothing is due. ms */
  get idleMs(): number {
    const { nextMs } = this.timers;
    return nextMs === Number.POSITIVE_INFINITY ? nextMs : Math.max(0, nextMs - performance.now());
  }

  add(task: Task): void {
    this.#later.push(task);
  }

  /** Something came for a process that may wait for it. */
  poke(task: Task): void {
    const waiting = task.process.waiting;
    if (task.state !== "waiting" || waiting === null) return;
    const value = waiting.ready();
    if (value === undefined) return;
    task.process.waitedFor = value;
    this.#resume(task);
  }

  /** Gives one process its turn. False if none can run. */
  runOne(): boolean {
    const task = this.#take();
    if (task === undefined) return false;
    this.run(task);
    return true;
  }

  /** Gives a process its turn now. */
  run(task: Task): void {
    const { running } = this.#host; // one that blocks the thread meanwhile
    task.state = "running";
    this.#events.onTurn(task);
    const beganMs = task.request === null ? 0 : performance.now();
    const exit = task.run(this.#host);
    if (this.#host.running !== running) this.#events.onMismatch();
    if (task.request !== null) task.ranMs += performance.now() - beganMs;
    if (exit !== null) this.#events.onEnd(task, exit);
    else if (task.process.dying !== null) this.#events.onEnd(task, task.process.dying);
    else this.#suspend(task);
  }

  /** Forgets what a task that has ended was waiting for. */
  forget(task: Task): void {
    task.state = "ended";
    if (task.timer !== 0) this.timers.cancel(task.timer);
    task.timer = 0;
  }

  #suspend(task: Task): void {
    const waiting = task.process.waiting;
    if (waiting === null) {
      task.state = "ready"; // it has used its turn
      this.#later.push(task);
      return;
    }
    task.state = "waiting";
    if (waiting.untilMs < Number.POSITIVE_INFINITY) {
      task.timer = this.timers.add(waiting.untilMs, () => {
        task.timer = 0;
        this.#resume(task);
      });
    }
  }

  #resume(task: Task): void {
    if (task.timer !== 0) this.timers.cancel(task.timer);
    task.timer = 0;
    task.state = "ready";
    this.#later.push(task);
  }

  #take(): Task | undefined {
    for (;;) {
      if (this.#next >= this.#now.length) {
        if (this.#later.length === 0) return undefined;
        const empty = this.#now;
        empty.length = 0;
        this.#now = this.#later;
        this.#later = empty;
        this.#next = 0;
      }
      const task = this.#now[this.#next++] as Task;
      if (task.state === "ready") return task;
    }
  }
}
