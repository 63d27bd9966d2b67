// One other thread as this thread's mesh sees it: the rings to and from it, and what waits for room in the former.
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { Bell } from "./bell.ts";
import { KIND } from "./layout.ts";
import { RingReader, RingWriter } from "./ring.ts";
import type { Ticket } from "./specs.ts";

/** The rings between two threads, as one of them gets them. */
export interface MeshRings {
  readonly out: SharedArrayBuffer;
  readonly in: SharedArrayBuffer;
  /** Payloads too large for a ring, both ways: Ticket messages. */
  readonly tickets: import("node:worker_threads").MessagePort;
  /** The block and its word (Int32) on which the other thread sleeps. */
  readonly bell: SharedArrayBuffer;
  readonly bellWord: number;
}

/** main → carrier, over its mesh port, counted in CONTROL.mesh: rings to the thread in a slot, or that it is gone. */
export interface MeshNote {
  readonly slot: number;
  readonly rings: MeshRings | null;
  /** Without rings: the pids of the thread that is gone are below this, those of a later owner of the slot are not. */
  readonly pidEnd: number;
}

/** What a signal that waits costs on this side besides its payload: bytes, roughly. */
const WAITING_BYTES = 256;

/** Takes a signal. `bytes[start .. start + length)` is the payload; it is valid during the call only. */
export type SignalHandler = (
  kind: number,
  toPid: number,
  fromPid: number,
  environment: number,
  bytes: Uint8Array,
  start: number,
  length: number,
) => void;

interface QueuedSignal {
  readonly kind: number;
  readonly toPid: number;
  readonly fromPid: number;
  readonly environment: number;
  /** A whole buffer of its own, so that it can be given away. */
  readonly payload: Uint8Array<ArrayBuffer>;
}

export class MeshPeer {
  readonly slot: number;
  /** Signals that wait for rings or for room, the first at #first. */
  readonly #backlog: QueuedSignal[] = [];
  #first = 0;
  #backlogBytes = 0;
  #out: RingWriter | null = null;
  #in: RingReader | null = null;
  #tickets: MessagePort | null = null;
  #bell: Bell | null = null;
  /** Of a thread that is gone: its pids are below this. */
  pidEnd = 0;
  #ticket = 0;

  constructor(slot: number) {
    this.slot = slot;
  }

  /** Bytes of signals that wait on this side. */
  get backlogBytes(): number {
    return this.#backlogBytes;
  }

  /** The rings have come; what waits goes out with the next flush. */
  attach(rings: MeshRings): void {
    const bell = new Bell(new Int32Array(rings.bell), rings.bellWord);
    this.#bell = bell;
    this.#out = new RingWriter(rings.out);
    this.#in = new RingReader(rings.in, () => bell.ring());
    this.#tickets = rings.tickets;
    this.#tickets.unref();
  }

  /**
   * Sends, behind everything that waits. Never blocks.
   * @param isGiven the payload is nobody else's: its buffer may go as it is, if it holds nothing more
   */
  send(
    kind: number,
    toPid: number,
    fromPid: number,
    environment: number,
    payload: Uint8Array,
    start: number,
    length: number,
    isGiven = false,
  ): void {
    this.flush();
    const out = this.#out;
    if (this.#backlog.length === 0 && out !== null && length <= out.payloadMax) {
      const at = out.reserve(length);
      if (at >= 0) {
        if (length < 64) for (let i = 0; i < length; i++) out.bytes[at + i] = payload[start + i] as number;
        else out.bytes.set(payload.subarray(start, start + length), at);
        out.commit(kind, environment, toPid, fromPid, length);
        this.#bell?.ring();
        return;
      }
    }
    const isWhole = isGiven && payload.buffer instanceof ArrayBuffer && payload.buffer.byteLength === length;
    const own = isWhole ? new Uint8Array(payload.buffer as ArrayBuffer) : new Uint8Array(length);
    if (!isWhole) own.set(payload.subarray(start, start + length));
    this.#backlog.push({ kind, toPid, fromPid, environment, payload: own });
    this.#backlogBytes += WAITING_BYTES + length;
    this.flush();
  }

  /** Writes what waits, as far as there is room. If something is left, room rings this thread's bell. */
  flush(): void {
    const out = this.#out;
    if (this.#backlog.length === 0 || out === null) return;
    for (; this.#canWrite(out); this.#first++) {
      const { kind, toPid, fromPid, environment, payload } = this.#backlog[this.#first] as QueuedSignal;
      const length = payload.length;
      const isLarge = length > out.payloadMax;
      const at = out.reserve(isLarge ? 4 : length);
      if (isLarge) {
        this.#ticket = (this.#ticket + 1) >>> 0;
        const ticket: Ticket = { ticket: this.#ticket, block: payload.buffer };
        this.#tickets?.postMessage(ticket, [ticket.block]);
        out.bytes.writeUInt32LE(ticket.ticket, at);
        out.commit(kind | KIND.ticket, environment, toPid, fromPid, 4);
      } else {
        out.bytes.set(payload, at);
        out.commit(kind, environment, toPid, fromPid, length);
      }
      this.#backlogBytes -= WAITING_BYTES + length;
    }
    this.#bell?.ring();
    if (this.#first === this.#backlog.length || this.#first > 1024) {
      this.#backlog.splice(0, this.#first);
      this.#first = 0;
    }
  }

  /** True if there is a frame to read, or room for the first that waits. */
  get hasNext(): boolean {
    if (this.#in === null || this.#out === null) return false;
    return this.#in.hasNext || this.#canWrite(this.#out);
  }

  /** Tells `handler` at most `max` frames, oldest first. @returns how many */
  read(handler: SignalHandler, max: number): number {
    const reader = this.#in;
    if (reader === null) return 0;
    let count = 0;
    for (; count < max && reader.next(); count++) {
      const { kind, pid, about, seq, bytes, offset, length } = reader;
      try {
        if ((kind & KIND.ticket) === 0) handler(kind, pid, about, seq >>> 0, bytes, offset, length);
        else {
          const block = this.#takeBlock(bytes.readUInt32LE(offset));
          handler(kind & ~KIND.ticket, pid, about, seq >>> 0, block, 0, block.length);
        }
      } finally {
        reader.release(); // what the handler throws at is not told again
      }
    }
    return count;
  }

  /** The other thread has ended and what it wrote was read: forgets what waits, and says that the rings are free. */
  close(): void {
    this.#backlog.length = this.#first = this.#backlogBytes = 0;
    this.#tickets?.close();
    this.#out?.close();
    this.#out = this.#in = null;
  }

  /** True if something waits and there is room for the first of it. If not, room will ring this thread's bell. */
  #canWrite(out: RingWriter): boolean {
    const first = this.#backlog[this.#first];
    if (first === undefined) return false;
    const { length } = first.payload;
    const bytes = length > out.payloadMax ? 4 : length;
    if (out.reserve(bytes) >= 0) return true;
    out.starve();
    if (out.reserve(bytes) >= 0) return true;
    // A pad may have been committed, and the room behind it comes when it is read.
    this.#bell?.ring();
    return false;
  }

  /** The payload that a frame names. It was posted before the frame was committed, in the order of the frames. */
  #takeBlock(ticket: number): Uint8Array {
    for (;;) {
      const received = receiveMessageOnPort(this.#tickets as MessagePort)?.message as Ticket | undefined;
      if (received === undefined) throw new Error(`ticket ${ticket} of slot ${this.slot} is not in the port`);
      if (received.ticket === ticket) return new Uint8Array(received.block);
    }
  }
}
