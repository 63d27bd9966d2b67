// What the processes of a carrier have asked of the main thread, and the answers on their way.
import { ANSWER } from "../../wire/asks.ts";
import { SIGNAL } from "../../wire/layout.ts";
import type { Later } from "../abi/processes.ts";
import type { Process } from "../processes/process.ts";

/** Before an operation's own payload: u32 number, u16 operation, 2 bytes. Before an answer's: u32 number, u8 ANSWER. */
export const ASK_HEADER = 8;

/** Sends a frame to a thread, 0: the main thread; false if it is refused for now. */
export type ToSlot = (slot: number, kind: number, from: Process, payload: Uint8Array) => boolean;

interface Question {
  readonly process: Process;
  readonly slot: number;
  answer: Uint8Array | undefined;
  failure: string | undefined;
  /** Not sent yet, because the way to the main thread is full. */
  unsent: Uint8Array | null;
}

export class Asking {
  readonly #toSlot: ToSlot;
  readonly #poke: (pid: number) => void;
  readonly #open = new Map<number, Question>();
  readonly #unsent = new Set<Question>();
  #number = 0;

  /** @param poke told of a process whose question was answered */
  constructor(toSlot: ToSlot, poke: (pid: number) => void) {
    this.#toSlot = toSlot;
    this.#poke = poke;
  }

  /**
   * @returns its answer once it is there. A failure that the main thread tells of ends the process that asked, unless
   *   `failed` makes an answer of its text
   */
  ask(
    from: Process,
    op: number,
    payload: Uint8Array | null,
    failed?: (why: string) => Uint8Array,
    slot = 0,
  ): Later<Uint8Array> {
    this.#number = (this.#number + 1) >>> 0;
    const number = this.#number;
    const bytes = Buffer.alloc(ASK_HEADER + (payload?.length ?? 0));
    bytes.writeUInt32LE(number, 0);
    bytes.writeUInt16LE(op, 4);
    if (payload !== null) bytes.set(payload, ASK_HEADER);
    const question: Question = { process: from, slot, answer: undefined, failure: undefined, unsent: bytes };
    if (slot === 0) from.hasAsked = true;
    this.#open.set(number, question);
    this.#send(question);
    return () => {
      const { failure } = question;
      if (failure === undefined) return question.answer;
      if (failed !== undefined) return failed(failure);
      // Another may be the one that runs now: it ends once it does.
      from.dying ??= { reason: "trap", text: failure };
      return NO_BYTES;
    };
  }

  /** An `answer` frame for a process. The slot's owner before may have asked a question of the same number. */
  answered(pid: number, bytes: Uint8Array, start: number, length: number): void {
    const payload = Buffer.from(bytes.buffer, bytes.byteOffset + start, length);
    const number = payload.readUInt32LE(0);
    const question = this.#open.get(number);
    if (question?.process.pid !== pid) return; // its process has ended
    this.#open.delete(number);
    const rest = payload.subarray(ASK_HEADER);
    if (payload[4] === ANSWER.ok) question.answer = new Uint8Array(rest);
    else question.failure = rest.toString("utf8");
    this.#poke(question.process.pid);
  }

  /** Sends what found no room before. */
  flush(): void {
    for (const question of this.#unsent) this.#send(question);
  }

  /** Questions that have no answer yet. */
  get size(): number {
    return this.#open.size;
  }

  get hasUnsent(): boolean {
    return this.#unsent.size > 0;
  }

  /** A process has ended: nobody waits for its answers, and the main thread lets go of what it did for it. */
  forget(process: Process): void {
    if (!process.hasAsked) return;
    for (const [number, question] of this.#open) {
      if (question.process !== process) continue;
      this.#open.delete(number);
      this.#unsent.delete(question);
    }
    this.#toSlot(0, SIGNAL.forget, process, NO_BYTES);
  }

  /** A thread has ended: what it was asked fails. */
  slotGone(slot: number): void {
    for (const [number, question] of this.#open) {
      if (question.slot !== slot) continue;
      this.#open.delete(number);
      this.#unsent.delete(question);
      question.failure = "the carrier it asked has ended";
      this.#poke(question.process.pid);
    }
  }

  #send(question: Question): void {
    const { slot, process, unsent } = question;
    if (unsent !== null && this.#toSlot(slot, SIGNAL.ask, process, unsent)) {
      question.unsent = null;
      this.#unsent.delete(question);
    } else this.#unsent.add(question);
  }
}

const NO_BYTES = new Uint8Array(0);
