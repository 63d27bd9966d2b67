// What other carriers are told of a mailbox that is full: that it is, what may come all the same, and when it has room.
// Pure. Their side is backpressure.ts.
import { slotOf } from "../../wire/pids.ts";
import type { Tell } from "./signals.ts";

/** So many tags that a full mailbox waits for are told; messages of others wait for room. */
const TAGS_MAX = 1024;

export class Fullness {
  readonly #pid: number;
  /** Carriers that know of it, by their slots, with a pid there. */
  readonly #carriers = new Map<number, number>();
  /** Tags that they were told it waits for, and of which no message has come since. */
  readonly #tags = new Set<bigint>();

  /** @param pid the mailbox's process */
  constructor(pid: number) {
    this.#pid = pid;
  }

  /** A message of a process of another carrier has filled it, or it was full before. */
  told(from: number, tell: Tell): void {
    if (this.#carriers.has(slotOf(from))) return;
    this.#carriers.set(slotOf(from), from);
    tell(from, { type: "full", pid: this.#pid });
    for (const tag of this.#tags) tell(from, { type: "awaits", pid: this.#pid, tag });
  }

  /** Its process waits for these tags: each is told once until a message of it has come. Untagged ones match none. */
  awaits(tags: readonly bigint[], tell: Tell): void {
    for (const tag of tags) {
      if (tag === 0n || this.#tags.has(tag) || this.#tags.size >= TAGS_MAX) continue;
      this.#tags.add(tag);
      for (const to of this.#carriers.values()) tell(to, { type: "awaits", pid: this.#pid, tag });
    }
  }

  /** A message of that tag has come. */
  came(tag: bigint): void {
    this.#tags.delete(tag);
  }

  /** It has room again, or its process has ended. */
  tellRoom(tell: Tell): void {
    for (const to of this.#carriers.values()) tell(to, { type: "room", pid: this.#pid });
  }

  /** A carrier has ended: the slot's next owner knows nothing. */
  slotGone(slot: number): void {
    this.#carriers.delete(slot);
  }
}
