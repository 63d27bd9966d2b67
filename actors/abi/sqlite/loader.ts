// SQLite in a carrier: an instance for each environment whose modules import lunatic::sqlite, so that no service can
// use up, break or read another's. Loaded before the first of them starts; anew when it broke.

import { FileLocks, LOCKS_BYTES } from "../../../wire/file-locks.ts";
import type { Sqlite3 } from "./c-api.ts";
import { HostFiles } from "./host-files.ts";
import { Library, loadSqlite3, type MustStop } from "./library.ts";

const MODULE = "lunatic::sqlite";

/** SQLite for the processes of one environment. */
export class SqliteLoader {
  readonly #make: () => Promise<Library>;
  /** Why it could not be loaded when that was tried last; null: it could, or was not tried. */
  failure: string | null = null;
  /** Without the package there is no use in trying again; descriptors or memory may be there later. */
  #isMissing = false;
  #library: Library | null = null;
  #loading: Promise<void> | null = null;

  constructor(make: () => Promise<Library>) {
    this.#make = make;
  }

  /** What is loaded, if it is of use. */
  get library(): Library | null {
    return this.#library?.isBroken === false ? this.#library : null;
  }

  get isLoading(): boolean {
    return this.#loading !== null;
  }

  /** Never rejects. Resolves when `library` or `failure` is there. */
  load(): Promise<void> {
    if (this.#isMissing) return Promise.resolve();
    this.#loading ??= this.#begin().finally(() => {
      this.#loading = null;
    });
    return this.#loading;
  }

  async #begin(): Promise<void> {
    try {
      this.#library = await this.#make();
      this.failure = null;
    } catch (thrown) {
      this.#isMissing = thrown instanceof Error && "code" in thrown && thrown.code === "ERR_MODULE_NOT_FOUND";
      const why = thrown instanceof Error ? thrown.message : String(thrown);
      this.failure = this.#isMissing ? "npm's package @sqlite.org/sqlite-wasm is not installed" : why;
    }
  }
}

/** Those of a carrier, by their environment's number. */
export class SqliteLoaders {
  /** Locks of all carriers; by itself a carrier has its own. */
  locks = new FileLocks(new SharedArrayBuffer(LOCKS_BYTES), 1);
  /** Asked while a statement runs. */
  mustStop: MustStop = () => false;
  readonly #load: () => Promise<Sqlite3>;
  readonly #loaders = new Map<number, SqliteLoader>();

  /** @param load of the package */
  constructor(load: () => Promise<Sqlite3> = loadSqlite3) {
    this.#load = load;
  }

  of(environment: number): SqliteLoader {
    let loader = this.#loaders.get(environment);
    if (loader === undefined) {
      loader = new SqliteLoader(
        async () => new Library(await this.#load(), new HostFiles(this.locks), () => this.mustStop()),
      );
      this.#loaders.set(environment, loader);
    }
    return loader;
  }

  /** Loads it for a module of an environment that imports it; null: nothing is to be waited for. Never rejects. */
  prepare(module: WebAssembly.Module, environment: number): Promise<void> | null {
    if (!WebAssembly.Module.imports(module).some((each) => each.module === MODULE)) return null;
    const loader = this.of(environment);
    return loader.library === null ? loader.load() : null;
  }

  /** Forgets those of environments that are not here any more. */
  keep(isHere: (environment: number) => boolean): void {
    for (const environment of this.#loaders.keys()) {
      if (!isHere(environment)) this.#loaders.delete(environment);
    }
  }
}
