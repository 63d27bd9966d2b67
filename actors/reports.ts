// What a carrier tells the main thread beside replies and output. It waits for room, since none of it must be lost.
import type { Bell } from "../wire/bell.ts";
import { type Exit, exitReasons } from "../wire/exits.ts";
import { DONE, KIND } from "../wire/layout.ts";
import type { RingWriter } from "../wire/ring.ts";
import type { Sender } from "./sender.ts";

const TEXT_BYTES_MAX = 2048;

export class Reports {
  readonly #replies: RingWriter;
  readonly #sender: Sender;
  readonly #bell: Bell;

  constructor(replies: RingWriter, sender: Sender, bell: Bell) {
    this.#replies = replies;
    this.#sender = sender;
    this.#bell = bell;
  }

  /**
   * How a request (done), an actor or a process ended. Does not ring: the caller does, once it is ready for more.
   * @param ms how long it ran
   */
  end(kind: number, seq: number, pid: number, exit: Exit, ms = 0, goesOn: 0 | 1 | 2 = 0): void {
    const replies = this.#replies;
    const text = exit.text === "" ? null : Buffer.from(exit.text).subarray(0, TEXT_BYTES_MAX);
    const length = DONE.text + (text === null ? 0 : text.length);
    const at = this.#sender.reserve(length);
    replies.bytes[at + DONE.reason] = exitReasons.indexOf(exit.reason);
    replies.bytes[at + DONE.goesOn] = goesOn;
    replies.bytes.writeUInt32LE(Math.min(Math.round(ms * 1000), 0xffff_ffff), at + DONE.micros);
    if (text !== null) replies.bytes.set(text, at + DONE.text);
    replies.commit(kind, seq, pid, 0, length);
  }

  /** A frame that says all in its header. */
  note(kind: number, seq: number, pid: number, about: number): void {
    this.#sender.reserve(0);
    this.#replies.commit(kind, seq, pid, about, 0);
    this.#bell.ring();
  }

  /** What a request does from now on can be seen. The main thread need not be woken for that. */
  seen(seq: number, pid: number): void {
    this.#sender.reserve(0);
    this.#replies.commit(KIND.seen, seq, pid, 0, 0);
  }

  /** The carrier has signals for a thread and no rings to it. */
  connect(slot: number): void {
    this.note(KIND.connect, 0, slot, 0);
  }

  /** The last process here of a request has ended, where that is of interest. */
  orphaned(environment: number, replyPid: number, births: number): void {
    this.note(KIND.orphaned, births, environment, replyPid);
  }
}
