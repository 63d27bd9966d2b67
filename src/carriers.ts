// Carriers: the only file that makes actors' threads. Start, keep warm, take, give back, kill, count zombies. Main thread.
//
// The main thread owns a request until its reply is seen: what is posted to a dying thread vanishes without an error,
// what one has written does not (reliability.md, finding 13). So a carrier's end is reported only after its rings have
// been drained to the last commit.
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from "node:worker_threads";
import * as Comlink from "comlink";
import nodeEndpoint from "comlink/dist/esm/node-adapter.mjs";
import { Bell } from "../actors/bell.ts";
import { type Exit, exitReasons } from "../actors/exits.ts";
import { makeRing, RingReader, RingWriter } from "../actors/ring.ts";
import {
  type ActorSpec,
  BELL,
  type CarrierControl,
  type CarrierData,
  CONTROL,
  DONE,
  elapsedMs,
  KIND,
  monotonicMs,
  SEQ_MAX,
  STATE_CONDEMNED,
  STATE_IDLE,
  type Ticket,
} from "../actors/wire.ts";
import { distFile } from "./dist-file.ts";
import { reasonOf } from "./errors.ts";

/** Heap and stack of a carrier's own JavaScript; wasm memory is bounded in the module (reliability.md §6). */
const resourceLimits = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 16, stackSizeMb: 1 };
const RING_BYTES = 256 * 1024;

export type CarrierState = "warming" | "spare" | "taken" | "condemned" | "gone";

/** What is known of the thing that runs in a carrier now. */
export interface Running {
  /** Sequence number of the request, or SEQ_STARTING while an actor starts. */
  readonly seq: number;
  readonly ms: number;
}

/** Called while rings are drained, never inside an acceptor's handler. Views into `bytes` end with the call. */
export interface CarrierEvents {
  /** A guest sent `bytes[start .. start + length)` to a reply pid. */
  reply(carrier: Carrier, replyPid: number, bytes: Buffer, start: number, length: number): void;
  /** Request `seq` of an actor has ended; its reply, if it sent one, came before. */
  done(carrier: Carrier, actorPid: number, seq: number, exit: Exit, micros: number): void;
  output(carrier: Carrier, actorPid: number, stream: number, text: Buffer): void;
  /** An actor could not make its next instance; requests for it stay in the ring until they are taken back. */
  ended(carrier: Carrier, actorPid: number, exit: Exit): void;
  /** The thread has ended, asked to or not; everything it wrote has been seen. */
  gone(carrier: Carrier, why: string): void;
  /** A carrier is warm and free. */
  spare(): void;
  /** All rings have been read; there may be room in those that were full. */
  drained(): void;
}

export class Carrier {
  readonly id: number;
  readonly requests: RingWriter;
  readonly replies: RingReader;
  state: CarrierState = "warming";
  /** True when `kill` was asked for and the thread has not ended within the grace time. */
  isZombie = false;
  /** True while an actor's start is asked for and not answered. */
  isStarting = false;
  readonly #words: Int32Array;
  readonly #asleep: Bell;
  readonly #worker: Worker;
  readonly #tickets: MessagePort;
  readonly #blocks = new Map<number, SharedArrayBuffer>();
  readonly #control: Comlink.Remote<CarrierControl>;
  readonly #ended: Promise<string>;
  #ticket = 0;
  #seq = 0;

