// What the main thread sends a carrier beside its ring: payloads that are too large for it, and modules.
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import type { SentModule } from "../wire/control.ts";
import { KIND } from "../wire/layout.ts";
import type { RingReader } from "../wire/ring.ts";
import type { CarrierModule, Ticket } from "../wire/specs.ts";

/** Modules that nobody took, because whoever asked has ended; the oldest go first. */
const MODULES_MAX = 64;

export class Inbox {
  readonly #port: MessagePort;
  readonly #blocks = new Map<number, ArrayBuffer>();
  readonly #modules = new Map<string, CarrierModule>();

  constructor(port: MessagePort) {
    this.#port = port;
  }

  /** What the frame that the ring shows carries: bytes, start, length. Once a frame. */
  payload({ kind, bytes, offset, length }: RingReader): [Uint8Array, number, number] {
    if ((kind & KIND.ticket) === 0) return [bytes, offset, length];
    const block = new Uint8Array(this.#takeBlock(bytes.readUInt32LE(offset)));
    return [block, 0, block.length];
  }

  /** A module that was posted under that name; undefined: none. */
  takeModule(key: string): CarrierModule | undefined {
    while (!this.#modules.has(key) && this.#receive());
    const module = this.#modules.get(key);
    this.#modules.delete(key);
    return module;
  }

  /** The block that a frame names. It was posted before the frame was committed, so it is in the port. */
  #takeBlock(ticket: number): ArrayBuffer {
    for (let block = this.#blocks.get(ticket); ; block = this.#blocks.get(ticket)) {
      if (block !== undefined) {
        this.#blocks.delete(ticket);
        return block;
      }
      if (!this.#receive()) throw new Error(`ticket ${ticket} is not in the port`);
    }
  }

  #receive(): boolean {
    const received = receiveMessageOnPort(this.#port);
    if (received === undefined) return false;
    const message = received.message as Ticket | SentModule;
    if ("ticket" in message) this.#blocks.set(message.ticket, message.block);
    else {
      this.#modules.set(message.key, message.module);
      const oldest = this.#modules.keys().next().value;
      if (this.#modules.size > MODULES_MAX && oldest !== undefined) this.#modules.delete(oldest);
    }
    return true;
  }
}
