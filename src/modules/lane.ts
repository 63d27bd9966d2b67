// Jobs that take turns, the smallest of those that wait first. Any thread, pure.

export class Lane {
  readonly #waiting: { readonly size: number; readonly begin: () => void }[] = [];
  #isBusy = false;

  /** Does a job when its turn comes: before all larger ones that wait, behind those of its size. */
  async run<T>(size: number, job: () => Promise<T>): Promise<T> {
    if (this.#isBusy) await new Promise<void>((begin) => this.#enqueue(size, begin));
    this.#isBusy = true;
    try {
      return await job();
    } finally {
      const next = this.#waiting.shift();
      // It stays busy: who comes before `next` goes on must not overtake it.
      if (next === undefined) this.#isBusy = false;
      else next.begin();
    }
  }

  #enqueue(size: number, begin: () => void): void {
    const at = this.#waiting.findIndex((each) => each.size > size);
    this.#waiting.splice(at < 0 ? this.#waiting.length : at, 0, { size, begin });
  }
}
