// An environment as one carrier sees it: its limits, what of them is used, and what its processes are made of.

import { COST } from "../../wire/cost.ts";
import { HeldBytes, memoryText } from "../../wire/held.ts";
import { COUNTS } from "../../wire/layout.ts";
import type { EnvironmentSpec } from "../../wire/specs.ts";
import type { ProcessLimits, SharedMemory } from "./limits.ts";
import { OutputSecond } from "./output-second.ts";

const RESOURCES_MAX = 1024;
/** Armed timers in one carrier: whoever armed them may have ended. */
const TIMERS_MAX = 100_000;
/** Their messages together have no more bytes than so many full mailboxes. */
const TIMER_MAILBOXES = 16;
const PAGE_BYTES = 65_536;

/** Messages to reply pids that nobody waits for, in a second. */
const LATE_REPLIES_MAX = 1000;

export class Environment implements SharedMemory {
  readonly spec: EnvironmentSpec;
  readonly limits: ProcessLimits;
  readonly outputPid = 0;
  readonly outputSecond = new OutputSecond();
  /** Living processes of each request that has spawned any, in this carrier. */
  readonly roots = new Map<number, number>();
  /** Those among them whose own process has ended without a reply. */
  readonly awaited = new Set<number>();
  readonly #births = new Map<number, number>();
  /** Bytes of the message of each. */
  readonly #timers = new Map<number, number>();
  #timerBytes = 0;
  #lateSecond = 0;
  #lateBefore = 0;
  readonly #held = new HeldBytes((pages) => this.#add(0, pages));
  readonly #words: Int32Array;
  readonly #share: number;

  constructor(spec: EnvironmentSpec, slot: number) {
    this.spec = spec;
    this.#words = new Int32Array(spec.counts);
    this.#share = COUNTS.shares + COUNTS.words * slot;
    this.limits = {
      scratchBytesMax: spec.messageBytesMax,
      messagesMax: spec.mailboxMessagesMax,
      mailboxBytesMax: spec.mailboxBytesMax,
      resourcesMax: RESOURCES_MAX,
      sendTimeoutMs: spec.sendTimeoutMs,
    };
  }

  /** Takes room for one process with so many pages. @returns null, or which limit stands against it */
  take(pages: number): string | null {
    this.#add(1, pages);
    const { processesMax, memoryBytesMax } = this.spec;
    const processes = Atomics.load(this.#words, COUNTS.processes);
    const bytes = Atomics.load(this.#words, COUNTS.pages) * PAGE_BYTES;
    if (processes <= processesMax && bytes <= memoryBytesMax) return null;
    this.#add(-1, -pages);
    return processes > processesMax
      ? `the environment is at its limit of ${processesMax} processes`
      : `the environment is at its limit of ${memoryBytesMax} bytes of memory for all its processes`;
  }

  release(pages: number): void {
    this.#add(-1, -pages);
  }

  hold(change: number): void {
    this.#held.change(change);
  }

  get hasRoom(): boolean {
    return Atomics.load(this.#words, COUNTS.pages) * PAGE_BYTES <= this.spec.memoryBytesMax;
  }

  get limitText(): string {
    return memoryText(this.spec.memoryBytesMax);
  }

  /** A process has grown. False if all together are above the limit now. */
  grow(pages: number): boolean {
    this.#add(0, pages);
    return Atomics.load(this.#words, COUNTS.pages) * PAGE_BYTES <= this.spec.memoryBytesMax;
  }

  /**
   * False while so many of its messages to the main thread are for nobody that no more are told: each of them costs
   * that thread, and a reply pid can be made up. The reply of a request's own process always is.
   */
  mayReply(nowMs: number): boolean {
    const late = Atomics.load(this.#words, COUNTS.lateReplies);
    const second = Math.floor(nowMs / 1000);
    if (second !== this.#lateSecond) {
      this.#lateSecond = second;
      this.#lateBefore = late;
    }
    return ((late - this.#lateBefore) | 0) < LATE_REPLIES_MAX;
  }

  /** True if one more message of so many bytes may wait for its time in this carrier. */
  hasTimerRoom(bytes: number): boolean {
    return this.#timers.size < TIMERS_MAX && this.#timerBytes + bytes <= this.spec.mailboxBytesMax * TIMER_MAILBOXES;
  }

  /** A timer was armed in this carrier: with one, it is not idle (DECISIONS 9.7). */
  addTimer(timer: number, bytes: number): void {
    this.#timers.set(timer, bytes);
    this.#timerBytes += bytes;
    this.hold(COST.timer + bytes);
    this.#countTimer(1);
  }

  /** A timer has fired or was cancelled. */
  removeTimer(timer: number): void {
    const bytes = this.#timers.get(timer);
    if (bytes === undefined) return;
    this.#timers.delete(timer);
    this.#timerBytes -= bytes;
    this.hold(-COST.timer - bytes);
    this.#countTimer(-1);
  }

  /** Armed timers, which outlive the processes that armed them. */
  get timers(): Iterable<number> {
    return this.#timers.keys();
  }

  #countTimer(change: number): void {
    Atomics.add(this.#words, COUNTS.timers, change);
    Atomics.add(this.#words, this.#share + COUNTS.timers, change);
  }

  /** The main thread had a process of a request made here. */
  bornForMain(root: number): void {
    if (root !== 0) this.#births.set(root, (this.#births.get(root) ?? 0) + 1);
  }

  /**
   * A process of a request has ended.
   * @returns null, or where it was the last here and the main thread should know, how many that one had made here
   */
  countOut(root: number): number | null {
    const left = (this.roots.get(root) ?? 0) - 1;
    if (left > 0) this.roots.set(root, left);
    if (left !== 0) return null;
    this.roots.delete(root);
    const births = this.#births.get(root) ?? 0;
    this.#births.delete(root);
    return this.awaited.delete(root) || births > 0 ? births : null;
  }

  #add(processes: number, pages: number): void {
    Atomics.add(this.#words, COUNTS.processes, processes);
    Atomics.add(this.#words, this.#share + COUNTS.processes, processes);
    Atomics.add(this.#words, COUNTS.pages, pages);
    Atomics.add(this.#words, this.#share + COUNTS.pages, pages);
  }
}
