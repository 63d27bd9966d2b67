// Standard input of the processes of a `frenezulo run`: pieces that the main thread reads, asked for one at a time.
/** Standard input of a process. Neither blocks: what is missing comes as something for the process, which waits. */
export interface Stdin {
  /** Bytes that can be read now; 0 at its end; undefined as long as nothing has come. */
  readonly available: number | undefined;
  /** Moves what is available, as much as there is room for. @returns bytes moved */
  read(into: Uint8Array): number;
}

export class AskedStdin implements Stdin {
  readonly #ask: () => () => Uint8Array | undefined;
  #answer: (() => Uint8Array | undefined) | null = null;
  #bytes: Uint8Array = new Uint8Array(0);
  #hasEnded = false;

  /** @param ask asks for the next piece, for the process; an empty one is the end */
  constructor(ask: () => () => Uint8Array | undefined) {
    this.#ask = ask;
  }

  get available(): number | undefined {
    if (this.#bytes.length > 0) return this.#bytes.length;
    if (this.#hasEnded) return 0;
    this.#answer ??= this.#ask();
    const piece = this.#answer();
    if (piece === undefined) return undefined;
    this.#answer = null;
    this.#bytes = piece;
    this.#hasEnded = piece.length === 0;
    return piece.length;
  }

  read(into: Uint8Array): number {
    const moved = Math.min(into.length, this.available ?? 0);
    into.set(this.#bytes.subarray(0, moved));
    this.#bytes = this.#bytes.subarray(moved);
    return moved;
  }
}
