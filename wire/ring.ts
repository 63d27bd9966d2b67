// Bounded single-producer single-consumer queue of frames in shared memory.
// One side is the main thread, the other a carrier.
//
// A frame is a header of 32 bytes (layout.ts, FRAME) and its payload, contiguous, at a multiple of 8. The producer
// writes the whole frame and then stores `head`: the commit. A producer that is terminated before that leaves nothing
// behind, so a ring is read up to its last commit and thrown away with its carrier (DECISIONS 1.1). Positions count
// bytes and wrap at 2^32; the capacity is a power of two, so a position's place is its low bits.
import { CLAIM_PENDING, FRAME, KIND, RING } from "./layout.ts";

const HIGH = 2 ** 32;
const align = (bytes: number): number => (bytes + 7) & ~7;

/** A shared block for a ring that holds `capacity` bytes of frames: a power of two, 64 or more. */
export function makeRing(capacity: number): SharedArrayBuffer {
  if (capacity < 64 || (capacity & (capacity - 1)) !== 0) throw new RangeError(`ring of ${capacity} bytes`);
  return new SharedArrayBuffer(RING.data + capacity);
}

/** Makes a ring like new. Both its ends must have gone. */
export function resetRing(block: SharedArrayBuffer): void {
  new Int32Array(block, 0, RING.data / 4).fill(0);
}

/** Bytes that a frame with this payload takes in a ring. */
export function frameBytes(payload: number): number {
  return FRAME.bytes + align(payload);
}

/** The producer's end. */
export class RingWriter {
  readonly words: Int32Array;
  /** The whole block as bytes; payloads are written here at the offset that `reserve` gave. */
  readonly bytes: Buffer;
  readonly capacity: number;
  #head: number;
  #tail: number;

  constructor(block: SharedArrayBuffer) {
    this.words = new Int32Array(block);
    this.bytes = Buffer.from(block);
    this.capacity = block.byteLength - RING.data;
    this.#head = Atomics.load(this.words, RING.head) >>> 0;
    this.#tail = Atomics.load(this.words, RING.tail) >>> 0;
  }

  /** The largest payload that should travel in the ring itself; larger ones go by ticket (DECISIONS 1.3). */
  get payloadMax(): number {
    return this.capacity / 4 - FRAME.bytes;
  }

  get isClosed(): boolean {
    return Atomics.load(this.words, RING.closed) !== 0;
  }

