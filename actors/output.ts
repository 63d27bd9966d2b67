// A guest's output on its way to the log: bounded a request and a second, in bytes and in lines; what is above is
// dropped and counted (DECISIONS 3.3).
import type { Bell } from "../wire/bell.ts";
import { CONTROL, KIND } from "../wire/layout.ts";
import type { RingWriter } from "../wire/ring.ts";
import type { OutputLimits } from "../wire/specs.ts";
import { logText } from "./log-text.ts";
import type { OutputSecond } from "./processes/output-second.ts";
import type { Process } from "./processes/process.ts";

const STDERR = 2;
/** How long one wait for room lasts before the main thread is rung again. */
const ROOM_MS = 50;
const NOTICE = Buffer.from("[output over the limit is dropped]\n");

/** What the output of a service, or of an environment, is counted against. */
export interface OutputBudget {
  /** The actor it is of; 0: of processes of an environment. */
  readonly outputPid: number;
  readonly outputSecond: OutputSecond;
  readonly spec: OutputLimits;
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
  write(budget: OutputBudget | null, from: Process, stream: number, bytes: Uint8Array): void {
    if (budget === null || bytes.length === 0) return;
    if (budget.spec.outputRequestBytesMax === Number.POSITIVE_INFINITY) this.#writeAll(budget, from, stream, bytes);
    else this.#writeSome(budget, from, stream, bytes);
  }

  /** Takes a line of the second for something else that becomes one. False: there are too many. */
  takeLine({ outputSecond, spec }: OutputBudget): boolean {
    const second = outputSecond.at(performance.now());
    if (second.lines >= spec.outputSecondLinesMax) return false;
    second.lines++;
    return true;
  }

  #writeAll({ outputPid }: OutputBudget, from: Process, stream: number, bytes: Uint8Array): void {
    const most = this.#replies.payloadMax - 1;
    for (let at = 0; at < bytes.length; at += most) {
      while (!this.#put(from, outputPid, stream, bytes.subarray(at, at + most))) {
        this.#replies.waitForRoom(most, ROOM_MS, () => this.#bell.ring());
      }
    }
  }

  #writeSome({ outputPid, outputSecond, spec }: OutputBudget, from: Process, stream: number, bytes: Uint8Array): void {
    const second = outputSecond.at(performance.now());
    const frameMax = this.#replies.payloadMax - 1;
    let at = 0;
    while (at < bytes.length) {
      const bytesRoom = Math.min(
        frameMax,
        spec.outputRequestBytesMax - from.outputBytes,
        spec.outputSecondBytesMax - second.bytes,
      );
      const linesRoom = Math.min(
        spec.outputRequestLinesMax - from.outputLines,
        spec.outputSecondLinesMax - second.lines,
      );
      if (bytesRoom <= 0 || linesRoom <= 0) break;
      const { text, lines, taken } = logText(bytes.subarray(at), bytesRoom, linesRoom);
      if (taken === 0 || !this.#put(from, outputPid, stream, text)) break;
      at += taken;
      from.outputBytes += text.length;
      from.outputLines += lines;
      second.bytes += text.length;
      second.lines += lines;
    }
    if (at < bytes.length) this.#drop(bytes.length - at, outputPid, from, second, spec);
  }

  /** One line a request says so, as far as the second has lines: one more than others may take. */
  #drop(bytes: number, outputPid: number, from: Process, second: OutputSecond, spec: OutputLimits): void {
    Atomics.add(this.#control, CONTROL.outputDropped, bytes);
    if (from.outputDropped) return;
    from.outputDropped = true;
    if (second.lines > spec.outputSecondLinesMax) return;
    second.lines++;
    this.#put(from, outputPid, STDERR, NOTICE);
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
