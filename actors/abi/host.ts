// What every host function works on: the process that runs now, its memory, and what its carrier does for it.
//
// One Host a carrier; one import object serves all its instances, and the current process is switched instead of making
// closures for each instance (DESIGN fact 12).
import type { Exit } from "../../wire/exits.ts";
import type { Guest } from "../../wire/specs.ts";
import { DESCRIPTORS_MAX } from "../../wire/specs.ts";
import { type FileBudget, FileTable } from "../files/files.ts";
import { assertHeadroom, HEADROOM, hasHeadroom, probe } from "../headroom.ts";
import type { GuestInstance } from "../instances/instance.ts";
import type { MetricEvent } from "../metering.ts";
import type { Message } from "../processes/mailbox.ts";
import type { Process } from "../processes/process.ts";
import type { Stdin } from "../processes/stdin.ts";
import type { Processes } from "./processes.ts";
import { type SqliteLoader, SqliteLoaders } from "./sqlite/loader.ts";

/** What a carrier does for the processes in it. */
export interface Services {
  /**
   * Takes a message for any process. The bytes may be reused after the call.
   * @returns false if there is no room for it yet
   */
  send(from: Process, pid: number, message: Message): boolean;
  /** Takes guest output: `stream` 1 or 2. The bytes may be reused after the call. */
  output(from: Process, stream: number, bytes: Uint8Array): void;
  /**
   * Blocks the process until `ready` gives something, or `ms` have passed (Infinity: for ever). `ready` has just been
   * asked in vain.
   * @returns what `ready` gave, or undefined after the time
   */
  wait<T>(ready: () => T | undefined, ms: number): T | undefined;
  /**
   * Asks the main thread to do something (wire/asks.ts); the payload may be reused after the call. The answer
   * comes later, while the process waits.
   * @returns what it answered, or undefined as long as it has not
   */
  ask(from: Process, op: number, payload: Uint8Array | null): () => Uint8Array | undefined;
  /** Takes what a guest counts by lunatic::metrics. */
  metric(from: Process, event: MetricEvent, name: string, value: number): void;
  /** What descriptor 0 reads, of the process that runs; without it, it is at its end. */
  readonly stdin?: Stdin | undefined;
  /** A light process has used its turn: true if nobody else has anything to do. May end the process. */
  mayGoOn(process: Process): boolean;
  readonly processes: Processes;
}

/** Reductions of one turn: about a millisecond of work. */
export const SLICE = 1_000_000;
/** Once a turn is over, an end is looked for at one in so many function entries and bulk instructions. */
const CHECKS_A_LOOK = 64;
/** A host call counts as no reduction, whatever it takes: after so many of them a light process's turn is timed. */
const CALLS_A_LOOK = 16;
/** A call that works on more than so many bytes, or messages × tags, is timed by the next one. */
const LONG_CALL = 65_536;
const TURN_MS = 2;
const NO_WAIT = "it waits, or works for too long, in a function that a host function called";
const NO_FUEL = "it has used all of its fuel";
const TOO_DEEP_TO_WAIT = "stack exhausted: its recursion is too deep to wait in";

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** lunatic's result code of a time-out. */
export const TIMED_OUT = 9027;

/** Functions of one import module. i64 arguments arrive as signed BigInt, i32 as signed numbers. */
export type HostFunctions = Record<string, (...args: never[]) => unknown>;

/**
 * A module whose only export traps: a trap unwinds every guest frame, while a JS exception is caught by `catch_all`.
 */
const trapModule = new Uint8Array([
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x04, 0x01, 0x60, 0x00, 0x00, 0x03, 0x02, 0x01, 0x00, 0x07,
  0x05, 0x01, 0x01, 0x74, 0x00, 0x00, 0x0a, 0x05, 0x01, 0x03, 0x00, 0x00, 0x0b,
]);

export class Host {
  readonly services: Services;
  #process: Process | null = null;
  /** Of the running process; null while its start code runs: its exports do not exist yet. */
  instance: GuestInstance | null = null;
  #guest: Guest | null = null;
  /** True once the guest asked for randomness or a clock (DECISIONS 5.2). */
  entropyAsked = false;
  /** True once the guest asked for its pid. */
  pidAsked = false;
  /** Descriptors that the guests of this carrier hold open. */
  readonly fileBudget: FileBudget = { open: 0, max: DESCRIPTORS_MAX };
  readonly sqlites = new SqliteLoaders();
  /** True while a host function runs code of the guest that cannot be unwound. */
  isCalledBack = false;
  readonly #trap: () => void;
  /** Host calls since the last look at the clock, and when the first in this turn was, by performance.now(); 0: none */
  #calls = 0;
  #lookedMs = 0;
  #checks = 0;

