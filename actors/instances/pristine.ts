// A memory put back to what it was: the image of it, and the writing back after each request (DECISIONS 5.3).

const PAGE = 4096;
/** Pages compared at once; small enough that the zeros below stay in the first cache. */
const SPAN_PAGES = 4;
const zeros = Buffer.alloc(SPAN_PAGES * PAGE);

/** What an instance looked like after its start code: memory and mutable globals. */
export class PristineImage {
  /** Bytes of the whole memory. */
  readonly length: number;
  /** Its bytes from the start, as far as they are needed: all beyond are zero, and not there. */
  memory: Buffer;
  readonly globals: readonly unknown[];
  /** 1 for each page that has something in it. */
  readonly hasData: Uint8Array;

  constructor(memory: Buffer, globals: readonly unknown[]) {
    this.length = memory.length;
    this.globals = globals;
    this.hasData = new Uint8Array(memory.length / PAGE);
    let end = 0;
    for (let at = 0; at < memory.length; at += PAGE) {
      if (memory.compare(zeros, 0, PAGE, at, at + PAGE) === 0) continue;
      this.hasData[at / PAGE] = 1;
      end = at + PAGE;
    }
    this.memory = Buffer.from(new ArrayBuffer(end));
    for (let at = 0; at < end; at += PAGE) {
      // A page without data is not touched: where the allocation is fresh it costs no resident memory.
      if (this.hasData[at / PAGE] === 1) memory.copy(this.memory, at, at, at + PAGE);
    }
  }

  /** True if an instance with this memory and these globals looks the same. */
  isOf(memory: Buffer, globals: readonly unknown[]): boolean {
    if (memory.length !== this.length || !globals.every((value, i) => Object.is(value, this.globals[i]))) return false;
    for (let at = 0; at < memory.length; at += PAGE) {
      const isZero = this.hasData[at / PAGE] === 0;
      if (
        memory.compare(isZero ? zeros : this.memory, isZero ? 0 : at, (isZero ? 0 : at) + PAGE, at, at + PAGE) !== 0
      ) {
        return false;
      }
    }
    return true;
  }

  /** Makes `memory` reach to `end`. */
  cover(end: number): void {
    if (end <= this.memory.length) return;
    const wider = Buffer.from(new ArrayBuffer(end));
    this.memory.copy(wider);
    this.memory = wider;
  }
}

/** Neighbouring pages that were written once: copied back without looking, which is cheaper than comparing. */
interface Run {
  readonly target: Uint8Array;
  readonly source: Uint8Array;
}

/** Up to SPAN_PAGES neighbouring pages that nobody has written yet. */
interface Span {
  readonly start: number;
  readonly end: number;
  readonly isZero: boolean;
}

/**
 * Puts one memory back to its image, time after time. A page that a request wrote is written back after each request
 * from then on; all others are compared, and never written while they are as they were: a page that is zero in both
 * stays without resident memory.
 */
export class Restorer {
  readonly memory: Buffer;
  readonly #image: PristineImage;
  readonly #written: Uint8Array;
  #runs: Run[] = [];
  #spans: Span[] = [];

  /** @param memory of the same length as the image's */
  constructor(memory: Buffer, image: PristineImage) {
    this.memory = memory;
    this.#image = image;
    this.#written = new Uint8Array(memory.length / PAGE);
    this.#plan();
  }

  restore(): void {
    let end = 0;
    for (const span of this.#spans) if (!this.#isUntouched(span)) end = this.#mark(span);
    if (end > 0) {
      this.#image.cover(end); // once, since it copies the whole image
      this.#plan();
    }
    for (const { target, source } of this.#runs) target.set(source);
  }

  #isUntouched({ start, end, isZero }: Span): boolean {
    return isZero
      ? this.memory.compare(zeros, 0, end - start, start, end) === 0
      : this.memory.compare(this.#image.memory, start, end, start, end) === 0;
  }

  /** Remembers which pages of a span were written. @returns where the last of them ends */
  #mark({ start, end, isZero }: Span): number {
    let last = 0;
    for (let at = start; at < end; at += PAGE) {
      if (this.#isUntouched({ start: at, end: at + PAGE, isZero })) continue;
      this.#written[at / PAGE] = 1;
      last = at + PAGE;
    }
    return last;
  }

  /** Divides the memory into runs of written pages and spans of others. */
  #plan(): void {
    this.#runs = [];
    this.#spans = [];
    const pages = this.#written.length;
    const { hasData, memory } = this.#image;
    for (let page = 0, next = 0; page < pages; page = next) {
      const isWritten = this.#written[page] === 1;
      const isAlike = (other: number): boolean =>
        this.#written[other] === this.#written[page] && (isWritten || hasData[other] === hasData[page]);
      const most = isWritten ? pages : Math.min(pages, page + SPAN_PAGES);
      for (next = page + 1; next < most && isAlike(next); next++);
      const [start, end] = [page * PAGE, next * PAGE];
      if (isWritten) this.#runs.push({ target: this.memory.subarray(start, end), source: memory.subarray(start, end) });
      else this.#spans.push({ start, end, isZero: hasData[page] === 0 });
    }
  }
}
