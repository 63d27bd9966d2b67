// One thing a process asked about the network, from the ask to its answer; it ends early if the process does.
import { PayloadWriter, STATUS } from "../../wire/network.ts";
import type { Asker } from "../carriers/answering.ts";

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

  /** What is to be done when the process ends before the answer; null: nothing any more. */
  onEnd(action: (() => void) | null): void {
    this.#onEnd = action;
  }

  end(): void {
    this.#hasEnded = true;
    this.#onEnd?.();
    this.#onEnd = null;
  }
}

/** Why something was not done, in words for the guest. */
export class NetworkError extends Error {}

export class TimedOut extends Error {}

/** The process ended while it waited: its answer goes nowhere. */
export class Abandoned extends Error {}

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
