// Collects one request's body under its limits: bytes, pace, and the room there is for bodies. Both acceptors use it.

import { SLICE_BYTES } from "../slices.ts";
import type { Arrival } from "./arrivals.ts";
import { Pace, type PaceLimits } from "./pace.ts";

/** First buffer of a body that comes in pieces; doubled until the limit. */
const PIECES_BYTES_MIN = 4096;

/** The socket that the body comes from, and what to do at its deadline. */
export interface BodySource {
  pause(): void;
  resume(): void;
  /** It makes too little progress. Called in a turn of its own. */
  late(): void;
}

/**
 * Its memory grows as bytes come, whatever was announced. While there is no room for more it is paused; what the socket
 * had already received is kept.
 */
export class BodyReader {
  readonly #announced: number;
  readonly #bytesMax: number;
  readonly #arrival: Arrival;
  readonly #source: BodySource;
  readonly #pace: Pace;
  #isPaused = false;
  #bytes: Uint8Array = new Uint8Array(0);
  #used = 0;

  /** `announced`: bytes by Content-Length, at most `bytesMax`; -1 if chunked. */
  constructor(announced: number, bytesMax: number, arrival: Arrival, pace: PaceLimits, source: BodySource) {
    this.#announced = announced;
    this.#bytesMax = bytesMax;
    this.#arrival = arrival;
    this.#source = source;
    this.#pace = new Pace(pace, 0, () => source.late());
    arrival.begin({ pause: () => this.#pause(), resume: () => this.#goOn() });
  }

  /** True while nothing is read because there is no room. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Copies a chunk in. False if the body now exceeds its limit; nothing more may be pushed then. */
  push(chunk: Uint8Array): boolean {
    const used = this.#used + chunk.length;
    if (used > (this.#announced < 0 ? this.#bytesMax : this.#announced)) return false;
    this.#pace.moved(chunk.length);
    if (used > this.#bytes.length) this.#grow(used);
    this.#bytes.set(chunk, this.#used);
    this.#used = used;
    return true;
  }

  /** The body is whole. Its memory stays counted until `release`. */
  finish(): Uint8Array {
    this.#end();
    this.#arrival.finish();
    const body = this.#used === this.#bytes.length ? this.#bytes : this.#bytes.subarray(0, this.#used);
    this.#bytes = new Uint8Array(0);
    return body;
  }

  /** Gives everything back; for the end of the exchange, whatever ended it. Does nothing the second time. */
  release(): void {
    this.#end();
    this.#bytes = new Uint8Array(0);
    this.#arrival.release();
  }

  /** Nothing is read any more; what still comes may flow by. */
  #end(): void {
    this.#pace.cancel();
    this.#goOn();
  }

  #pause(): void {
    this.#isPaused = true;
    this.#pace.hold();
    this.#source.pause();
  }

  #goOn(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#pace.resume();
    this.#source.resume();
  }

  /**
   * A large chunked body is not copied again when it grows: its memory is reserved by address, and is there as far as
   * the body has come.
   */
  #grow(atLeast: number): void {
    const most = this.#announced < 0 ? this.#bytesMax : this.#announced;
    const size = atLeast === most ? most : Math.min(most, Math.max(atLeast, this.#bytes.length * 2, PIECES_BYTES_MIN));
    this.#arrival.take(size - this.#bytes.length);
    const buffer = this.#bytes.buffer as ArrayBuffer;
    if (buffer.resizable) {
      buffer.resize(size);
      this.#bytes = new Uint8Array(buffer);
      return;
    }
    const grown =
      size > SLICE_BYTES && size < most
        ? new Uint8Array(new ArrayBuffer(size, { maxByteLength: most }))
        : Buffer.allocUnsafe(size);
    grown.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = grown;
  }
}
