// A real carrier's thread, driven by hand over its rings as the main thread does, without any of src.
import { LOCKS_BYTES } from "../../../wire/file-locks.ts";
import "../../../src/engine.ts"; // its V8 flags: a carrier refuses to run without them
import { once } from "node:events";
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from "node:worker_threads";
import * as Comlink from "comlink";
import nodeEndpoint from "comlink/dist/esm/node-adapter.mjs";
import { Bell } from "../../../wire/bell.ts";
import type { CarrierControl } from "../../../wire/control.ts";
import { type ExitReason, exitReasons } from "../../../wire/exits.ts";
import { BELL, CONTROL, DONE, KIND } from "../../../wire/layout.ts";
import { makeRing, RingReader, RingWriter } from "../../../wire/ring.ts";
import type { CarrierData, Ticket } from "../../../wire/specs.ts";
import { requestMessage } from "../../guests/minimal-host.ts";
import type { Frame } from "../../harness/local-carrier.ts";

/** What a done or ended frame says. */
export interface Ended {
  readonly seq: number;
  readonly pid: number;
  readonly reason: ExitReason | undefined;
  readonly text: string;
}

export class CarrierThread {
  readonly words = new Int32Array(new SharedArrayBuffer(CONTROL.bytes));
  readonly requests: RingWriter;
  readonly replies: RingReader;
  readonly control: Comlink.Remote<CarrierControl>;
  /** Every frame that was drained, in order. */
  readonly frames: Frame[] = [];
  readonly #bell: Bell;
  readonly #asleep = new Bell(this.words, CONTROL.asleep);
  readonly #worker: Worker;
  readonly #tickets: MessagePort;
  readonly #port: MessagePort;
  #ticket = 0;

  constructor(program: string, ringBytes = 256 * 1024) {
    const [tickets, mesh, control] = [new MessageChannel(), new MessageChannel(), new MessageChannel()];
    const data: CarrierData = {
      slot: 1,
      bell: new SharedArrayBuffer(BELL.bytes),
      control: this.words.buffer as SharedArrayBuffer,
      requests: makeRing(ringBytes),
      replies: makeRing(ringBytes),
      locks: new SharedArrayBuffer(LOCKS_BYTES),
      filesMax: 64,
      tickets: tickets.port2,
      mesh: mesh.port2,
      port: control.port2,
    };
    this.#bell = new Bell(new Int32Array(data.bell), BELL.asleep);
    this.requests = new RingWriter(data.requests);
    this.replies = new RingReader(data.replies, () => this.#asleep.ring());
    this.#tickets = tickets.port1;
    this.#port = control.port1;
    this.control = Comlink.wrap<CarrierControl>(nodeEndpoint(control.port1));
    this.#worker = new Worker(program, {
      workerData: data,
      transferList: [tickets.port2, mesh.port2, control.port2],
      env: {},
    });
  }

  /** Puts a request into the ring. @returns its frame's offset, or -1 without room */
  send(actorPid: number, seq: number, replyPid: number, message: Uint8Array): number {
    const isLarge = message.length > this.requests.payloadMax;
    const at = this.requests.reserve(isLarge ? 4 : message.length);
    if (at < 0) return -1;
    if (isLarge) this.requests.bytes.writeUInt32LE(this.#post(message), at);
    else this.requests.bytes.set(message, at);
    const kind = isLarge ? KIND.request | KIND.ticket : KIND.request;
    const offset = this.requests.commit(kind, seq, actorPid, replyPid, isLarge ? 4 : message.length);
    this.wake();
    return offset;
  }

  /** A request whose reply pid and tag are 1,000 above its sequence number. */
  ask(actorPid: number, seq: number, uri = "/", body: Uint8Array = new Uint8Array()): number {
    return this.send(actorPid, seq, seq + 1000, requestMessage({ pid: seq + 1000, tag: seq + 1000, uri, body }));
  }

  wake(): void {
    this.#asleep.ring();
  }

  #post(message: Uint8Array): number {
    const block = new ArrayBuffer(message.length);
    new Uint8Array(block).set(message);
    const ticket: Ticket = { ticket: ++this.#ticket, block };
    this.#tickets.postMessage(ticket, [block]);
    return ticket.ticket;
  }

  /** Takes what the carrier has committed. @returns frames taken */
  drain(): number {
    let taken = 0;
    for (const reader = this.replies; reader.next(); reader.release(), taken++) {
      const { kind, seq, pid, about, offset, length } = reader;
      const inRing = Buffer.from(reader.bytes.subarray(offset, offset + length));
      const bytes = (kind & KIND.ticket) === 0 ? inRing : this.#takeBlock(inRing.readUInt32LE(0));
      this.frames.push({ kind: kind & ~KIND.ticket, seq, pid, about, bytes });
    }
    return taken;
  }

  #takeBlock(ticket: number): Buffer {
    const received = receiveMessageOnPort(this.#tickets)?.message as Ticket | undefined;
    if (received?.ticket !== ticket) throw new Error(`the block of ticket ${ticket} did not come`);
    return Buffer.from(received.block);
  }

  /** Drains until the test says true; the test's own time-out is its end. */
  async until(test: () => boolean): Promise<void> {
    for (;;) {
      this.drain();
      if (test()) return;
      const rung = this.#bell.sleep(() => this.replies.hasNext);
      // The promise of a bell keeps no event loop alive, and what a test waits for may change without a frame.
      await Promise.race([rung, new Promise((resolve) => setTimeout(resolve, 5))]);
    }
  }

  /** Lets the carrier go on without reading what it writes. */
  async pause(ms: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, ms));
  }

  replyTo(seq: number): Frame | undefined {
    return this.frames.find(({ kind, about }) => kind === KIND.reply && about === seq + 1000);
  }

  get done(): Ended[] {
    return this.#ended(KIND.done);
  }

  get ended(): Ended[] {
    return this.#ended(KIND.ended);
  }

  #ended(wanted: number): Ended[] {
    return this.frames
      .filter(({ kind }) => kind === wanted)
      .map(({ seq, pid, bytes }) => {
        return { seq, pid, reason: exitReasons[bytes[DONE.reason] as number], text: bytes.toString("utf8", DONE.text) };
      });
  }

  get output(): string {
    return Buffer.concat(
      this.frames.filter(({ kind }) => kind === KIND.output).map(({ bytes }) => bytes.subarray(1)),
    ).toString();
  }

  get state(): number {
    return Atomics.load(this.words, CONTROL.state);
  }

  async online(): Promise<void> {
    await once(this.#worker, "online");
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate();
    this.#port.close();
    this.#tickets.close();
  }
}