  constructor(id: number, bellBlock: SharedArrayBuffer, bell: Bell, onEnd: (carrier: Carrier, why: string) => void) {
    this.id = id;
    const [tickets, theirTickets] = ports();
    const [port, theirPort] = ports();
    const data: CarrierData = {
      bell: bellBlock,
      control: new SharedArrayBuffer(CONTROL.bytes),
      requests: makeRing(RING_BYTES),
      replies: makeRing(RING_BYTES),
      tickets: theirTickets,
      port: theirPort,
    };
    this.#words = new Int32Array(data.control);
    this.#asleep = new Bell(this.#words, CONTROL.asleep);
    this.requests = new RingWriter(data.requests);
    this.replies = new RingReader(data.replies, () => this.#asleep.ring());
    this.#tickets = tickets;
    this.#worker = new Worker(distFile("carrier.js"), {
      name: `carrier ${id}`,
      workerData: data,
      transferList: [theirTickets, theirPort],
      resourceLimits,
      stdin: false,
      env: {},
      execArgv: [],
    });
    this.#control = Comlink.wrap<CarrierControl>(nodeEndpoint(port));
    let why = "";
    this.#worker.on("error", (error) => {
      why = reasonOf(error);
    });
    this.#ended = new Promise((resolve) => {
      this.#worker.on("exit", (code) => {
        port.close();
        resolve(why === "" ? `its thread ended with code ${code}` : why);
      });
    });
    void this.#ended.then((text) => {
      bell.ring();
      onEnd(this, text);
      tickets.close();
    });
  }

  /** Resolves once the carrier answers control calls. @throws if its thread ends first */
  async warm(): Promise<void> {
    await this.#ask(this.#control.stop(0));
  }

  /**
   * Starts an actor. Guest start code runs in the carrier, so this may never settle unless the carrier is killed.
   * @returns why it did not start, or null. @throws if the thread ends first
   */
  start(spec: ActorSpec): Promise<string | null> {
    this.isStarting = true;
    const asked = this.#ask(this.#control.start(spec)).finally(() => {
      this.isStarting = false;
    });
    this.wake();
    return asked;
  }

  /** Forgets an actor; the carrier can be used again afterwards. */
  stop(pid: number): Promise<void> {
    const asked = this.#ask(this.#control.stop(pid));
    this.wake();
    return asked;
  }

  /** A comlink promise to a dead thread never settles (DECISIONS 2.1): raced against the thread's end. */
  #ask<T>(answer: Promise<T>): Promise<T> {
    return Promise.race([answer, this.#ended.then((why) => Promise.reject(new Error(why)))]);
  }

  /** Wakes the carrier if it sleeps. Call after a commit. */
  wake(): void {
    this.#asleep.ring();
  }

  /** What runs in it now, or null. */
  running(): Running | null {
    const seq = Atomics.load(this.#words, CONTROL.state);
    if (seq <= STATE_IDLE) return null;
    const began = Atomics.load(this.#words, CONTROL.beganMs);
    // The carrier writes its time first and swaps the state then: the same state before and after means they belong together.
    if (Atomics.load(this.#words, CONTROL.state) !== seq) return null;
    return { seq, ms: elapsedMs(began, monotonicMs()) };
  }

  /** Swaps `seq` (0: idle) to condemned. If true the carrier takes nothing more, and the main thread decides alone. */
  condemn(seq: number): boolean {
    if (Atomics.compareExchange(this.#words, CONTROL.state, seq, STATE_CONDEMNED) !== seq) return false;
    this.state = "condemned";
    return true;
  }

  /** The number of the next request that is put into its ring. */
  nextSeq(): number {
    this.#seq = this.#seq === SEQ_MAX ? 1 : this.#seq + 1;
    return this.#seq;
  }

  /** Posts a payload that is too large for the ring. @returns the ticket that the frame must name */
  postBlock(block: SharedArrayBuffer): number {
    this.#ticket = (this.#ticket + 1) >>> 0;
    const message: Ticket = { ticket: this.#ticket, block };
    this.#tickets.postMessage(message);
    return this.#ticket;
  }

  /** The payload that a reply frame names; it was posted before the frame was committed. */
  takeBlock(ticket: number): SharedArrayBuffer | undefined {
    for (let block = this.#blocks.get(ticket); ; block = this.#blocks.get(ticket)) {
      if (block !== undefined) {
        this.#blocks.delete(ticket);
        return block;
      }
      const received = receiveMessageOnPort(this.#tickets);
      if (received === undefined) return undefined;
      const message = received.message as Ticket;
      this.#blocks.set(message.ticket, message.block);
    }
  }

  counter(word: "deadLetters" | "outputDropped" | "instances"): number {
    return Atomics.load(this.#words, CONTROL[word]) >>> 0;
  }

  /** Ends the thread. A system call that blocks holds it (then it is a zombie). */
  terminate(): Promise<number> {
    return this.#worker.terminate();
  }
}

function ports(): [MessagePort, MessagePort] {
  const { port1, port2 } = new MessageChannel();
  port1.unref();
  return [port1, port2];
}

export interface CarriersOptions {
  /** Threads that may exist at once, zombies included. */
  readonly threadsMax: number;
  /** Warm carriers kept free. */
  readonly spares: number;
  /** A thread that has not ended this long after `terminate` is a zombie. ms */
  readonly graceMs: number;
}

/** All carriers of a node, and the bell they ring. */
export class Carriers {
  readonly all = new Set<Carrier>();
  readonly bellBlock = new SharedArrayBuffer(BELL.bytes);
  readonly #bell = new Bell(new Int32Array(this.bellBlock), BELL.asleep);
  readonly #options: CarriersOptions;
  readonly #events: CarrierEvents;
  readonly #spares: Carrier[] = [];
  /** Counters of carriers that have gone. */
  readonly #past = { deadLetters: 0, outputDropped: 0 };
  #made = 0;
  #failedInARow = 0;
  #isClosed = false;
  #isDraining = false;

  constructor(options: CarriersOptions, events: CarrierEvents) {
    this.#options = options;
    this.#events = events;
  }

  /** Starts the first spares and listens to the bell. Resolves when one is warm. @throws if none gets warm */
  async open(): Promise<void> {
    this.#listen();
    const first = this.#make();
    this.#refill();
    await first;
    if (this.#spares.length === 0) throw new Error("no carrier got warm");
  }

  get spares(): number {
    return this.#spares.length;
  }

  /** Carriers that can run or do run actors. */
  get warm(): number {
    return this.count(({ state }) => state === "spare" || state === "taken");
  }

  get zombies(): number {
    return this.count((carrier) => carrier.isZombie);
  }

  count(test: (carrier: Carrier) => boolean): number {
    let found = 0;
    for (const carrier of this.all) if (test(carrier)) found++;
    return found;
  }

  /** Dead letters or dropped output bytes since the start. */
  total(word: "deadLetters" | "outputDropped"): number {
    let sum = this.#past[word];
    for (const carrier of this.all) sum += carrier.counter(word);
    return sum;
  }

  /** A warm carrier, or null: then one is being made if the budget allows, and `spare` will tell. */
  take(): Carrier | null {
    const carrier = this.#spares.pop() ?? null;
    if (carrier !== null) carrier.state = "taken";
    this.#refill();
    return carrier;
  }

  /** True if no carrier is free and none can be made: somebody must give one up. */
  get isExhausted(): boolean {
    return this.#spares.length === 0 && !this.#isWarming && this.all.size >= this.#options.threadsMax;
  }

  /** Takes an empty carrier back. */
  giveBack(carrier: Carrier): void {
    if (carrier.state !== "taken") return;
    if (this.#spares.length >= this.#options.spares) {
      this.kill(carrier);
      return;
    }
    carrier.state = "spare";
    this.#spares.push(carrier);
    this.#events.spare();
  }

  /** Ends a carrier's thread. `gone` follows when it has ended; replacement does not wait for that. */
  kill(carrier: Carrier): void {
    if (carrier.state === "gone") return;
    carrier.state = "condemned";
    const timer = setTimeout(() => {
      carrier.isZombie = this.all.has(carrier);
    }, this.#options.graceMs);
    void carrier.terminate().finally(() => clearTimeout(timer));
    this.#refill();
  }

  /** Deals with everything that carriers have written. Not from inside an acceptor's handler. */
  drain(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    for (const carrier of this.all) this.#drainOne(carrier);
    this.#isDraining = false;
    this.#events.drained();
  }

  /** Ends all threads. Resolves when they have ended or the grace time has passed. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const ends = [...this.all].map((carrier) => carrier.terminate());
    let timer: NodeJS.Timeout | undefined;
    const grace = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.#options.graceMs);
    });
    await Promise.race([Promise.allSettled(ends), grace]);
    clearTimeout(timer);
    this.#bell.ring();
  }

  get #isWarming(): boolean {
    for (const carrier of this.all) if (carrier.state === "warming") return true;
    return false;
  }

  #refill(): void {
    if (this.#isClosed) return;
    const warming = this.count((carrier) => carrier.state === "warming");
    let missing = this.#options.spares - this.#spares.length - warming;
    // Condemned threads end in a few milliseconds: they do not stand in the way of their replacement, zombies do.
    let threads = this.count((carrier) => carrier.state !== "condemned" || carrier.isZombie);
    for (; missing > 0 && threads < this.#options.threadsMax; missing--, threads++) void this.#make();
  }

  async #make(): Promise<void> {
    const carrier = new Carrier(++this.#made, this.bellBlock, this.#bell, (each, why) => this.#onEnd(each, why));
    this.all.add(carrier);
    try {
      await carrier.warm();
      if (carrier.state !== "warming") return;
      this.#failedInARow = 0;
      carrier.state = "spare";
      this.#spares.push(carrier);
      this.#events.spare();
    } catch {
      this.#failedInARow++; // #onEnd has the reason
    }
  }

  #onEnd(carrier: Carrier, why: string): void {
    this.#drainOne(carrier);
    carrier.state = "gone";
    carrier.requests.close();
    this.all.delete(carrier);
    this.#past.deadLetters += carrier.counter("deadLetters");
    this.#past.outputDropped += carrier.counter("outputDropped");
    const spare = this.#spares.indexOf(carrier);
    if (spare >= 0) this.#spares.splice(spare, 1);
    this.#events.gone(carrier, why);
    if (this.#isClosed) return;
    // Threads that cannot even start (descriptors, memory) are tried again slowly.
    if (this.#failedInARow < 3) this.#refill();
    else setTimeout(() => this.#refill(), 1000).unref();
  }

  #listen(): void {
    const hasWork = (): boolean => {
      for (const carrier of this.all) if (carrier.replies.hasNext) return true;
      return false;
    };
    const loop = (): void => {
      this.drain();
      if (this.#isClosed) return;
      const rung = this.#bell.sleep(hasWork);
      if (rung === null) setImmediate(loop);
      else void rung.then(loop);
    };
    loop();
  }

  #drainOne(carrier: Carrier): void {
    const replies = carrier.replies;
    while (replies.next()) {
      const { bytes, offset, length } = replies;
      switch (replies.kind) {
        case KIND.reply:
          this.#events.reply(carrier, replies.about, bytes, offset, length);
          break;
        case KIND.reply | KIND.ticket: {
          const block = carrier.takeBlock(bytes.readUInt32LE(offset));
          if (block !== undefined) {
            this.#events.reply(carrier, replies.about, Buffer.from(block), 0, block.byteLength);
          }
          break;
        }
        case KIND.done:
          {
            const micros = bytes.readUInt32LE(offset + DONE.micros);
            this.#events.done(carrier, replies.pid, replies.seq, exitOf(replies), micros);
          }
          break;
        case KIND.ended:
          this.#events.ended(carrier, replies.pid, exitOf(replies));
          break;
        case KIND.output:
          this.#events.output(
            carrier,
            replies.pid,
            bytes[offset] as number,
            bytes.subarray(offset + 1, offset + length),
          );
          break;
      }
      replies.release();
    }
  }
}

const NORMAL: Exit = { reason: "normal", text: "" };

function exitOf(replies: RingReader): Exit {
  const reason = exitReasons[replies.bytes[replies.offset + DONE.reason] as number] ?? "trap";
  if (reason === "normal") return NORMAL;
  const text = replies.bytes.toString("utf8", replies.offset + DONE.text, replies.offset + replies.length);
  return { reason, text };
}