  /** Share of the ring that holds frames not yet released, 0 to 1. */
  get fill(): number {
    return ((this.#head - (Atomics.load(this.words, RING.tail) >>> 0)) >>> 0) / this.capacity;
  }

  /**
   * Makes room for a payload of at most `payload` bytes.
   * @returns the payload's offset in `bytes`, or -1 if there is no room now (or never: above the capacity). Then a pad
   *   may have been committed: whoever sleeps until there is room wakes the consumer first.
   */
  reserve(payload: number): number {
    const size = frameBytes(payload);
    let place = this.#head & (this.capacity - 1);
    const toEnd = this.capacity - place;
    if (size > toEnd) {
      if (!this.#hasRoom(toEnd)) return -1;
      // A pad needs only its kind; it is committed by itself, so that a frame as large as the ring fits in the end.
      this.words[((RING.data + place) >> 2) + FRAME.kind] = KIND.pad;
      this.#commit(toEnd);
      place = 0;
    }
    return this.#hasRoom(size) ? RING.data + place + FRAME.bytes : -1;
  }

  /**
   * Commits the reserved frame. The payload has been written at the offset from `reserve`, `length` bytes of it.
   * @returns the frame's offset in `bytes`, for a later look at its claim word.
   */
  commit(kind: number, seq: number, pid: number, about: number, length: number): number {
    const offset = RING.data + (this.#head & (this.capacity - 1));
    const words = this.words;
    const at = offset >> 2;
    words[at + FRAME.length] = length;
    words[at + FRAME.kind] = kind;
    words[at + FRAME.claim] = 0;
    words[at + FRAME.seq] = seq;
    words[at + FRAME.pidLow] = pid | 0;
    words[at + FRAME.pidHigh] = (pid / HIGH) | 0;
    words[at + FRAME.aboutLow] = about | 0;
    words[at + FRAME.aboutHigh] = (about / HIGH) | 0;
    this.#commit(frameBytes(length));
    return offset;
  }

  /**
   * Says that the producer waits for room; the consumer's next release clears it and wakes. Look for room once more.
   */
  starve(): void {
    Atomics.store(this.words, RING.starved, 1);
  }

  /**
   * Blocks until the consumer has released something or `ms` have passed. Carriers only.
   * @param wake wakes the consumer; called after the last look for room
   */
  waitForRoom(payload: number, ms: number, wake: () => void): number {
    this.starve();
    const offset = this.reserve(payload);
    if (offset >= 0) return offset;
    wake();
    Atomics.wait(this.words, RING.starved, 1, ms);
    return this.reserve(payload);
  }

  close(): void {
    Atomics.store(this.words, RING.closed, 1);
  }

  #hasRoom(size: number): boolean {
    if (this.capacity - ((this.#head - this.#tail) >>> 0) >= size) return true;
    this.#tail = Atomics.load(this.words, RING.tail) >>> 0;
    return this.capacity - ((this.#head - this.#tail) >>> 0) >= size;
  }

  #commit(size: number): void {
    this.#head = (this.#head + size) >>> 0;
    Atomics.store(this.words, RING.head, this.#head | 0);
  }
}

/** The consumer's end: `next` shows a frame in the fields below, `release` gives its bytes back. */
export class RingReader {
  readonly words: Int32Array;
  readonly bytes: Buffer;
  readonly capacity: number;
  /** Of the frame shown: the payload's offset in `bytes`, its length, and the header's fields. */
  offset = 0;
  length = 0;
  kind = 0;
  seq = 0;
  pid = 0;
  about = 0;
  #tail: number;
  #head: number;
  #size = 0;
  readonly #onRoom: () => void;

  /** @param onRoom called after a release for which the producer waits in an event loop (a blocked one is notified) */
  constructor(block: SharedArrayBuffer, onRoom: () => void = () => {}) {
    this.words = new Int32Array(block);
    this.bytes = Buffer.from(block);
    this.capacity = block.byteLength - RING.data;
    this.#tail = Atomics.load(this.words, RING.tail) >>> 0;
    this.#head = this.#tail;
    this.#onRoom = onRoom;
  }

  get isClosed(): boolean {
    return Atomics.load(this.words, RING.closed) !== 0;
  }

  /** True if a committed frame (or a pad) waits. */
  get hasNext(): boolean {
    return this.#tail !== Atomics.load(this.words, RING.head) >>> 0;
  }

  /** Shows the oldest committed frame; false if there is none. Calling it again without `release` shows the same. */
  next(): boolean {
    for (;;) {
      if (this.#tail === this.#head) {
        this.#head = Atomics.load(this.words, RING.head) >>> 0;
        if (this.#tail === this.#head) return false;
      }
      const place = this.#tail & (this.capacity - 1);
      const words = this.words;
      const at = (RING.data + place) >> 2;
      const kind = words[at + FRAME.kind] as number;
      if (kind === KIND.pad) {
        this.#size = this.capacity - place;
        this.release();
        continue;
      }
      this.kind = kind;
      this.length = words[at + FRAME.length] as number;
      this.seq = words[at + FRAME.seq] as number;
      this.pid = ((words[at + FRAME.pidLow] as number) >>> 0) + (words[at + FRAME.pidHigh] as number) * HIGH;
      this.about = ((words[at + FRAME.aboutLow] as number) >>> 0) + (words[at + FRAME.aboutHigh] as number) * HIGH;
      this.offset = RING.data + place + FRAME.bytes;
      this.#size = frameBytes(this.length);
      return true;
    }
  }

  /** True if nobody has claimed the shown frame yet. */
  get isPending(): boolean {
    return Atomics.load(this.words, ((this.offset - FRAME.bytes) >> 2) + FRAME.claim) === CLAIM_PENDING;
  }

  /** Swaps the shown frame's claim word; true if it was `from`. */
  claim(from: number, to: number): boolean {
    return claimFrame(this.words, this.offset - FRAME.bytes, from, to);
  }

  /** Gives the shown frame's bytes back to the producer. */
  release(): void {
    this.#tail = (this.#tail + this.#size) >>> 0;
    this.#size = 0;
    Atomics.store(this.words, RING.tail, this.#tail | 0);
    if (Atomics.load(this.words, RING.starved) === 1 && Atomics.exchange(this.words, RING.starved, 0) === 1) {
      Atomics.notify(this.words, RING.starved);
      this.#onRoom();
    }
  }

  close(): void {
    Atomics.store(this.words, RING.closed, 1);
  }
}

/** Swaps the claim word of the frame at `offset` from one value to another; true if this call did it. */
export function claimFrame(words: Int32Array, offset: number, from: number, to: number): boolean {
  const at = (offset >> 2) + FRAME.claim;
  return Atomics.compareExchange(words, at, from, to) === from;
}
