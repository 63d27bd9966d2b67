// Where a guest's messages go: the reply to the main thread, a message to itself, or nobody. Runs in a carrier.
import type { MessagePort } from "node:worker_threads";
import type { Bell } from "../wire/bell.ts";
import { CONTROL, KIND } from "../wire/layout.ts";
import type { RingWriter } from "../wire/ring.ts";
import type { Ticket } from "../wire/specs.ts";
import type { Host } from "./abi/host.ts";
import { Message } from "./processes/mailbox.ts";
import type { Process } from "./processes/process.ts";

/** How long one wait for room in the ring lasts before the main thread is rung again. */
const ROOM_MS = 50;

export class Sender {
  readonly #replies: RingWriter;
  readonly #tickets: MessagePort;
  readonly #bell: Bell;
  readonly #wake = (): void => this.#bell.ring();
  readonly #control: Int32Array;
  #ticket = 0;

  constructor(replies: RingWriter, tickets: MessagePort, bell: Bell, control: Int32Array) {
    this.#replies = replies;
    this.#tickets = tickets;
    this.#bell = bell;
    this.#control = control;
  }

  /** A reply goes out once; a second one, or a message to a pid that is nobody's, is a dead letter (DECISIONS 4.2). */
  send(host: Host, from: Process, pid: number, message: Message): true {
    if (pid === from.replyPid && pid !== 0) {
      from.replyPid = 0;
      this.reply(from, pid, message);
    } else if (pid === from.pid) {
      const bytes = message.bytes.slice(message.start, message.start + message.length);
      if (!from.mailbox.push(new Message("data", message.tag, bytes, 0, bytes.length))) {
        host.trap(`its own mailbox is full: ${from.mailbox.length} messages, ${from.mailbox.bytes} bytes`);
      }
    } else {
      Atomics.add(this.#control, CONTROL.deadLetters, 1);
    }
    return true;
  }

  /** Room for a payload in the ring to the main thread; blocks until there is. The main thread always drains. */
  reserve(length: number): number {
    let at = this.#replies.reserve(length);
    while (at < 0) at = this.#replies.waitForRoom(length, ROOM_MS, this.#wake);
    return at;
  }

  /** Takes a message to a reply pid; whether that is one of the sender's environment, the main thread looks. */
  reply({ pid, environment }: Process, about: number, message: Message): void {
    const { bytes, start, length } = message;
    if (length <= this.#replies.payloadMax) {
      const at = this.reserve(length);
      const out = this.#replies.bytes;
      if (length < 32) for (let i = 0; i < length; i++) out[at + i] = bytes[start + i] as number;
      else out.set(bytes.subarray(start, start + length), at);
      this.#replies.commit(KIND.reply, environment, pid, about, length);
    } else {
      const block = new ArrayBuffer(length);
      new Uint8Array(block).set(bytes.subarray(start, start + length));
      const ticket: Ticket = { ticket: ++this.#ticket >>> 0, block };
      this.#tickets.postMessage(ticket, [block]);
      const at = this.reserve(4);
      this.#replies.bytes.writeUInt32LE(ticket.ticket, at);
      this.#replies.commit(KIND.reply | KIND.ticket, environment, pid, about, 4);
    }
    this.#bell.ring();
  }
}
