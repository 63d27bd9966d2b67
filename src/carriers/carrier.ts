// One carrier as the main thread sees it: its thread, its rings, its control calls, and what runs in it now.
//
// The main thread owns a request until its reply is seen: what is posted to a dying thread vanishes without an error,
// what one has written does not (reliability.md, finding 13).
import { MessageChannel, type MessagePort, receiveMessageOnPort, type Worker } from "node:worker_threads";
import * as Comlink from "comlink";
import nodeEndpoint from "comlink/dist/esm/node-adapter.mjs";
import { Bell } from "../../wire/bell.ts";
import { elapsedMs, monotonicMs } from "../../wire/clock.ts";
import type { BirthSpec, CarrierControl, SentModule } from "../../wire/control.ts";
import type { Exit } from "../../wire/exits.ts";
import { CONTROL, SEQ_MAX, STATE_CONDEMNED, STATE_IDLE } from "../../wire/layout.ts";
import { makeRing, RingReader, RingWriter, resetRing } from "../../wire/ring.ts";
import type { ActorSpec, CarrierData, CarrierModule, Ticket } from "../../wire/specs.ts";
import { reasonOf } from "../errors.ts";
import { Calls } from "./calls.ts";
import type { MainMesh } from "./main-mesh.ts";

const RING_BYTES = 256 * 1024;
/** Rings of threads that have ended. Used again, since V8 does not count shared memory: it would pile up unseen. */
const freeRings: SharedArrayBuffer[] = [];

export type CarrierState = "warming" | "spare" | "taken" | "condemned" | "gone";

/** What is known of the thing that runs in a carrier now. */
export interface Running {
  /** Sequence number of the request, or SEQ_STARTING while an actor starts. */
  readonly seq: number;
  /** The actor that runs it. */
  readonly pid: number;
  readonly ms: number;
}

/** Called while rings are drained, never inside an acceptor's handler. Views into `bytes` end with the call. */
export interface CarrierEvents {
  /** A guest of that environment sent `bytes[start .. start + length)` to a reply pid. */
  reply(environment: number, replyPid: number, bytes: Buffer, start: number, length: number): void;
  /** Request `seq` of an actor has ended; its reply, if it sent one, came before. `goesOn`: see DONE. */
  done(carrier: Carrier, actorPid: number, seq: number, exit: Exit, micros: number, goesOn: number): void;
  /** Request `seq` of a light actor waits in the middle: its carrier is free for others. `done` comes later. */
  suspended(carrier: Carrier, actorPid: number, seq: number): void;
  /** Request `seq` of a light actor does from now on what others can see. */
  seen(carrier: Carrier, actorPid: number, seq: number): void;
  /** @param actorPid 0: the output is of another process of the environment */
  output(carrier: Carrier, actorPid: number, environment: number, stream: number, text: Buffer): void;
  /** A process that is no actor has failed, or one whose end is awaited has ended. */
  exited(carrier: Carrier, pid: number, environment: number, exit: Exit): void;
  /** No process of a request is left in a carrier, where so many of them were made for the main thread. */
  orphaned(carrier: Carrier, environment: number, replyPid: number, births: number): void;
  /** An actor could not make its next instance; requests for it stay in the ring until they are taken back. */
  ended(carrier: Carrier, actorPid: number, exit: Exit): void;
  /** The thread has ended, asked to or not; everything it wrote has been seen. */
  gone(carrier: Carrier, why: string): void;
  /** A carrier is warm and free. */
  spare(): void;
  /** All rings have been read; there may be room in those that were full. */
  drained(): void;
}

export interface CarrierOptions extends Pick<CarrierData, "slot" | "bell" | "locks" | "filesMax"> {
  readonly id: number;
  /** Makes the thread. */
  readonly start: (id: number, data: CarrierData) => Worker;
  /** Told when the thread has ended, or is late. */
  readonly onEnd: (carrier: Carrier, why: string) => void;
}

export class Carrier {
  readonly id: number;
  /** Its thread's number in pids: 1 to 1,023 (slots.ts). */
  readonly slot: number;
  readonly requests: RingWriter;
  readonly replies: RingReader;
  state: CarrierState = "warming";
  /** True when `kill` was asked for and the thread has not ended within the grace time. */
  isLate = false;
  /** Shared: actors of several services, one request at a time. Dedicated: one actor, requests ahead in its ring. */
  isShared = false;
  /** Shared by light actors only: whoever runs here gives way to the others. */
  givesWay = false;
  /** What runs here has held up the others for so long that nobody else should begin here (watchdog.ts). */
  isHeldUp = false;
  /** Actors that are placed here, starting ones included. */
  tenants = 0;
  /** Requests in its ring, begun or not. */
  sent = 0;
  readonly #words: Int32Array;
  readonly #asleep: Bell;
  readonly #worker: Worker;
  readonly #tickets: MessagePort;
  readonly #mesh: MessagePort;
  readonly #blocks = new Map<number, ArrayBuffer>();
  readonly #control: Comlink.Remote<CarrierControl>;
  readonly #calls = new Calls();
  /** Starts under way. */
  #starts = 0;
  #giveUp: (why: string) => void = () => {};
  /** Called when the thread has really ended. */
  onExit: (() => void) | null = null;
  #ticket = 0;
  #seq = 0;

