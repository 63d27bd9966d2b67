// SQLite's locks on database files, between all connections of all carriers of a node: one table in shared memory.
//
// Levels and rules: sqlite.org/lockingv3.html. Nothing waits but for the table's own mutex, which is held for a scan; a
// carrier that ended with it, or with locks, is cleared by the main thread, which then holds neither.

export const LEVEL = { none: 0, shared: 1, reserved: 2, pending: 3, exclusive: 4 } as const;

/** Words (Int32): the mutex (slot of its holder), the end of the entries that were ever used, and the entries. */
const MUTEX = 0;
const END = 1;
const ENTRIES = 2;
/** Words of an entry: slot of its carrier (0: free), level, then the file's device and inode, two words each. */
const ENTRY = { slot: 0, level: 1, file: 2, words: 6 } as const;
/** Connections that can hold a lock at once; beyond it SQLITE_BUSY. */
const ENTRIES_MAX = 4096;
export const LOCKS_BYTES = (ENTRIES + ENTRIES_MAX * ENTRY.words) * 4;
/** How long a carrier waits for the mutex at most: its holder may have ended, and the main thread not seen it. ms */
const MUTEX_MS = 50;

/** One open database file of one connection. */
export interface LockHolder {
  /** Device and inode, as four words. */
  readonly file: readonly number[];
  /** Its entry's first word; 0: it holds no lock. */
  entry: number;
}

export class FileLocks {
  readonly #words: Int32Array;
  readonly #slot: number;

  /** @param slot the carrier's number, from 1 */
  constructor(block: SharedArrayBuffer, slot: number) {
    this.#words = new Int32Array(block);
    this.#slot = slot;
  }

  /** Raises a holder's lock to a level. @returns false where others are in the way (SQLITE_BUSY) */
  lock(holder: LockHolder, level: number): boolean {
    const words = this.#words;
    if (holder.entry !== 0 && this.level(holder) >= level) return true;
    if (!this.#take()) return false;
    try {
      const others = this.#highestOther(holder);
      if (level === LEVEL.shared ? others >= LEVEL.pending : others >= LEVEL.reserved) return false;
      if (holder.entry === 0 && !this.#add(holder)) return false;
      const isHeldBack = level === LEVEL.exclusive && others >= LEVEL.shared;
      Atomics.store(words, holder.entry + ENTRY.level, isHeldBack ? LEVEL.pending : level);
      return !isHeldBack;
    } finally {
      this.#give();
    }
  }

  /** Lowers a holder's lock to shared or none. */
  unlock(holder: LockHolder, level: number): void {
    const { entry } = holder;
    if (entry === 0 || this.level(holder) <= level) return;
    Atomics.store(this.#words, entry + ENTRY.level, level);
    if (level > LEVEL.none) return;
    holder.entry = 0;
    Atomics.store(this.#words, entry + ENTRY.slot, 0);
  }

  /** True if anybody has reserved the file, or more. */
  isReserved(holder: LockHolder): boolean {
    return Math.max(this.level(holder), this.#highestOther(holder)) >= LEVEL.reserved;
  }

  level({ entry }: LockHolder): number {
    return entry === 0 ? LEVEL.none : Atomics.load(this.#words, entry + ENTRY.level);
  }

  #highestOther({ file, entry }: LockHolder): number {
    const words = this.#words;
    let highest = 0;
    for (let at = ENTRIES; at < Atomics.load(words, END); at += ENTRY.words) {
      if (at === entry || Atomics.load(words, at + ENTRY.slot) === 0) continue;
      if (file.every((word, i) => Atomics.load(words, at + ENTRY.file + i) === word)) {
        highest = Math.max(highest, Atomics.load(words, at + ENTRY.level));
      }
    }
    return highest;
  }

  #add(holder: LockHolder): boolean {
    const words = this.#words;
    for (let at = ENTRIES; at < ENTRIES + ENTRIES_MAX * ENTRY.words; at += ENTRY.words) {
      if (Atomics.load(words, at + ENTRY.slot) !== 0) continue;
      Atomics.store(words, at + ENTRY.level, LEVEL.none);
      holder.file.forEach((word, i) => void Atomics.store(words, at + ENTRY.file + i, word));
      Atomics.store(words, at + ENTRY.slot, this.#slot);
      if (Atomics.load(words, END) < at + ENTRY.words) Atomics.store(words, END, at + ENTRY.words);
      holder.entry = at;
      return true;
    }
    return false;
  }

  #take(): boolean {
    const untilMs = performance.now() + MUTEX_MS;
    for (;;) {
      const owner = Atomics.compareExchange(this.#words, MUTEX, 0, this.#slot);
      if (owner === 0) return true;
      const leftMs = untilMs - performance.now();
      if (leftMs <= 0) return false;
      Atomics.wait(this.#words, MUTEX, owner, leftMs);
    }
  }

  #give(): void {
    Atomics.store(this.#words, MUTEX, 0);
    Atomics.notify(this.#words, MUTEX, 1);
  }
}

/** Forgets what a carrier held whose thread has really ended. For the main thread. */
export function clearLocks(block: SharedArrayBuffer, slot: number): void {
  const words = new Int32Array(block);
  for (let at = ENTRIES; at < Atomics.load(words, END); at += ENTRY.words) {
    if (Atomics.load(words, at + ENTRY.slot) !== slot) continue;
    Atomics.store(words, at + ENTRY.level, LEVEL.none);
    Atomics.store(words, at + ENTRY.slot, 0);
  }
  if (Atomics.compareExchange(words, MUTEX, slot, 0) === slot) Atomics.notify(words, MUTEX, 1);
}
