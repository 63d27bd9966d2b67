// What a carrier does while its guests wait: it reads what has come, runs what is due, and lets others go on.

import type { Bell } from "../../wire/bell.ts";
import type { Mesh } from "../../wire/mesh.ts";
import type { SignalHandler } from "../../wire/mesh-peer.ts";
import type { Process } from "../processes/process.ts";
import type { Asking } from "./asking.ts";
import type { Kernel } from "./kernel.ts";
import type { Scheduler } from "./scheduler.ts";

export interface TurnsParts {
  readonly mesh: Mesh;
  readonly scheduler: Scheduler;
  readonly asking: Asking;
  readonly kernel: Kernel;
  /** What the thread sleeps on. */
  readonly asleep: Bell;
  /** True if something else than a process wants this thread: a request, a control call. */
  readonly isWanted: () => boolean;
  readonly onSignal: SignalHandler;
}

/** A plain process that blocks the thread: others run meanwhile. */
interface Waiter {
  readonly process: Process;
  readonly ready: () => unknown;
  value: unknown;
}

export class Turns {
  readonly #parts: TurnsParts;
  readonly #waiters: Waiter[] = [];

  constructor(parts: TurnsParts) {
    this.#parts = parts;
  }

  /** Deals with what has come from other threads and what is due. True if there was anything. */
  poll(): boolean {
    const { mesh, asking, kernel, scheduler, onSignal } = this.#parts;
    const hasCome = mesh.hasNext() && mesh.poll(onSignal);
    if (asking.hasUnsent) asking.flush();
    if (kernel.hasBarred) kernel.retry();
    const { idleMs } = scheduler;
    if (idleMs === 0) scheduler.timers.run(performance.now());
    return hasCome || idleMs === 0;
  }

  /** Blocks the thread for a plain process (Host.wait). */
  wait<T>(process: Process, ready: () => T | undefined, ms: number): T | undefined {
    const untilMs = performance.now() + ms;
    const waiter: Waiter = { process, ready, value: undefined };
    this.#waiters.push(waiter);
    try {
      for (;;) {
        this.poll();
        if (waiter.process.dying !== null) return undefined;
        waiter.value ??= ready();
        if (waiter.value !== undefined) return waiter.value as T;
        const nowMs = performance.now();
        if (nowMs >= untilMs) return undefined;
        const { asleep, mesh, scheduler } = this.#parts;
        if (scheduler.runOne()) continue;
        asleep.block(() => mesh.hasNext(), Math.min(untilMs, scheduler.nextMs) - nowMs);
      }
    } finally {
      this.#waiters.pop();
    }
  }

  /** True if a light process whose turn is over may have another at once. */
  mayGoOn(process: Process): boolean {
    this.poll();
    if (process.dying !== null) return true;
    for (const waiter of this.#waiters) {
      waiter.value ??= waiter.ready();
      if (waiter.value !== undefined || waiter.process.dying !== null) return false;
    }
    return !this.#parts.scheduler.hasReady && !this.#parts.isWanted();
  }
}