  constructor(services: Services) {
    this.services = services;
    this.#trap = new WebAssembly.Instance(new WebAssembly.Module(trapModule)).exports.t as () => void;
  }

  /** The running process. Only `runAs` changes it. */
  get process(): Process {
    return this.#process as Process;
  }

  /** null: no guest runs. */
  get running(): Process | null {
    return this.#process;
  }

  /** The running process's settings. */
  get guest(): Guest {
    return this.#guest as Guest;
  }

  /**
   * Runs code of a process's guest. Whoever ran before is back afterwards, however it ends: this is the one place where
   * the running process changes.
   */
  runAs<T>(process: Process, instance: GuestInstance | null, guest: Guest, run: () => T): T {
    const outerProcess = this.#process;
    const outerInstance = this.instance;
    const outerGuest = this.#guest;
    this.#calls = this.#lookedMs = 0;
    this.#process = process;
    this.instance = instance;
    this.#guest = guest;
    try {
      return run();
    } finally {
      // No call here: nothing can cut it.
      this.#calls = this.#lookedMs = 0;
      this.#process = outerProcess;
      this.instance = outerInstance;
      this.#guest = outerGuest;
    }
  }

  /** Ends the process: unwinds the guest by a trap, and the carrier reads the reason from `process.dying`. */
  die(exit: Exit): never {
    this.process.dying ??= exit;
    this.#trap();
    throw new Error("unreachable: the trapping export returned");
  }

  /** Ends the process as trapped, because of something it asked of a host function. */
  trap(text: string): never {
    return this.die({ reason: "trap", text });
  }

