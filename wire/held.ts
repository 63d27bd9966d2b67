// Bytes that a thread keeps for an environment, as the pages of its memory that all threads see (layout.ts, COUNTS).

const PAGE_BYTES = 65_536;
/** They are told in such steps. */
const STEP_BYTES = 1 << 20;

export class HeldBytes {
  readonly #add: (pages: number) => void;
  #bytes = 0;
  #pages = 0;

  /** @param add told of pages more, or (negative) fewer */
  constructor(add: (pages: number) => void) {
    this.#add = add;
  }

  /** So many bytes more, or (negative) fewer. */
  change(bytes: number): void {
    this.#bytes += bytes;
    const pages = Math.floor(this.#bytes / STEP_BYTES) * (STEP_BYTES / PAGE_BYTES);
    if (pages === this.#pages) return;
    this.#add(pages - this.#pages);
    this.#pages = pages;
  }
}

/** What is said where all have more than they may. */
export function memoryText(memoryBytesMax: number): string {
  return `all processes and their messages together have more than the ${memoryBytesMax} bytes that they may have`;
}
