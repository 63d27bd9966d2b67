// Control calls of a carrier in their order, also when one must wait until SQLite is loaded. In a carrier.
import type { SqliteLoaders } from "./abi/sqlite/loader.ts";

export class ControlOrder {
  readonly #sqlite: SqliteLoaders;
  /** The last call, if it or one before it waits. */
  #last: Promise<unknown> | null = null;

  constructor(sqlite: SqliteLoaders) {
    this.#sqlite = sqlite;
  }

  /** A call that only needs its turn. */
  run<T>(call: () => T): T | Promise<T> {
    return this.#last === null ? call() : this.#queue(this.#last.then(call));
  }

  /** A call that starts a module in an environment. */
  start<T>(module: WebAssembly.Module, environment: number, call: () => T): T | Promise<T> {
    const load = (): Promise<void> | null => this.#sqlite.prepare(module, environment);
    if (this.#last !== null) return this.#queue(this.#last.then(load).then(call));
    const loading = load();
    return loading === null ? call() : this.#queue(loading.then(call));
  }

  #queue<T>(result: Promise<T>): Promise<T> {
    const nothing = (): void => {};
    const last = result.then(nothing, nothing).then(() => {
      if (this.#last === last) this.#last = null;
    });
    this.#last = last;
    return result;
  }
}
