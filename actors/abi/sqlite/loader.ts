// SQLite in a carrier: loaded when the first guest comes that imports lunatic::sqlite, anew when it broke.
import type { Sqlite3 } from "./c-api.ts";
import { HostFiles } from "./host-files.ts";
import { Library, loadSqlite3, type MustStop } from "./library.ts";
import { FileLocks, LOCKS_BYTES } from "./locks.ts";

const MODULE = "lunatic::sqlite";

export class SqliteLoader {
  /** Locks of all carriers; by itself a carrier has its own. */
  locks = new FileLocks(new SharedArrayBuffer(LOCKS_BYTES), 1);
  /** Asked while a statement runs. */
  mustStop: MustStop = () => false;
  /** Why it could not be loaded; null: it could, or was not tried. */
  failure: string | null = null;
  readonly #load: () => Promise<Sqlite3>;
  #library: Library | null = null;
  #loading: Promise<void> | null = null;

  /** @param load of the package */
  constructor(load: () => Promise<Sqlite3> = loadSqlite3) {
    this.#load = load;
  }

  /** What is loaded, if it is of use. */
  get library(): Library | null {
    return this.#library?.isBroken === false ? this.#library : null;
  }

  /** Loads it for a module that imports it; null: nothing is to be waited for. Never rejects. */
  prepare(module: WebAssembly.Module): Promise<void> | null {
    if (this.library !== null || this.failure !== null) return null;
    return WebAssembly.Module.imports(module).some((each) => each.module === MODULE) ? this.load() : null;
  }

  /** Never rejects. Resolves when `library` or `failure` is there. */
  load(): Promise<void> {
    this.#loading ??= this.#begin().finally(() => {
      this.#loading = null;
    });
    return this.#loading;
  }

  async #begin(): Promise<void> {
    try {
      this.#library = new Library(await this.#load(), new HostFiles(this.locks), () => this.mustStop());
    } catch (thrown) {
      const isMissing = thrown instanceof Error && "code" in thrown && thrown.code === "ERR_MODULE_NOT_FOUND";
      const why = thrown instanceof Error ? thrown.message : String(thrown);
      this.failure = isMissing ? "npm's package @sqlite.org/sqlite-wasm is not installed" : why;
    }
  }
}
