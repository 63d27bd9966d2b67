// Signals between threads: rings from each to each, made on first use. One object a thread, the main thread included.
//
// Who has signals for a thread and no rings asks the main thread for them, and goes on: what it sends waits here.
// Signals from one process to another arrive in order, whether they waited, travelled in the ring or beside it.
// Every change that a thread may wait for rings its own bell (the word it sleeps on): a frame, a note of the main
// thread, room in a ring that was full. So it sleeps, blocked or in its event loop, with `hasNext` as its last look.
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { CONTROL, SIGNAL } from "./layout.ts";
import type { MeshNote } from "./mesh-peer.ts";
import { MeshPeer, type SignalHandler } from "./mesh-peer.ts";

/** Signals that wait for one thread, bytes: what a guest can send at will is refused above it. */
const BACKLOG_BYTES_MAX = 8 << 20;
/** Frames of one peer that one poll takes, so that others have their turn. */
const FRAMES_A_TURN = 256;
/** What follows from an end or from a question: never refused (DECISIONS 9.5). */
const neverRefused: ReadonlySet<number> = new Set([SIGNAL.fate, SIGNAL.answer, SIGNAL.forget, SIGNAL.end_request]);

/** Where a carrier's notes come from. */
export interface MeshNotes {
  /** The carrier's control block. */
  readonly words: Int32Array;
  readonly port: MessagePort;
}

export interface MeshOptions {
  /** This thread's slot. */
  readonly slot: number;
  /** Asks for rings to a thread; a note answers: the rings, or that there is no such thread. */
  readonly connect: (slot: number) => void;
  /** Null on the main thread, which hands over its notes itself. */
  readonly notes: MeshNotes | null;
  /** For tests; 8 MiB. */
  readonly backlogBytesMax?: number;
}

export class Mesh {
  /**
   * Called in a poll when the thread of a slot has ended, or there was none, and all that it wrote has been told: no
   * process of the slot with a pid below `pidEnd` lives. (One with a larger pid is of the slot's next owner.)
   */
  onPeerGone: (slot: number, pidEnd: number) => void = () => {};
  readonly #options: MeshOptions;
  readonly #backlogBytesMax: number;
  readonly #bySlot = new Map<number, MeshPeer>();
  /** The same as an array, for the looks. */
  readonly #peers: MeshPeer[] = [];
  /** Threads that have ended and whose last frames are to be read. */
  readonly #gone: MeshPeer[] = [];
  #notesTaken = 0;
  #isPolling = false;

  constructor(options: MeshOptions) {
    this.#options = options;
    this.#backlogBytesMax = options.backlogBytesMax ?? BACKLOG_BYTES_MAX;
  }

  /**
   * Sends a signal to a process of another thread. Never blocks; the payload is copied. If the thread does not exist or
   * ends, `onPeerGone` follows, or the signal reaches the slot's next owner, which has no such process.
   * @param environment u32
   * @param isGiven the payload is nobody else's if it was not refused: a large one goes without a copy, which would
   *   wait for the garbage collector
   * @returns false if it was refused, because too much waits for that thread already: try again when `isWritable`.
   *   Signals that follow from an end, and answers, are never refused.
   * @throws RangeError if the slot is this thread's own
   */
  send(
    toSlot: number,
    kind: number,
    toPid: number,
    fromPid: number,
    environment: number,
    payload: Uint8Array,
    start: number,
    length: number,
    isGiven = false,
  ): boolean {
    if (toSlot === this.#options.slot) throw new RangeError(`slot ${toSlot} is this thread's own`);
    // Before anything else: if the thread's slot has a new owner, the old one's rings lead nowhere.
    this.#takeNotes();
    const peer = this.#bySlot.get(toSlot) ?? this.#meet(toSlot);
    if (peer.backlogBytes >= this.#backlogBytesMax && !neverRefused.has(kind)) {
      peer.flush();
      if (peer.backlogBytes >= this.#backlogBytesMax) return false;
    }
    peer.send(kind, toPid, fromPid, environment, payload, start, length, isGiven);
    return true;
  }

  /**
   * False while `send` to this thread may be refused. It becomes true in `poll` only, also in one that tells nothing;
   * `hasNext` says when to call that. Whoever waits to send looks at both before it sleeps.
   */
  isWritable(slot: number): boolean {
    return (this.#bySlot.get(slot)?.backlogBytes ?? 0) < this.#backlogBytesMax;
  }

  /** True if `poll` has something to do. Cheap: one atomic load without peers, one more for each. */
  hasNext(): boolean {
    if (this.#hasNotes || this.#gone.length > 0) return true;
    for (const peer of this.#peers) if (peer.hasNext) return true;
    return false;
  }

  /**
   * Tells what came, and sends what waits as far as there is room. The handler may send; a poll in it does nothing.
   * @returns true if anything came or a thread has gone
   */
  poll(handler: SignalHandler): boolean {
    if (this.#isPolling) return false;
    this.#isPolling = true;
    try {
      this.#takeNotes();
      let came = this.#tellGone(handler);
      for (let i = 0; i < this.#peers.length; i++) {
        const peer = this.#peers[i] as MeshPeer;
        peer.flush();
        came += peer.read(handler, FRAMES_A_TURN);
        // The handler may have sent, and so taken notes: the next one's slot may have a new owner.
        came += this.#tellGone(handler);
      }
      return came > 0;
    } finally {
      this.#isPolling = false;
    }
  }

  /** Takes a note of the main thread. */
  hand({ slot, rings, pidEnd }: MeshNote): void {
    const peer = this.#bySlot.get(slot) ?? this.#add(slot);
    if (rings !== null) peer.attach(rings);
    else {
      this.#bySlot.delete(slot);
      this.#peers.splice(this.#peers.indexOf(peer), 1);
      peer.pidEnd = pidEnd;
      this.#gone.push(peer);
    }
  }

  /** Tells the last of threads that have ended, and that they have. @returns how many */
  #tellGone(handler: SignalHandler): number {
    let count = 0;
    for (let peer = this.#gone[0]; peer !== undefined; peer = this.#gone[0], count++) {
      peer.read(handler, Number.POSITIVE_INFINITY);
      peer.close();
      this.#gone.shift();
      this.onPeerGone(peer.slot, peer.pidEnd);
    }
    return count;
  }

  get #hasNotes(): boolean {
    const { notes } = this.#options;
    return notes !== null && Atomics.load(notes.words, CONTROL.mesh) !== this.#notesTaken;
  }

  /** A note is counted after it was posted, so it is in the port. */
  #takeNotes(): void {
    while (this.#hasNotes) {
      const received = receiveMessageOnPort((this.#options.notes as MeshNotes).port);
      if (received === undefined) throw new Error("a note of the mesh is not in the port");
      this.#notesTaken = (this.#notesTaken + 1) | 0;
      this.hand(received.message as MeshNote);
    }
  }

  #meet(slot: number): MeshPeer {
    const peer = this.#add(slot);
    this.#options.connect(slot);
    return peer;
  }

  #add(slot: number): MeshPeer {
    const peer = new MeshPeer(slot);
    this.#bySlot.set(slot, peer);
    this.#peers.push(peer);
    return peer;
  }
}
