// Collects one request's body under its limits: bytes, time, and the node-wide budget. Both acceptors use it.
import { SLICE_BYTES } from "../slices.ts";
import { after, type Timer } from "../timer.ts";
import type { AcceptorOptions, BodyBudget } from "./contract.ts";

/** First buffer of a chunked body; doubled until the limit. */
const CHUNKED_BYTES_MIN = 4096;

/** The socket that the body comes from, and what to do at its deadline. */
export interface BodySource {
  pause(): void;
  resume(): void;
  /** The body is not whole after `bodyMs`. */
  late(): void;
}

/**
 * The whole body is reserved from the budget before it is read (of a chunked one its limit), so readers that have
 * begun always finish and never wait for each other; the others are paused. What a paused socket had already received
 * is kept.
 */
export class BodyReader {
  readonly #announced: number;
  readonly #bytesMax: number;
  readonly #budget: BodyBudget;
  readonly #source: BodySource;
  readonly #deadline: Timer;
  readonly #claim = (): void => this.#reserve();
  #reserved = 0;
  #isPaused = false;
  #bytes: Uint8Array = new Uint8Array(0);
  #used = 0;

  /** `announced`: bytes by Content-Length, at most `bytesMax`; -1 if chunked. */
  constructor(announced: number, bytesMax: number, options: AcceptorOptions, source: BodySource) {
    this.#announced = announced;
    this.#bytesMax = bytesMax;
    this.#budget = options.bodyBudget;
    this.#source = source;
    this.#deadline = after(options.bodyMs, () => source.late());
    this.#reserve();
  }

  /** Copies a chunk in. False if the body now exceeds its limit; nothing more may be pushed then. */
  push(chunk: Uint8Array): boolean {
    const used = this.#used + chunk.length;
    if (used > (this.#announced < 0 ? this.#bytesMax : this.#announced)) return false;
    if (used > this.#bytes.length) this.#grow(used);
    this.#bytes.set(chunk, this.#used);
    this.#used = used;
    return true;
  }

  /** The body is whole. Its bytes stay reserved until `release`. */
  finish(): Uint8Array {
    this.#deadline.cancel();
    this.#budget.waiting.delete(this.#claim);
    if (this.#reserved === 0) {
      // It came whole with its head, while there was no room.
      this.#reserved = this.#used;
      this.#budget.take(this.#used);
    }
    this.#giveAllBut(this.#used);
    const body = this.#used === this.#bytes.length ? this.#bytes : this.#bytes.subarray(0, this.#used);
    this.#bytes = new Uint8Array(0);
    return body;
  }

  /** Gives everything back; for the end of the exchange, whatever ended it. Does nothing the second time. */
  release(): void {
    this.#deadline.cancel();
    this.#budget.waiting.delete(this.#claim);
    this.#bytes = new Uint8Array(0);
    if (this.#isPaused) this.#source.resume();
    this.#isPaused = false;
    this.#giveAllBut(0);
  }

  #reserve(): void {
    if (this.#budget.isFull) {
      this.#budget.waiting.add(this.#claim);
      if (!this.#isPaused) this.#source.pause();
      this.#isPaused = true;
      return;
    }
    this.#reserved = this.#announced < 0 ? this.#bytesMax : this.#announced;
    this.#budget.take(this.#reserved);
    if (this.#isPaused) this.#source.resume();
    this.#isPaused = false;
  }

  #giveAllBut(kept: number): void {
    const surplus = this.#reserved - kept;
    if (surplus <= 0) return;
    this.#reserved = kept;
    this.#budget.give(surplus);
  }

  /**
   * A large chunked body is not copied again when it grows: its memory is reserved by address, and is there as far as
   * the body has come.
   */
  #grow(atLeast: number): void {
    const isChunked = this.#announced < 0;
    const size = isChunked
      ? Math.min(this.#bytesMax, Math.max(atLeast, this.#bytes.length * 2, CHUNKED_BYTES_MIN))
      : this.#announced;
    const buffer = this.#bytes.buffer as ArrayBuffer;
    if (buffer.resizable) {
      buffer.resize(size);
      this.#bytes = new Uint8Array(buffer);
      return;
    }
    const grown =
      isChunked && size > SLICE_BYTES
        ? new Uint8Array(new ArrayBuffer(size, { maxByteLength: this.#bytesMax }))
        : Buffer.allocUnsafe(size);
    grown.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = grown;
  }
}
