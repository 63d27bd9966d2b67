// Threads that were told to end and have not: most are only slow, because the machine is. A zombie is one that had its
// chance, by what it did and not by the clock: it went on using its CPU, or stayed blocked in one place.
import type { Carrier } from "./carrier.ts";
import { type ThreadUse, threadUse } from "./thread-use.ts";

/** Between two looks; one that came later counts no more than this, since then the machine was slow. ms */
const LOOK_MS = 100;
/** A blocked thread may wait for others that are slow: it has so many times as long. */
const BLOCKED_TIMES = 3;

/** A thread that could not be ended, and why it counts as that. */
export interface Zombie {
  /** The number of its carrier. */
  readonly carrier: number;
  /** What it was ended for. */
  readonly why: string;
  /** CPU time that it has used since, and time in which it was blocked. ms */
  readonly usedMs: number;
  readonly blockedMs: number;
}

export interface LateThreadsOptions {
  /** CPU time of its own after which a late thread is a zombie. ms */
  readonly zombieMs: number;
  readonly onZombie: (zombie: Zombie) => void;
  /** For tests. @returns null if nothing is known: then it is late for ever, and no zombie */
  readonly use?: (thread: number) => ThreadUse | null;
}

interface Late {
  readonly why: string;
  /** CPU time at the last look, and what has come since the first. ms */
  cpuMs: number | null;
  usedMs: number;
  blockedMs: number;
  zombie: Zombie | null;
}

export class LateThreads {
  readonly #options: LateThreadsOptions;
  readonly #use: (thread: number) => ThreadUse | null;
  readonly #late = new Map<Carrier, Late>();
  #timer: NodeJS.Timeout | undefined;
  #onChange: (() => void)[] = [];

  constructor(options: LateThreadsOptions) {
    this.#options = options;
    this.#use = options.use ?? threadUse;
  }

  /** Threads that have not ended, zombies included. */
  get size(): number {
    return this.#late.size;
  }

  get zombies(): Zombie[] {
    return [...this.#late.values()].flatMap(({ zombie }) => zombie ?? []);
  }

  /** @param why what its carrier was ended for */
  add(carrier: Carrier, why: string): void {
    if (this.#late.has(carrier)) return;
    this.#late.set(carrier, { why, cpuMs: null, usedMs: 0, blockedMs: 0, zombie: null });
    this.#look();
  }

  /** Its thread has ended. */
  remove(carrier: Carrier): void {
    if (this.#late.delete(carrier)) this.#changed();
  }

  /** Resolves once each has ended or is a zombie. */
  async settled(): Promise<void> {
    while (!this.#isSettled) await new Promise<void>((resolve) => this.#onChange.push(resolve));
  }

  #look(): void {
    clearTimeout(this.#timer);
    for (const [carrier, late] of this.#late) if (late.zombie === null) this.#lookAt(carrier, late);
    this.#timer = this.#isSettled ? undefined : setTimeout(() => this.#look(), LOOK_MS);
  }

  get #isSettled(): boolean {
    return this.zombies.length === this.size;
  }

  #lookAt(carrier: Carrier, late: Late): void {
    const use = this.#use(carrier.thread);
    if (use === null) return;
    const usedMs = late.cpuMs === null ? 0 : use.cpuMs - late.cpuMs;
    late.usedMs += usedMs;
    if (late.cpuMs !== null && use.isBlocked && usedMs === 0) late.blockedMs += LOOK_MS;
    late.cpuMs = use.cpuMs;
    const { zombieMs, onZombie } = this.#options;
    if (late.usedMs < zombieMs && late.blockedMs < BLOCKED_TIMES * zombieMs) return;
    late.zombie = { carrier: carrier.id, why: late.why, usedMs: late.usedMs, blockedMs: late.blockedMs };
    onZombie(late.zombie);
    this.#changed();
  }

  #changed(): void {
    for (const resolve of this.#onChange.splice(0)) resolve();
  }
}
