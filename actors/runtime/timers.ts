// What is due when in one carrier: a heap of calls by time. Pure but for the calls it makes.

interface Entry {
  readonly id: number;
  readonly atMs: number;
  call: (() => void) | null;
}

export class Timers {
  readonly #heap: Entry[] = [];
  readonly #live = new Map<number, Entry>();
  #ids = 0;

  get size(): number {
    return this.#live.size;
  }

  /** Calls once at or after a time of performance.now(). @returns a number for `cancel`; never 0 */
  add(atMs: number, call: () => void): number {
    const entry: Entry = { id: ++this.#ids, atMs, call };
    this.#live.set(entry.id, entry);
    this.#push(entry);
    return entry.id;
  }

  /** True if it had not been called yet. */
  cancel(id: number): boolean {
    const entry = this.#live.get(id);
    if (entry === undefined) return false;
    entry.call = null;
    this.#live.delete(id);
    // Cancelled ones leave when they come up; many of them at once would be kept for long.
    if (this.#heap.length > 64 && this.#heap.length > this.#live.size * 2) this.#rebuild();
    return true;
  }

  /** The time of the next call; Infinity: none. */
  get nextMs(): number {
    for (let first = this.#heap[0]; first !== undefined; first = this.#heap[0]) {
      if (first.call !== null) return first.atMs;
      this.#pop();
    }
    return Number.POSITIVE_INFINITY;
  }

  /** Makes the calls that are due. */
  run(nowMs: number): void {
    while (this.nextMs <= nowMs) {
      const entry = this.#pop();
      this.#live.delete(entry.id);
      entry.call?.();
    }
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if ((heap[above] as Entry).atMs <= entry.atMs) break;
      heap[at] = heap[above] as Entry;
      at = above;
    }
    heap[at] = entry;
  }

  #pop(): Entry {
    const heap = this.#heap;
    const first = heap[0] as Entry;
    const last = heap.pop() as Entry;
    if (heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let below = at * 2 + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && (heap[below + 1] as Entry).atMs < (heap[below] as Entry).atMs) below++;
      if ((heap[below] as Entry).atMs >= last.atMs) break;
      heap[at] = heap[below] as Entry;
      at = below;
    }
    heap[at] = last;
    return first;
  }

  #rebuild(): void {
    this.#heap.length = 0;
    for (const entry of this.#live.values()) this.#push(entry);
  }
}
