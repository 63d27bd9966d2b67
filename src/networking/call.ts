// One thing a process asked about the network, from the ask to its answer; it ends early if the process does.
import { PayloadWriter, STATUS } from "../../wire/network.ts";
import type { Asker } from "../carriers/answering.ts";
import { after } from "../timer.ts";

export class Call implements Asker {
  readonly environment: number;
  readonly pid: number;
  readonly slot: number;
  #hasEnded = false;
  #onEnd: (() => void) | null = null;

  constructor({ environment, pid, slot }: Asker) {
    this.environment = environment;
    this.pid = pid;
    this.slot = slot;
  }

  /** True once nobody waits for the answer: then nothing may be taken or made for it. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** What is to be done when the process ends before the answer, or has ended; null: nothing any more. */
  onEnd(action: (() => void) | null): void {
    this.#onEnd = action;
    if (this.#hasEnded) this.end();
  }

  end(): void {
    this.#hasEnded = true;
    const action = this.#onEnd;
    this.#onEnd = null;
    action?.();
  }
}

/**
 * Does what takes a while, until the time has passed or the process ends.
 * @param work stops when its signal is aborted, and then throws the signal's reason: TimedOut or Abandoned
 */
export async function within<T>(call: Call, ms: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stop = new AbortController();
  const timer = after(ms, () => stop.abort(new TimedOut()));
  call.onEnd(() => stop.abort(new Abandoned()));
  try {
    return await work(stop.signal);
  } finally {
    timer.cancel();
    call.onEnd(null);
  }
}

/** Why something was not done, in words for the guest. */
export class NetworkError extends Error {}

export class TimedOut extends Error {}

/** The process ended while it waited: its answer goes nowhere. */
export class Abandoned extends Error {}

/** What is promised, or the reason of the signal if that comes before. For what nobody has to give back. */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason));
    promise.then(resolve, reject);
  });
}

/** An answer that begins with ok; the rest is for the caller to write. */
export function ok(bytes?: number): PayloadWriter {
  return new PayloadWriter(bytes).u8(STATUS.ok);
}

const ERROR_TEXT_BYTES_MAX = 1024;

/** The answer for what was thrown. */
export function failure(thrown: unknown): Buffer {
  if (thrown instanceof TimedOut) return Buffer.of(STATUS.timedOut);
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return Buffer.concat([Buffer.of(STATUS.failed), Buffer.from(text).subarray(0, ERROR_TEXT_BYTES_MAX)]);
}

const NEVER = 0xffff_ffff_ffff_ffffn;

/** A lunatic time-out (u64 milliseconds, all ones: none) as a number of ms. */
export function millisecondsOf(timeout: bigint): number {
  return timeout === NEVER ? Number.POSITIVE_INFINITY : Number(timeout);
}

export { NEVER };
