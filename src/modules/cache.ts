// Keeps compiled modules within a number and a sum of bytes, the least recently used leaving first. Pure.

interface Entry<T> {
  readonly value: T;
  readonly bytes: number;
}

/** A Map whose insertion order is the order of use. */
export class ModuleCache<T> {
  readonly #entries = new Map<string, Entry<T>>();
  readonly #bytesMax: number;
  readonly #countMax: number;
  #bytes = 0;

  constructor(options: { readonly bytesMax: number; readonly countMax: number }) {
    this.#bytesMax = options.bytesMax;
    this.#countMax = options.countMax;
  }

  get count(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The value, which is now the most recently used. */
  get(key: string): T | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.value;
  }

  /** Keeps a value; one that is larger than the whole budget is not kept, and others leave until the rest fits. */
  put(key: string, value: T, bytes: number): void {
    this.delete(key);
    if (bytes > this.#bytesMax || this.#countMax < 1) return;
    this.#entries.set(key, { value, bytes });
    this.#bytes += bytes;
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.#bytesMax && this.#entries.size <= this.#countMax) break;
      this.delete(oldest);
    }
  }

  /** Looks at all of them. */
  deleteWhere(test: (key: string) => boolean): void {
    for (const key of this.#entries.keys()) if (test(key)) this.delete(key);
  }

  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
  }
}
