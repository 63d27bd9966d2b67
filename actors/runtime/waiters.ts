// Who waits for what in a carrier: processes, by the pid or slot that keeps them from sending. Pure.

export class Waiters {
  readonly #on = new Map<number, Set<number>>();

  /** Mailboxes or slots that somebody waits for. */
  get size(): number {
    return this.#on.size;
  }

  add(on: number, pid: number): void {
    const pids = this.#on.get(on);
    if (pids === undefined) this.#on.set(on, new Set([pid]));
    else pids.add(pid);
  }

  /** Those who wait for it, in the order in which they began; from now on they wait no more. */
  take(on: number): Iterable<number> {
    const pids = this.#on.get(on);
    if (pids === undefined) return [];
    this.#on.delete(on);
    return pids;
  }

  keys(): Iterable<number> {
    return this.#on.keys();
  }

  /** A process has ended. */
  forget(pid: number): void {
    for (const [on, pids] of this.#on) if (pids.delete(pid) && pids.size === 0) this.#on.delete(on);
  }
}
