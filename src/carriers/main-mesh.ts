// The main thread's side of the mesh: makes the rings between threads, tells of ended ones, and is an end itself.
//
// A thread leaves when its end is reported; its slot and its rings' memory are free when it has really ended and the
// other ends have read what it wrote. Each end says so by closing the ring that it wrote.
import { MessageChannel, type MessagePort } from "node:worker_threads";
import { Bell } from "../../wire/bell.ts";
import { BELL, CONTROL, RING } from "../../wire/layout.ts";
import { Mesh } from "../../wire/mesh.ts";
import type { MeshNote } from "../../wire/mesh-peer.ts";
import { pidEnd } from "../../wire/pids.ts";
import { makeRing, resetRing } from "../../wire/ring.ts";

const RING_BYTES = 64 * 1024;

interface Member {
  readonly slot: number;
  /** The block and word that it sleeps on; in a carrier's, notes are counted. */
  readonly bell: SharedArrayBuffer;
  readonly bellWord: number;
  /** Null for the main thread itself. */
  readonly port: MessagePort | null;
  readonly pairs: Map<Member, Pair>;
  hasLeft: boolean;
  hasEnded: boolean;
}

/** Two members and the ring that each of them writes. */
interface Pair {
  readonly members: readonly [Member, Member];
  readonly rings: readonly [SharedArrayBuffer, SharedArrayBuffer];
}

export class MainMesh extends Mesh {
  readonly #main: Member;
  readonly #members = new Map<number, Member>();
  readonly #ringBytes: number;
  /** Pairs of which an end has left, until their rings can be used again. */
  readonly #parted = new Set<Pair>();
  readonly #freeRings: SharedArrayBuffer[] = [];

  /**
   * @param bell the node's bell block
   * @param ringBytes of each ring: a power of two, 64 or more
   * @param backlogBytesMax signals that wait for one carrier; 8 MiB
   */
  constructor(bell: SharedArrayBuffer, ringBytes = RING_BYTES, backlogBytesMax?: number) {
    super({
      slot: 0,
      connect: (slot) => this.connect(0, slot),
      notes: null,
      ...(backlogBytesMax === undefined ? {} : { backlogBytesMax }),
    });
    this.#ringBytes = ringBytes;
    this.#main = member(0, bell, BELL.asleep, null);
    this.#members.set(0, this.#main);
  }

  /** Rings that wait to be used again, and those whose end has left but not been heard of by the other. */
  get idleRings(): number {
    this.#reclaim();
    return this.#freeRings.length + 2 * this.#parted.size;
  }

  /**
   * A carrier can be sent to and ask for rings. Call it before its thread starts.
   * @param control its control block
   * @param port where notes for it are posted
   */
  join(slot: number, control: SharedArrayBuffer, port: MessagePort): void {
    this.#members.set(slot, member(slot, control, CONTROL.asleep, port));
  }

  /** Gives two threads their rings, if they have none; tells `from` if there is no `to`. */
  connect(from: number, to: number): void {
    const [a, b] = [this.#members.get(from), this.#members.get(to)];
    if (a === undefined || a.hasLeft) return;
    if (b === undefined || b.hasLeft || b === a)
      this.#note(a, { slot: to, rings: null, pidEnd: pidEnd(this.#main.bell) });
    else if (!a.pairs.has(b)) {
      this.#reclaim();
      const pair: Pair = { members: [a, b], rings: [this.#takeRing(), this.#takeRing()] };
      const [forth, back] = pair.rings;
      const { port1, port2 } = new MessageChannel();
      a.pairs.set(b, pair);
      b.pairs.set(a, pair);
      const [toA, toB] = [
        { bell: b.bell, bellWord: b.bellWord, tickets: port1, out: forth, in: back },
        { bell: a.bell, bellWord: a.bellWord, tickets: port2, out: back, in: forth },
      ];
      this.#note(a, { slot: to, rings: toA, pidEnd: 0 });
      this.#note(b, { slot: from, rings: toB, pidEnd: 0 });
    }
  }

  /** A carrier's end is reported: whoever had rings with it reads what it wrote, and then hears that it is gone. */
  leave(slot: number): void {
    const left = this.#members.get(slot);
    if (left === undefined || left.hasLeft) return;
    left.hasLeft = true;
    for (const [other, pair] of left.pairs) {
      other.pairs.delete(left);
      this.#parted.add(pair);
      this.#note(other, { slot, rings: null, pidEnd: pidEnd(this.#main.bell) });
    }
    left.pairs.clear();
  }

  /** A carrier's thread has really ended: its slot may have a new owner. */
  ended(slot: number): void {
    this.leave(slot);
    const left = this.#members.get(slot);
    if (left === undefined) return;
    left.hasEnded = true;
    this.#members.delete(slot);
  }

  /** The bell is rung also for what the ended thread committed and had no time to ring for. */
  #note(to: Member, note: MeshNote): void {
    const words = new Int32Array(to.bell);
    if (to.port === null) this.hand(note);
    else {
      to.port.postMessage(note, note.rings === null ? [] : [note.rings.tickets]);
      Atomics.add(words, CONTROL.mesh, 1);
    }
    new Bell(words, to.bellWord).ring();
  }

  #takeRing(): SharedArrayBuffer {
    return this.#freeRings.pop() ?? makeRing(this.#ringBytes);
  }

  #reclaim(): void {
    for (const pair of this.#parted) {
      const isFree = pair.members.every(({ hasEnded }, i) => {
        return hasEnded || Atomics.load(new Int32Array(pair.rings[i] as SharedArrayBuffer), RING.closed) === 1;
      });
      if (!isFree) continue;
      this.#parted.delete(pair);
      for (const ring of pair.rings) {
        resetRing(ring);
        this.#freeRings.push(ring);
      }
    }
  }
}

function member(slot: number, bell: SharedArrayBuffer, bellWord: number, port: MessagePort | null): Member {
  return { slot, bell, bellWord, port, pairs: new Map(), hasLeft: false, hasEnded: false };
}