  constructor({ id, slot, bell, locks, filesMax, start, onEnd }: CarrierOptions) {
    this.id = id;
    this.slot = slot;
    const [tickets, theirTickets] = ports();
    const [mesh, theirMesh] = ports();
    const [port, theirPort] = ports();
    const data: CarrierData = {
      slot,
      bell,
      locks,
      control: new SharedArrayBuffer(CONTROL.bytes),
      requests: takeRing(),
      replies: takeRing(),
      filesMax,
      tickets: theirTickets,
      mesh: theirMesh,
      port: theirPort,
    };
    this.#words = new Int32Array(data.control);
    this.#asleep = new Bell(this.#words, CONTROL.asleep);
    this.requests = new RingWriter(data.requests);
    this.replies = new RingReader(data.replies, () => this.#asleep.ring());
    this.#tickets = tickets;
    this.#mesh = mesh;
    this.#worker = start(id, data);
    this.#control = Comlink.wrap<CarrierControl>(nodeEndpoint(port));
    let why = "";
    this.#worker.on("error", (error) => {
      why = reasonOf(error);
    });
    const ended = new Promise<string>((resolve) => {
      this.#giveUp = resolve;
      this.#worker.on("exit", (code) => {
        port.close();
        resolve(why === "" ? `its thread ended with code ${code}` : why);
        this.onExit?.();
      });
    });
    void ended.then((text) => {
      onEnd(this, text);
      this.#calls.end(text);
      tickets.close();
      mesh.close();
      if (!this.isLate) freeRings.push(data.requests, data.replies);
    });
  }

  /** From now on other threads can send it signals. */
  join(mesh: MainMesh): void {
    mesh.join(this.slot, this.#words.buffer as SharedArrayBuffer, this.#mesh);
  }

  /** Resolves once the carrier answers control calls. @throws if its thread ends first */
  async warm(): Promise<void> {
    await this.#calls.ask(this.#control.stop(0));
  }

  /**
   * Starts an actor. Guest start code runs in the carrier, so this may never settle unless the carrier is killed.
   * @returns why it did not start, or null. @throws if the thread ends first
   */
  start(spec: ActorSpec): Promise<string | null> {
    this.#starts++;
    const asked = this.#calls.ask(this.#control.start(spec)).finally(() => {
      this.#starts--;
    });
    this.wake();
    return asked;
  }

  /** Forgets an actor; the carrier can be used again afterwards. */
  stop(pid: number): Promise<void> {
    const asked = this.#calls.ask(this.#control.stop(pid));
    this.wake();
    return asked;
  }

  /** Makes a process that is no actor. @returns its pid, or why there is none. @throws if the thread ends first */
  spawn(spec: BirthSpec): Promise<number | string> {
    const asked = this.#calls.ask<number | string>(this.#control.spawn(spec));
    this.wake();
    return asked;
  }

  /** Ends all processes of an environment here. */
  closeEnvironment(id: number): Promise<void> {
    const asked = this.#calls.ask(this.#control.close(id));
    this.wake();
    return asked;
  }

  /**
   * Lets go of a module here.
   * @returns false if a process of the environment runs it. @throws if the thread ends first
   */
  drop(environment: number, digest: string): Promise<boolean> {
    const asked = this.#calls.ask<boolean>(this.#control.drop(environment, digest));
    this.wake();
    return asked;
  }

  /** A module that processes here may be made of. It is there before the answer that names it. */
  sendModule(key: string, module: CarrierModule): void {
    const message: SentModule = { key, module };
    this.#tickets.postMessage(message);
  }

  /** True while an actor's start is asked for and not answered. */
  get isStarting(): boolean {
    return this.#starts > 0;
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
    const low = Atomics.load(this.#words, CONTROL.pidLow) >>> 0;
    const pid = low + Atomics.load(this.#words, CONTROL.pidHigh) * 2 ** 32;
    // The carrier writes its time first and swaps the state then: the same state before and after means they belong
    // together.
    if (Atomics.load(this.#words, CONTROL.state) !== seq) return null;
    return { seq, pid, ms: elapsedMs(began, monotonicMs()) };
  }

  /** Environment of the light process that has the turn, or had it last. */
  get turnOf(): number {
    return Atomics.load(this.#words, CONTROL.turnOf);
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

  /** Gives away a payload that is too large for the ring. @returns the ticket that the frame must name */
  postBlock(block: ArrayBuffer): number {
    this.#ticket = (this.#ticket + 1) >>> 0;
    const message: Ticket = { ticket: this.#ticket, block };
    this.#tickets.postMessage(message, [block]);
    return this.#ticket;
  }

  /** The payload that a reply frame names; it was posted before the frame was committed. */
  takeBlock(ticket: number): ArrayBuffer | undefined {
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

  /** The kernel's number for its thread; 0: not known. */
  get thread(): number {
    return Atomics.load(this.#words, CONTROL.thread);
  }

  counter(word: "deadLetters" | "outputDropped" | "instances" | "lightInstances" | "mismatches"): number {
    return Atomics.load(this.#words, CONTROL[word]) >>> 0;
  }

  /** The thread does not end in time: everybody who waits for its end is told that it has. */
  declareDead(): void {
    this.isLate = true;
    this.#giveUp("its thread has not ended in time");
  }

  /** Ends the thread. A system call that blocks holds it. */
  terminate(): Promise<number> {
    return this.#worker.terminate();
  }
}

function takeRing(): SharedArrayBuffer {
  const free = freeRings.pop();
  if (free === undefined) return makeRing(RING_BYTES);
  resetRing(free);
  return free;
}

function ports(): [MessagePort, MessagePort] {
  const { port1, port2 } = new MessageChannel();
  port1.unref();
  return [port1, port2];
}
