// Control calls of a carrier in their order, also when one must wait until SQLite is loaded. In a carrier.
import type { SqliteLoader } from "./abi/sqlite/loader.ts";

export class ControlOrder {
  readonly #sqlite: SqliteLoader;
  #loading: Promise<void> | null = null;

  constructor(sqlite: SqliteLoader) {
    this.#sqlite = sqlite;
  }

  /** @param module that runs afterwards; null: none */
  run<T>(module: WebAssembly.Module | null, call: () => T): T | Promise<T> {
    if (module !== null && this.#loading === null) {
      const loading = this.#sqlite.prepare(module)?.then(() => {
        this.#loading = null;
      });
      this.#loading = loading ?? null;
    }
    return this.#loading === null ? call() : this.#loading.then(call);
  }
}
