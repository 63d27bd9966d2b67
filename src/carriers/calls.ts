// Calls to a thread: each settles with its answer, or fails with the thread's end.
//
// A comlink promise to a dead thread never settles (DECISIONS 2.1). Raced against a promise for the thread's end, each
// call would stay with that one for as long as the thread lives.

export class Calls {
  readonly #asked = new Set<(error: Error) => void>();
  /** Why the thread has ended; null while it lives. */
  #end: string | null = null;

  /** Settles as the answer does, or fails when the thread ends. */
  ask<T>(answer: Promise<T>): Promise<T> {
    if (this.#end !== null) return Promise.reject(new Error(this.#end));
    return new Promise((resolve, reject) => {
      this.#asked.add(reject);
      answer.then(resolve, reject).finally(() => this.#asked.delete(reject));
    });
  }

  /** The thread has ended: fails what is under way, and what is asked from now on. */
  end(why: string): void {
    this.#end = why;
    for (const fail of this.#asked) fail(new Error(why));
    this.#asked.clear();
  }
}
