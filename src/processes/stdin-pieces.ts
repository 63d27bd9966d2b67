// The standard input of a `frenezulo run`, for processes that ask for it piece by piece.

const PIECE_BYTES_MAX = 64 * 1024;

export class StdinPieces {
  readonly #stream: NodeJS.ReadableStream;
  readonly #waiting: ((piece: Uint8Array) => void)[] = [];
  #rest: Buffer = Buffer.alloc(0);
  #isOpen = false;
  #hasEnded = false;

  /** Nothing is read before somebody asks: a program that reads nothing does not wait for its input to end. */
  constructor(stream: NodeJS.ReadableStream) {
    this.#stream = stream;
  }

  /** The next piece, at most 64 KiB; empty at the end. */
  next(): Promise<Uint8Array> {
    this.#open();
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#serve();
    });
  }

  /** Nobody reads any more: the program need not stay for it. */
  close(): void {
    if (!this.#isOpen) return;
    this.#stream.pause();
    (this.#stream as NodeJS.ReadableStream & { unref?: () => void }).unref?.();
  }

  #open(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    const end = (): void => {
      this.#hasEnded = true;
      this.#serve();
    };
    this.#stream.on("data", (piece: Buffer) => {
      this.#rest = Buffer.concat([this.#rest, piece]);
      this.#serve();
      if (this.#waiting.length === 0) this.#stream.pause();
    });
    this.#stream.on("end", end);
    this.#stream.on("error", end);
  }

  #serve(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (this.#rest.length === 0 && !this.#hasEnded) {
        this.#stream.resume();
        return;
      }
      this.#waiting.shift();
      next(this.#rest.subarray(0, PIECE_BYTES_MAX));
      this.#rest = this.#rest.subarray(PIECE_BYTES_MAX);
    }
  }
}
