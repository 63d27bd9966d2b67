// A process with its guest code, as a carrier runs it: instance, calls still to make, and the stack while it waits.

import type { Exit } from "../../wire/exits.ts";
import type { Guest } from "../../wire/specs.ts";
import { NORMAL_EXIT, trapExit } from "../abi/guest-exit.ts";
import { type Host, SLICE } from "../abi/host.ts";
import { type EntryCall, entryCall } from "../instances/entry.ts";
import type { GuestInstance } from "../instances/instance.ts";
import type { InstancePool } from "../instances/pool.ts";
import type { Environment } from "../processes/environment.ts";
import type { Process } from "../processes/process.ts";

/**
 * ready: it can run; running: its frames are on the thread's stack (a plain one may be blocked there); waiting: in a
 * host call, its stack unwound; ended.
 */
export type TaskState = "ready" | "running" | "waiting" | "ended";

/** It was unwound beyond the end of the guest's memory. */
const STACK_TOO_DEEP: Exit = { reason: "trap", text: "its stack is too deep to wait with" };

export interface TaskOptions {
  readonly process: Process;
  readonly environment: Environment;
  readonly guest: Guest;
  readonly pool: InstancePool;
  readonly entry: EntryCall;
  /** Reductions it may use in all; Infinity: no limit. */
  readonly fuel: number;
  /** True if its end must be told to the main thread, whatever it is. */
  readonly isReported: boolean;
  readonly request?: TaskRequest | null;
}

/** The request of a light actor that a process is for. */
export interface TaskRequest {
  readonly seq: number;
  readonly actorPid: number;
  readonly replyPid: number;
}

const PAGE_BYTES = 65_536;

export class Task {
  readonly process: Process;
  readonly environment: Environment;
  readonly guest: Guest;
  readonly pool: InstancePool;
  readonly isReported: boolean;
  readonly request: TaskRequest | null;
  state: TaskState = "ready";
  /** Time that it has run, of a request. ms */
  ranMs = 0;
  instance: GuestInstance | null = null;
  /** Pages of its memory that its environment knows of. */
  pages: number;
  /** The timer that ends its wait; 0: none. */
  timer = 0;
  #fuel: number;
  readonly #entry: EntryCall;
  #calls: (() => void)[] = [];
  #hasBegun = false;

  constructor(options: TaskOptions) {
    this.process = options.process;
    this.environment = options.environment;
    this.guest = options.guest;
    this.pool = options.pool;
    this.isReported = options.isReported;
    this.request = options.request ?? null;
    this.pages = options.pool.pages;
    this.#fuel = options.fuel;
    this.#entry = options.entry;
  }

  /**
   * Runs it until it ends, waits or has used its turn.
   * @returns how it ended, or null if it goes on later
   */
  run(host: Host): Exit | null {
    return host.runAs(this.process, this.instance, this.guest, () => this.#run(host));
  }

  #run(host: Host): Exit | null {
    const { process } = this;
    try {
      if (!this.#hasBegun) this.#begin(host);
      const stack = this.instance?.stack ?? null;
      if (stack === null) for (const call of this.#calls) call();
      else if (!this.#runLight(stack)) return null;
      return process.dying ?? NORMAL_EXIT;
    } catch (thrown) {
      const isTooDeep = this.instance?.stack?.state === "unwinding";
      const exit = process.dying ?? (isTooDeep ? STACK_TOO_DEEP : trapExit(thrown));
      return exit.reason === "trap" && this.instance?.isNearMemoryLimit ? { ...exit, reason: "memory" } : exit;
    }
  }

  /** Its instance and the calls it has to make. @throws what V8 or a start section does */
  #begin(host: Host): void {
    this.#hasBegun = true;
    const instance = this.instance ?? this.pool.take();
    this.instance = instance;
    host.instance = instance;
    const call = entryCall(instance.exports, this.#entry);
    const entry = instance.exports[this.#entry.name];
    this.#calls = [...instance.startCalls.filter((each) => each !== entry), call];
  }

  /** False if its stack has been unwound. */
  #runLight(stack: NonNullable<GuestInstance["stack"]>): boolean {
    const instance = this.instance as GuestInstance;
    const slice = Math.min(SLICE, this.#fuel);
    stack.reductions = slice;
    this.process.fuelLeft = this.#fuel - slice;
    if (stack.isKept) stack.beginRewind(instance.memoryWords);
    for (let call = this.#calls[0]; call !== undefined; call = this.#calls[0]) {
      this.process.isStarting = this.#calls.length > 1;
      call();
      if (stack.state === "unwinding") {
        const before = stack.heldBytes;
        stack.endUnwind(instance.memoryWords);
        if (stack.heldBytes > before) this.process.keep(stack.heldBytes - before);
        if (this.#fuel < Number.POSITIVE_INFINITY) this.#fuel = this.process.fuelLeft + Math.max(0, stack.reductions);
        this.#measure(instance);
        return false;
      }
      this.#calls.shift();
    }
    return true;
  }

  /** Tells its environment by what its memory has grown in this turn. */
  #measure(instance: GuestInstance): void {
    if (this.request !== null || instance.memory == null) return;
    const pages = instance.memory.buffer.byteLength / PAGE_BYTES;
    if (pages === this.pages) return;
    const fits = this.environment.grow(pages - this.pages);
    this.pages = pages;
    if (!fits) this.process.dying ??= { reason: "memory", text: this.environment.limitText };
  }
}
