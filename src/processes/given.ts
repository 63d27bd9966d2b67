// Modules that the guests of one environment give to be compiled: counted as long as anything is left of them. The
// oldest go first; one that a process still runs counts until that has ended.
import { setTimeout as sleep } from "node:timers/promises";

/** Modules of one environment. */
const COUNT_MAX = 64;
/** Compiled a module takes about five times its bytes, and its bytes are kept. */
const TIMES = 6;
/** Carriers are waited for so long when a module must go; one that is busy tells later. ms */
const DROP_MS = 200;

/** What all environments have given together, and may. */
export interface GivenBudget {
  bytes: number;
  readonly max: number;
}

export interface GivenParts {
  readonly budget: GivenBudget;
  /** The environment's memory. */
  readonly hold: (change: number) => void;
  readonly hasRoomFor: (bytes: number) => boolean;
  /** Lets go of a module in all carriers. True if no process runs it any more. */
  readonly drop: (digest: string) => Promise<boolean>;
}

export class GivenModules {
  readonly #parts: GivenParts;
  /** By digest; the oldest first. */
  readonly #kept = new Map<string, Uint8Array>();
  /** Bytes of those that are let go and may run somewhere still. */
  readonly #leaving = new Map<string, number>();
  #bytes = 0;
  #leavingBytes = 0;

  constructor(parts: GivenParts) {
    this.#parts = parts;
  }

  get(digest: string): Uint8Array | undefined {
    return this.#kept.get(digest);
  }

  /** Keeps a module, in place of the oldest where there is no room. @throws Error if there is none all the same */
  async add(digest: string, bytes: Uint8Array): Promise<void> {
    if (this.#kept.has(digest)) return;
    const { length } = bytes;
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size < COUNT_MAX && this.#hasRoom(length - this.#leavingBytes)) break;
      this.#leave(oldest);
    }
    if (this.#leaving.size > 0) await Promise.race([this.#drop(), sleep(DROP_MS)]);
    if (this.#kept.has(digest)) return;
    if (this.#leaving.size >= COUNT_MAX || !this.#hasRoom(length)) {
      throw new Error(`there is no room for a module of ${length} bytes: modules that are given count ${TIMES} times`);
    }
    const before = this.#leaving.get(digest);
    if (before === undefined) this.#count(length);
    else this.#left(digest, before);
    this.#kept.set(digest, bytes);
  }

  /** The environment has ended. */
  close(): void {
    this.#kept.clear();
    this.#leaving.clear();
    this.#count(-this.#bytes);
  }

  /** One environment has half of what all may have at most. */
  #hasRoom(more: number): boolean {
    const { budget, hasRoomFor } = this.#parts;
    return (
      this.#bytes + more <= budget.max / 2 && budget.bytes + more <= budget.max && hasRoomFor(Math.max(0, more) * TIMES)
    );
  }

  #leave(digest: string): void {
    const { length } = this.#kept.get(digest) as Uint8Array;
    this.#kept.delete(digest);
    this.#leaving.set(digest, length);
    this.#leavingBytes += length;
  }

  #left(digest: string, length: number): void {
    this.#leaving.delete(digest);
    this.#leavingBytes -= length;
  }

  async #drop(): Promise<void> {
    const drop = async (digest: string): Promise<void> => {
      const isGone = await this.#parts.drop(digest);
      const length = this.#leaving.get(digest);
      if (!isGone || length === undefined) return;
      this.#left(digest, length);
      this.#count(-length);
    };
    await Promise.all([...this.#leaving.keys()].map(drop));
  }

  #count(change: number): void {
    this.#bytes += change;
    this.#parts.budget.bytes += change;
    this.#parts.hold(change * TIMES);
  }
}
