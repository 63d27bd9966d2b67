// Senders of one carrier that must wait: for room in a mailbox, here or elsewhere, or on the way to a carrier. Pure.
import { slotOf } from "../../wire/pids.ts";
import { Waiters } from "./waiters.ts";

export class Backpressure {
  readonly #poke: (pid: number) => void;
  /** By the mailbox's pid. */
  readonly #forRoom = new Waiters();
  /** By the slot that the way leads to. */
  readonly #forWay = new Waiters();
  /**
   * Mailboxes of other carriers that are full: nobody here sends to them, whoever filled them, but one message of each
   * tag that they wait for (DECISIONS 9.5).
   */
  readonly #full = new Map<number, Set<bigint>>();

  /** @param poke a process that may try again */
  constructor(poke: (pid: number) => void) {
    this.#poke = poke;
  }

  /** Mailboxes that somebody waits for. */
  get waitedFor(): number {
    return this.#forRoom.size;
  }

  /** True if somebody waits for a way. */
  get isBarred(): boolean {
    return this.#forWay.size > 0;
  }

  /** True if the mailbox of that process of another carrier is known to be full, and not to wait for that tag. */
  isFullFor(pid: number, tag: bigint): boolean {
    return this.#full.get(pid)?.has(tag) === false;
  }

  /** A message of that tag went to it. */
  sent(pid: number, tag: bigint): void {
    this.#full.get(pid)?.delete(tag);
  }

  /** Another carrier says that a mailbox of its is full. */
  filled(pid: number): void {
    this.#full.set(pid, new Set());
  }

  /** And that its process waits for a message of that tag. */
  awaits(pid: number, tag: bigint): void {
    this.#full.get(pid)?.add(tag);
    this.poke(pid);
  }

  waitForRoom(pid: number, sender: number): void {
    this.#forRoom.add(pid, sender);
  }

  waitForWay(slot: number, sender: number): void {
    this.#forWay.add(slot, sender);
  }

  /** There is room in that mailbox, or its process has ended. */
  hasRoom(pid: number): void {
    this.#full.delete(pid);
    this.poke(pid);
  }

  /** Whoever waits to send to that process may try again. */
  poke(pid: number): void {
    if (this.#forRoom.size > 0) for (const sender of this.#forRoom.take(pid)) this.#poke(sender);
  }

  /** The ways that are free again. */
  retry(isWritable: (slot: number) => boolean): void {
    for (const slot of [...this.#forWay.keys()]) {
      if (isWritable(slot)) for (const sender of this.#forWay.take(slot)) this.#poke(sender);
    }
  }

  /** A process has ended: it does not wait any more, and nobody waits for it. */
  ended(pid: number): void {
    this.#forRoom.forget(pid);
    this.#forWay.forget(pid);
    this.hasRoom(pid);
  }

  /** A carrier has ended with all its processes: those of its slot below `pidEnd`. */
  slotGone(slot: number, pidEnd: number): void {
    for (const pid of this.#full.keys()) if (slotOf(pid) === slot && pid < pidEnd) this.hasRoom(pid);
  }
}
