// A guest's output on its way to the log: bounded a request and a second, dropped and counted above (DECISIONS 3.3).
import type { Bell } from "../wire/bell.ts";
import { CONTROL, KIND } from "../wire/layout.ts";
import type { RingWriter } from "../wire/ring.ts";
import type { Process } from "./processes/process.ts";

const STDERR = 2;
/** How long one wait for room lasts before the main thread is rung again. */
const ROOM_MS = 50;

/** What the output of a service, or of an environment, is counted against. */
export interface OutputBudget {
  /** The actor it is of; 0: of processes of an environment. */
  readonly outputPid: number;
  outputSecond: number;
  outputSecondBytes: number;
  readonly spec: { readonly outputRequestBytesMax: number; readonly outputSecondBytesMax: number };
}

export class Output {
  readonly #replies: RingWriter;
  readonly #bell: Bell;
  readonly #control: Int32Array;

  constructor(replies: RingWriter, bell: Bell, control: Int32Array) {
    this.#replies = replies;
    this.#bell = bell;
    this.#control = control;
  }

  /** Passes on what the limits allow and the ring has room for now; it waits only where there is no limit. */
  write(actor: OutputBudget | null, from: Process, stream: number, bytes: Uint8Array): void {
    if (actor === null || bytes.length === 0) return;
    if (actor.spec.outputRequestBytesMax === Number.POSITIVE_INFINITY) {
      const most = this.#replies.payloadMax - 1;
      for (let at = 0; at < bytes.length; at += most) {
        while (!this.#put(from, actor.outputPid, stream, bytes.subarray(at, at + most))) {
          this.#replies.waitForRoom(most, ROOM_MS, () => this.#bell.ring());
        }
      }
      return;
    }
    const room = this.#room(actor, from);
    const passed = Math.min(room, bytes.length, this.#replies.payloadMax - 1);
    const wasOver = from.outputDropped;
    const isPut = passed > 0 && this.#put(from, actor.outputPid, stream, bytes.subarray(0, passed));
    if (isPut) {
      from.outputBytes += passed;
      actor.outputSecondBytes += passed;
      if (passed === bytes.length) return;
    }
    Atomics.add(this.#control, CONTROL.outputDropped, bytes.length - (isPut ? passed : 0));
    from.outputDropped = true;
    if (!wasOver) this.#put(from, actor.outputPid, STDERR, Buffer.from("[output over the limit is dropped]\n"));
  }

  #room(actor: OutputBudget, from: Process): number {
    const second = Math.floor(performance.now() / 1000);
    if (second !== actor.outputSecond) {
      actor.outputSecond = second;
      actor.outputSecondBytes = 0;
    }
    const { outputRequestBytesMax, outputSecondBytesMax } = actor.spec;
    return Math.min(outputRequestBytesMax - from.outputBytes, outputSecondBytesMax - actor.outputSecondBytes);
  }

  #put({ pid, environment }: Process, actorPid: number, stream: number, bytes: Uint8Array): boolean {
    const at = this.#replies.reserve(bytes.length + 1);
    if (at < 0) return false;
    this.#replies.bytes[at] = stream;
    this.#replies.bytes.set(bytes, at + 1);
    this.#replies.commit(KIND.output, environment, actorPid, pid, bytes.length + 1);
    this.#bell.ring();
    return true;
  }
}
