// A request in the bytes its guest will read: kept, written into a carrier's ring, taken back from it.

import { CLAIM_CANCELLED, CLAIM_PENDING, FRAME, KIND } from "../../wire/layout.ts";
import { claimFrame } from "../../wire/ring.ts";
import type { Head } from "../acceptor/contract.ts";
import type { Carrier } from "../carriers/carrier.ts";
import { fillInSlices, SLICE_BYTES } from "../slices.ts";
import { encodeBodyLength, encodeHead, encodeTail, headBytesMax, TAIL_BYTES_MAX } from "./codec.ts";

const NO_BODY = new Uint8Array(0);
/** Heads that cannot go into a ring at once are encoded here and copied out in their true size. */
let scratch = Buffer.alloc(64 * 1024);

export class Envelope {
  readonly requestId: string;
  /** Unique for each run and never used again; the table of replies is keyed by it (DECISIONS 4.2). */
  replyPid: number;
  /** The tag that is in the encoded head; the reply must name it. */
  readonly tag: number;
  /** The message up to the body, encoded; null while the ring's bytes are the only ones. */
  head: Buffer | null = null;
  body: Uint8Array = NO_BODY;
  /** What the next carrier gets of a message that is too large for a ring, if it was made beforehand. */
  #block: ArrayBuffer | null = null;
  #bodyAt = 0;
  /** Sequence number in its carrier, offset of its frame in the ring, and bytes of the message in it. */
  seq = 0;
  offset = 0;
  length = 0;

  constructor(requestId: string, replyPid: number) {
    this.requestId = requestId;
    this.replyPid = replyPid;
    this.tag = replyPid;
  }

  /** Keeps the encoded head, because the request cannot go into a ring now. */
  keepHead(head: Head): void {
    const bytesMax = headBytesMax(head);
    if (bytesMax > scratch.length) scratch = Buffer.alloc(bytesMax);
    this.head = Buffer.from(scratch.subarray(0, encodeHead(scratch, 0, head, this.requestId, this.tag)));
  }

  /**
   * Writes the request into the carrier's ring: from `head` where it is given (no copy in between), else as kept.
   * @returns false if the ring has no room
   */
  send(carrier: Carrier, pid: number, seq: number, head: Head | null): boolean {
    const ring = carrier.requests;
    if (head !== null) {
      const at = ring.reserve(headBytesMax(head) + TAIL_BYTES_MAX);
      if (at < 0) return false;
      const end = this.#finish(ring.bytes, encodeHead(ring.bytes, at, head, this.requestId, this.tag));
      this.#commit(carrier, pid, seq, KIND.request, end - at);
      return true;
    }
    const kept = this.head as Buffer;
    const sizeMax = kept.length + this.body.length + TAIL_BYTES_MAX;
    if (sizeMax <= ring.payloadMax) {
      const at = ring.reserve(sizeMax);
      if (at < 0) return false;
      kept.copy(ring.bytes, at);
      this.#commit(carrier, pid, seq, KIND.request, this.#finish(ring.bytes, at + kept.length) - at);
      return true;
    }
    const at = ring.reserve(4);
    if (at < 0) return false;
    const block = this.#block ?? this.#makeBlock();
    if (this.#block === null) new Uint8Array(block).set(this.body, this.#bodyAt);
    this.#block = null; // it is the carrier's now; one for another run is made anew
    ring.bytes.writeUInt32LE(carrier.postBlock(block), at);
    this.#commit(carrier, pid, seq, KIND.request | KIND.ticket, 4);
    return true;
  }

  /** True if its body is so large that it must not be copied in one turn: then wait for `prepare` before `send`. */
  get isLarge(): boolean {
    return this.body.length > SLICE_BYTES;
  }

  /** Copies a large body in slices into what its carrier gets. Its head must be kept. */
  async prepare(): Promise<void> {
    const block = this.#makeBlock();
    await fillInSlices(new Uint8Array(block, this.#bodyAt, this.body.length), this.body);
    this.#block = block;
  }

  /** The whole message but its body's bytes, which belong at `#bodyAt`. */
  #makeBlock(): ArrayBuffer {
    const kept = this.head as Buffer;
    const begin = encodeBodyLength(scratch, 0, this.body.length);
    const end = encodeTail(scratch, begin, this.replyPid);
    this.#bodyAt = kept.length + begin;
    const bytes = new Uint8Array(this.#bodyAt + this.body.length + end - begin);
    bytes.set(kept);
    bytes.set(scratch.subarray(0, begin), kept.length);
    bytes.set(scratch.subarray(begin, end), this.#bodyAt + this.body.length);
    return bytes.buffer;
  }

  /**
   * Takes the request back from a ring unless the carrier has begun it. The carrier's replies must have been drained
   * right before: then the frame's bytes are still its own.
   */
  takeBack(carrier: Carrier): boolean {
    const ring = carrier.requests;
    if (!claimFrame(ring.words, this.offset, CLAIM_PENDING, CLAIM_CANCELLED)) return false;
    this.restore(carrier);
    return true;
  }

  /** Makes it ready to be sent again: keeps what is only in the ring's bytes. */
  restore(carrier: Carrier): void {
    if (this.head === null) {
      const at = this.offset + FRAME.bytes;
      // It was encoded into the ring, without a body: what follows the head is the empty body and the tail.
      const tail = this.#finish(scratch, 0);
      this.head = Buffer.from(carrier.requests.bytes.subarray(at, at + this.length - tail));
    }
  }

  /** Lets a request that had begun run once more, for another reply: the first run's may still come. */
  runAgain(carrier: Carrier, replyPid: number): void {
    this.restore(carrier);
    this.replyPid = replyPid;
  }

  #finish(out: Buffer, at: number): number {
    const body = this.body;
    const start = encodeBodyLength(out, at, body.length);
    out.set(body, start);
    return encodeTail(out, start + body.length, this.replyPid);
  }

  #commit(carrier: Carrier, pid: number, seq: number, kind: number, length: number): void {
    this.offset = carrier.requests.commit(kind, seq, pid, this.replyPid, length);
    this.seq = seq;
    this.length = length;
  }
}
