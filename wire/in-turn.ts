// Changes that take turns: each begins once those before it have ended, however they ended. Pure.

/** Takes turns among all its changes. */
export class InTurn {
  /** The last change, if it is not over. */
  #last: Promise<unknown> | null = null;

  /** Makes a change: at once where none is under way, else when its turn comes. */
  run<T>(change: () => Promise<T>): Promise<T>;
  run<T>(change: () => T | Promise<T>): T | Promise<T>;
  run<T>(change: () => T | Promise<T>): T | Promise<T> {
    const made = this.#last === null ? change() : this.#last.then(change, change);
    if (!(made instanceof Promise)) return made;
    this.#last = made;
    const over = (): void => {
      if (this.#last === made) this.#last = null;
    };
    made.then(over, over);
    return made;
  }

  /** True if no change is under way. */
  get isIdle(): boolean {
    return this.#last === null;
  }
}

/** Takes turns among the changes of one key; those of others do not wait. */
export class InTurnByKey {
  readonly #turns = new Map<string, InTurn>();

  run<T>(key: string, change: () => Promise<T>): Promise<T> {
    const turns = this.#turns.get(key) ?? new InTurn();
    this.#turns.set(key, turns);
    const made = turns.run(change);
    const forget = (): void => {
      if (turns.isIdle && this.#turns.get(key) === turns) this.#turns.delete(key);
    };
    made.then(forget, forget);
    return made;
  }
}