  /**
   * First call of each host function: honours the dying flag.
   * @throws RangeError, and nothing has changed, if the guest has left too little of the stack
   */
  enter(): Process {
    probe(0, 0);
    const process = this.#process as Process;
    if (process.dying !== null) this.#trap();
    if (++this.#calls === CALLS_A_LOOK) this.#look();
    return process;
  }

  /**
   * Blocks the process until `ready` gives something or `ms` have passed (Infinity: for ever). A host function that
   * waits ends with `return host.wait(…)`: in a light process the call returns at once, to unwind the stack, and
   * `finish` runs in another call of the same function while the stack is rewound. `ready` is asked whenever something
   * came for the process. `finish` gets what it gave, or undefined after the time; it may wait again.
   */
  wait<T, R>(ready: () => T | undefined, ms: number, finish: (value: T | undefined) => R): R {
    let value = ready();
    if (value === undefined && ms > 0) {
      const stack = this.instance?.stack ?? null;
      if (stack !== null) {
        if (this.isCalledBack) this.trap(NO_WAIT);
        const untilMs = ms === Number.POSITIVE_INFINITY ? ms : performance.now() + ms;
        this.process.waiting = { ready, finish, untilMs };
        stack.beginUnwind((this.instance as GuestInstance).memoryWords);
        return undefined as R; // what it gives is not looked at while the stack is unwound
      }
      // Others have their turns meanwhile, on what is left of the stack.
      if (!hasHeadroom(HEADROOM.turns)) this.trap(TOO_DEEP_TO_WAIT);
      value = this.services.wait(ready, ms);
      this.enter();
    }
    return finish(value);
  }

  /** True while host calls are made only to find the one that the stack was unwound in. */
  get isRewinding(): boolean {
    return this.instance?.stack?.state === "rewinding";
  }

  /** True once the running guest's stack is being unwound: what a host call gives is not looked at. */
  get isUnwinding(): boolean {
    return this.instance?.stack?.state === "unwinding";
  }

  /** The call that the stack was unwound in goes on: with the stack back, it finishes. */
  resume(): unknown {
    assertHeadroom(HEADROOM.call); // the frames of the guest are back, perhaps above those of another
    const { process, instance } = this;
    instance?.stack?.endRewind(instance.memoryWords);
    const { waiting, waitedFor } = process;
    process.waiting = null;
    process.waitedFor = undefined;
    this.enter();
    return waiting === null ? undefined : waiting.finish(waitedFor as never);
  }

  /** At a loop head of a light process whose turn is over: it goes on when the others had theirs. */
  yield(): void {
    const mayGoOn = this.#mayGoOn();
    const { fuelLeft } = this.enter(); // its end may have come meanwhile
    const { instance } = this;
    if (instance === null || instance.stack === null) return;
    if (this.isCalledBack) this.trap(NO_WAIT);
    if (fuelLeft <= 0) this.trap(NO_FUEL);
    if (mayGoOn && fuelLeft === Number.POSITIVE_INFINITY) instance.stack.reductions = SLICE;
    else instance.stack.beginUnwind(instance.memoryWords);
  }

  /**
   * At a function's entry or before a bulk instruction once the turn is over: only an end is looked for. The counter
   * stays used up, so that the next loop head yields, whatever is called between two of them.
   */
  check(): void {
    if (++this.#checks % CHECKS_A_LOOK === 0) this.#mayGoOn();
    const { process } = this;
    if (process.dying !== null) this.#trap();
    const stack = this.instance?.stack;
    if (stack == null) return;
    if (process.fuelLeft < Number.POSITIVE_INFINITY) {
      process.fuelLeft += stack.reductions;
      if (process.fuelLeft <= 0) this.trap(NO_FUEL);
    }
    stack.reductions = 0;
  }

  /** A host function does so much for this call: if it is much, the clock is looked at in the next. */
  works(amount: number): void {
    if (amount > LONG_CALL) this.#calls = CALLS_A_LOOK - 1;
  }

  /** @throws RangeError if the guest has left too little of the stack to deal with what has come for others */
  #mayGoOn(): boolean {
    const process = this.enter();
    assertHeadroom(HEADROOM.deep);
    return this.services.mayGoOn(process);
  }

  /** Ends the turn of a light process that spends it in host calls: the next loop head yields. */
  #look(): void {
    this.#calls = 0;
    const nowMs = performance.now();
    if (this.#lookedMs === 0) this.#lookedMs = nowMs;
    const stack = this.instance?.stack;
    if (stack == null || this.isCalledBack || nowMs - this.#lookedMs < TURN_MS) return;
    if (stack.reductions <= 0) {
      this.services.mayGoOn(this.process); // no loop head has come: it is asked here
      return;
    }
    this.process.fuelLeft += stack.reductions; // it has not used them
    stack.reductions = -1;
  }

  /**
   * Has the main thread do something, and waits for its answer at most `ms`; undefined: it did not come in time. What
   * was asked for may be done all the same.
   */
  ask<R>(
    op: number,
    payload: Uint8Array | null,
    finish: (answer: Uint8Array | undefined) => R,
    ms = Number.POSITIVE_INFINITY,
  ): R {
    return this.wait(this.services.ask(this.process, op, payload), ms, finish);
  }

  /** The running process's descriptors, made when they are first asked for. */
  files(): FileTable {
    const { process } = this;
    if (process.files === null) {
      process.seen();
      process.files = new FileTable(this.guest.preopens, this.fileBudget, (change) => process.keep(change));
    }
    return process.files;
  }

  /** SQLite for the running process. */
  get sqlite(): SqliteLoader {
    return this.sqlites.of(this.process.environment);
  }

  /** The guest's memory as bytes. Valid until the guest runs again: growing detaches it. */
  memory(): Buffer {
    return this.#withMemory().memoryBytes;
  }

  view(): DataView {
    return this.#withMemory().memoryView;
  }

  /** The guest's bytes from `pointer` on; traps if they are not all inside its memory. */
  slice(pointer: number, length: number): Buffer {
    const memory = this.memory();
    const start = this.range(pointer, length);
    return memory.subarray(start, start + (length >>> 0));
  }

  /** The text at a place in guest memory; traps where it is not UTF-8. */
  text(pointer: number, length: number): string {
    const bytes = this.slice(pointer, length);
    try {
      return utf8.decode(bytes);
    } catch {
      return this.trap("a text that is not UTF-8");
    }
  }

  /** Checks a range of guest memory and gives its start as an unsigned number. Traps outside. */
  range(pointer: number, length: number): number {
    const start = pointer >>> 0;
    this.works(length >>> 0);
    if (start + (length >>> 0) > this.memory().length) {
      this.trap(`out of bounds: a host function was given ${length >>> 0} bytes at ${start}`);
    }
    return start;
  }

  writeU32(pointer: number, value: number): void {
    const at = this.range(pointer, 4);
    this.view().setUint32(at, value, true);
  }

  writeU64(pointer: number, value: bigint): void {
    const at = this.range(pointer, 8);
    this.view().setBigUint64(at, value, true);
  }

  #withMemory(): GuestInstance {
    const { instance } = this;
    if (instance === null || instance.memory === null) {
      return this.trap("a host function needs the memory, which is exported only after the start function");
    }
    return instance;
  }
}

/** An i64 argument of the guest as unsigned. */
export function u64(value: bigint): bigint {
  return BigInt.asUintN(64, value);
}

/** All ones, signed. */
const NEVER = -1n;

/** A lunatic time-out (u64 milliseconds, all ones: none) as a number of ms. */
export function timeoutMs(value: bigint): number {
  return value === NEVER ? Number.POSITIVE_INFINITY : Number(u64(value));
}
