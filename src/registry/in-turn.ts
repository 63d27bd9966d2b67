// Changes of one thing take turns; those of others do not wait. Pure.

export class InTurn {
  readonly #turns = new Map<string, Promise<unknown>>();

  /** Makes a change once those before it with the same key have ended, however they ended. */
  run<T>(key: string, change: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(key) ?? Promise.resolve();
    const turn = before.then(change, change);
    this.#turns.set(key, turn);
    const forget = (): void => {
      if (this.#turns.get(key) === turn) this.#turns.delete(key);
    };
    turn.then(forget, forget);
    return turn;
  }
}
