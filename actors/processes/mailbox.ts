// A process's mailbox: a bounded queue of messages with tags and selective receive. Lives in the carrier's own heap.

import { COST, SMALL_BYTES } from "../../wire/cost.ts";
import type { MessageResource } from "./resources.ts";

/** Kinds of messages, in the order of lunatic's receive results 0, 1, 2. */
export const messageKinds = ["data", "link_died", "process_died"] as const;
export type MessageKind = (typeof messageKinds)[number];

const NO_BYTES = new Uint8Array(0);

/** One message. Its data are `bytes[start .. start + length)`; `cursor` counts from `start`. */
export class Message {
  readonly kind: MessageKind;
  /** 0n: untagged. */
  readonly tag: bigint;
  bytes: Uint8Array;
  start: number;
  length: number;
  cursor = 0;
  /** The dead process, for process_died and link_died. */
  readonly process: number;
  /** Resources that travel with it, by their index; null: taken out. */
  resources: (MessageResource | null)[] | null = null;
  /** What it costs as long as it is in a mailbox. */
  held = 0;

  constructor(kind: MessageKind, tag: bigint, bytes: Uint8Array = NO_BYTES, start = 0, length = 0, process = 0) {
    this.kind = kind;
    this.tag = tag;
    this.bytes = bytes;
    this.start = start;
    this.length = length;
    this.process = process;
  }

  /** Bytes of the host that it takes by itself; of a ring that it lies in only its part. */
  get cost(): number {
    const { bytes, length, resources } = this;
    const data = length === 0 ? 0 : COST.buffer + Math.min(bytes.length, Math.max(SMALL_BYTES, 2 * length));
    return COST.message + data + (resources === null ? 0 : COST.resource * resources.length);
  }

  /** Gives it bytes of its own, so that those it lay in can be used for something else. */
  detach(): void {
    this.bytes = this.bytes.slice(this.start, this.start + this.length);
    this.start = 0;
  }
}

/** With more tags than this a set is quicker than to compare with each. */
const FEW_TAGS = 8;

export interface MailboxLimits {
  readonly messagesMax: number;
  readonly bytesMax: number;
}

/**
 * Keeps arrival order. A receive without tags takes the oldest message of any kind; with tags the oldest whose tag is
 * among them, and untagged messages never match, even if 0 is listed (lunatic-abi.md §2.5). Unlike lunatic's it is
 * bounded: `push` refuses data above the limits; the other kinds and the request itself always fit (DECISIONS 9.5).
 */
export class Mailbox {
  readonly #limits: MailboxLimits;
  readonly #queue: Message[] = [];
  readonly #onCost: (change: number) => void;
  #bytes = 0;
  #arrived = 0;

  /** @param onCost told of what messages that have come cost, or (negative) those that have gone */
  constructor(limits: MailboxLimits, onCost: (change: number) => void = () => {}) {
    this.#limits = limits;
    this.#onCost = onCost;
  }

  get length(): number {
    return this.#queue.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Messages that ever arrived; a mark for `takeArrivedAfter`. */
  get arrived(): number {
    return this.#arrived;
  }

  /** False if the mailbox is full; the message is then not in it. Without bound it always fits. */
  push(message: Message, isBounded = message.kind === "data"): boolean {
    if (isBounded && this.isFullFor(message.length)) return false;
    this.#queue.push(message);
    this.#bytes += message.length;
    message.held = message.cost;
    this.#onCost(message.held);
    this.#arrived++;
    return true;
  }

  /** Takes the oldest message, or the oldest with one of these tags. */
  take(tags?: readonly bigint[]): Message | undefined {
    if (tags === undefined) return this.#remove(0);
    const wanted = tags.length > FEW_TAGS ? new Set(tags) : { has: (tag: bigint) => tags.includes(tag) };
    return this.#remove(this.#queue.findIndex(({ tag }) => tag !== 0n && wanted.has(tag)));
  }

  /**
   * Takes the oldest message with one of these tags (undefined: any) that arrived after the mark; what was queued
   * before is not looked at. Nothing else may be taken between reading `arrived` as the mark and this call.
   */
  takeArrivedAfter(mark: number, tags: readonly bigint[] | undefined): Message | undefined {
    const recent = Math.min(this.#arrived - mark, this.#queue.length);
    for (let i = this.#queue.length - recent; i < this.#queue.length; i++) {
      if (tags === undefined || tags.includes((this.#queue[i] as Message).tag)) return this.#remove(i);
    }
    return undefined;
  }

  /** True if a data message of so many bytes would be refused. */
  isFullFor(bytes: number): boolean {
    return this.#queue.length >= this.#limits.messagesMax || this.#bytes + bytes > this.#limits.bytesMax;
  }

  /** True once half of its room is free again. */
  get hasMuchRoom(): boolean {
    return this.#queue.length * 2 <= this.#limits.messagesMax && this.#bytes * 2 <= this.#limits.bytesMax;
  }

  forEach(call: (message: Message) => void): void {
    for (const message of this.#queue) call(message);
  }

  /** Removes every message that the test says true of. */
  drop(test: (message: Message) => boolean): void {
    for (let i = this.#queue.length - 1; i >= 0; i--) if (test(this.#queue[i] as Message)) this.#remove(i);
  }

  #remove(index: number): Message | undefined {
    const message = this.#queue[index];
    if (message === undefined) return undefined;
    if (index === 0) this.#queue.shift();
    else this.#queue.splice(index, 1);
    this.#bytes -= message.length;
    this.#onCost(-message.held);
    return message;
  }
}
