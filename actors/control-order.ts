// Control calls of a carrier in their order, also when one must wait until SQLite is loaded.
import { InTurn } from "../wire/in-turn.ts";
import type { SqliteLoaders } from "./abi/sqlite/loader.ts";

export class ControlOrder {
  readonly #sqlite: SqliteLoaders;
  readonly #turns = new InTurn();

  constructor(sqlite: SqliteLoaders) {
    this.#sqlite = sqlite;
  }

  /** A call that only needs its turn. */
  run<T>(call: () => T): T | Promise<T> {
    return this.#turns.run(call);
  }

  /** A call that starts a module in an environment. */
  start<T>(module: WebAssembly.Module, environment: number, call: () => T): T | Promise<T> {
    return this.#turns.run(() => {
      const loading = this.#sqlite.prepare(module, environment);
      return loading === null ? call() : loading.then(call);
    });
  }
}
