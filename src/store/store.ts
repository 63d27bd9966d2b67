// What survives the node: services, their versions and the bytes of their modules, in LMDB. Only rows are
// kept in memory. Each change is one transaction, acknowledged when it is on disk, and changes take turns.
//
// Databases in the folder's one file: "services" prefix → row (JSON), "modules" sha256 → bytes, those of
// store/light.ts; and the row "schema".
import { statSync } from "node:fs";
import { join } from "node:path";
import { type Database, open, type RootDatabase } from "lmdb";
import { InTurn } from "../../wire/in-turn.ts";
import { FrenezuloError, reasonOf } from "../errors.ts";
import { makeFolder } from "../make-folder.ts";
import type { Light, LightCache } from "../modules/light-cache.ts";
import { digestInSlices } from "../slices.ts";
import { assertDatabase, remedy } from "./check.ts";
import { failureOf } from "./failure.ts";
import { LightModules, lightRow } from "./light.ts";
import { FolderLock } from "./lock.ts";
import { rowSchema, type StoredService, type StoredVersion } from "./row.ts";
import { moduleBytesOf, pageBytes, rowBytes } from "./space.ts";
import { Uses } from "./uses.ts";

const schemaVersion = 1;

export interface StoreStats {
  readonly services: number;
  readonly versions: number;
  readonly modules: number;
  /** Bytes of modules and rows as they count against the limit. */
  readonly usedBytes: number;
  readonly limitBytes: number;
  /** Size of the file; it does not shrink, freed pages are used again. */
  readonly fileBytes: number;
}

export interface StoreOptions {
  /** Made (mode 0700) if it is not there. */
  readonly folder: string;
  /** What modules and rows may take together. LMDB itself grows its map beyond what it is given (M), so we count. */
  readonly mapBytes: number;
  /** Versions kept for each service. */
  readonly keep: number;
}

export class Store {
  readonly #options: StoreOptions;
  readonly #lock: FolderLock;
  readonly #root: RootDatabase<unknown, string>;
  readonly #rows: Database<StoredService, string>;
  readonly #modules: Database<Uint8Array, string>;
  /** The rows as committed. This process alone writes them (the folder's lock). */
  readonly #services = new Map<string, StoredService>();
  readonly #uses = new Uses();
  readonly #light: LightModules;
  /** Modules in use whose bytes are not those of their digest. */
  readonly #damaged = new Set<string>();
  #usedBytes = 0;
  readonly #turns = new InTurn();
  #closed: Promise<void> | undefined;

  private constructor(options: StoreOptions, lock: FolderLock) {
    this.#options = options;
    this.#lock = lock;
    // overlappingSync would acknowledge before fdatasync; without it a commit is pwrite, fdatasync, meta page (O_DSYNC)
    // (M, strace). With eventTurnBatching a failed commit rejects a promise out of reach, which ends the process (M).
    this.#root = open({
      path: options.folder,
      noSubdir: false,
      mapSize: options.mapBytes,
      overlappingSync: false,
      eventTurnBatching: false,
      encoding: "json",
    });
    this.#rows = this.#root.openDB("services", { encoding: "json" });
    this.#modules = this.#root.openDB("modules", { encoding: "binary" });
    this.#light = new LightModules(this.#root);
  }

  /**
   * Locks the folder, looks whether the database is sound, and reads the rows (no module is read).
   * @throws data_locked, bad_platform, store_failed (not a folder we can use, damaged, or written by a newer frenezulo)
   */
  static async open(options: StoreOptions): Promise<Store> {
    const { folder } = options;
    try {
      await makeFolder(folder, 0o700);
    } catch (error) {
      throw new FrenezuloError("store_failed", {
        why: `the data folder ${folder} cannot be made (${reasonOf(error)})`,
      });
    }
    const lock = FolderLock.take(folder);
    let store: Store | undefined;
    try {
      assertDatabase(folder);
      store = new Store(options, lock);
      await store.#load();
      return store;
    } catch (error) {
      if (store !== undefined) await store.#root.close();
      lock.release();
      if (error instanceof FrenezuloError) throw error;
      // What LMDB itself refuses (no access, no memory) is no damage; a row that cannot be read is.
      const hint = store === undefined ? "" : `; ${remedy(folder)}`;
      const why = `${join(folder, "data.mdb")} cannot be read (${reasonOf(error)})${hint}`;
      throw new FrenezuloError("store_failed", { why }, { cause: error });
    }
  }

  async #load(): Promise<void> {
    const found = this.#root.get("schema");
    if (found === undefined) await this.#root.batch(() => void this.#root.put("schema", schemaVersion));
    else if (found !== schemaVersion)
      throw new FrenezuloError("store_failed", {
        why: `the data folder has schema ${String(found)}, not ${schemaVersion}; use the frenezulo that wrote it`,
      });
    for (const { key, value } of this.#rows.getRange()) {
      const row = rowSchema.safeParse(value);
      if (!row.success)
        throw new Error(`the row of service ${key} is not readable: ${row.error.issues[0]?.message ?? ""}`);
      if (row.data.prefix !== key) throw new Error(`the row of service ${key} says ${row.data.prefix}`);
      this.#apply(key, row.data);
    }
    const useless = this.#light.load((digest) => this.#uses.has(digest));
    if (useless.length > 0) await this.#root.batch(() => this.#light.remove(useless));
  }

  services(): Iterable<StoredService> {
    return this.#services.values();
  }

  get(prefix: string): StoredService | undefined {
    return this.#services.get(prefix);
  }

  /**
   * Adds a version, which becomes the current one; the oldest beyond `keep` go. Whether the digest and policy are the
   * current ones already is for the caller to see (`get`). `bytes` are those of the digest and must not change until
   * this settles: LMDB writes from them.
   * @throws store_full, store_failed; then nothing has changed
   */
  putVersion(prefix: string, version: Omit<StoredVersion, "version">, bytes: Uint8Array): Promise<StoredService> {
    return this.#inTurn(async () => {
      const before = this.#services.get(prefix);
      const number = before?.next ?? 1;
      const versions = [...(before?.versions ?? []), { version: number, ...version }].slice(-this.#options.keep);
      const after: StoredService = { prefix, current: number, next: number + 1, versions };
      const isNew = !this.#uses.has(version.digest);
      this.#refuseBeyondLimit(rowBytes(after) - rowBytes(before) + (isNew ? moduleBytesOf(version) : 0));
      await this.#commit(prefix, after, isNew ? { digest: version.digest, bytes } : undefined);
      return after;
    });
  }

  /** Changes the policy of a version that is there. Throws as `setCurrent`, and store_full. */
  setPolicy(prefix: string, version: number, policy: Pick<StoredVersion, "policy" | "env">): Promise<StoredService> {
    return this.#inTurn(async () => {
      const before = this.#rowWith(prefix, version);
      const versions = before.versions.map((each) => (each.version === version ? { ...each, ...policy } : each));
      const after = { ...before, versions };
      this.#refuseBeyondLimit(rowBytes(after) - rowBytes(before));
      await this.#commit(prefix, after);
      return after;
    });
  }

  /** @throws unknown_service, unknown_version, store_failed; then nothing has changed */
  setCurrent(prefix: string, version: number): Promise<StoredService> {
    return this.#inTurn(async () => {
      const before = this.#rowWith(prefix, version);
      const after = { ...before, current: version };
      await this.#commit(prefix, after);
      return after;
    });
  }

  /** Removes a service with its versions and the modules that nothing else uses. False if it was not there. */
  remove(prefix: string): Promise<boolean> {
    return this.#inTurn(async () => {
      if (!this.#services.has(prefix)) return false;
      await this.#commit(prefix, undefined);
      return true;
    });
  }

  /**
   * The bytes of a module, a copy; page faults happen on another thread. Undefined if no version uses the digest.
   * @throws store_failed if they are not what was put there: the disk, or somebody, has changed them
   */
  async moduleBytes(digest: string): Promise<Uint8Array | undefined> {
    if (this.#closed === undefined) await this.#modules.prefetch([digest]);
    if (this.#closed !== undefined) throw closedFailure();
    const bytes = this.#modules.getBinary(digest);
    if (!this.#uses.has(digest) || (bytes !== undefined && (await digestInSlices(bytes)) === digest)) return bytes;
    this.#damaged.add(digest);
    const file = join(this.#options.folder, "data.mdb");
    throw new FrenezuloError("store_failed", {
      why: `the bytes of module ${digest} in ${file} are not those that were added; add the module again`,
    });
  }

  /** Writes the bytes of a module again if they were found damaged, and only then. @throws store_full, store_failed */
  mend(digest: string, bytes: Uint8Array): Promise<void> {
    return this.#inTurn(async () => {
      if (!this.#damaged.has(digest)) return;
      try {
        await this.#root.batch(() => void this.#modules.put(digest, bytes));
      } catch (error) {
        throw await failureOf(error, this.#options.folder, bytes.length);
      }
      this.#damaged.delete(digest);
    });
  }

  /** Kept for as long as a version uses what they were made of. `put` throws store_full, store_failed. */
  readonly light: LightCache = {
    get: async (digest) => {
      if (this.#closed !== undefined) throw closedFailure();
      return this.#light.get(digest);
    },
    put: (digest, light) => this.#inTurn(() => this.#putLight(digest, light)),
  };

  async #putLight(digest: string, light: Light): Promise<void> {
    const row = await lightRow(light);
    if (!this.#uses.has(digest)) return; // its last version has gone meanwhile
    this.#refuseBeyondLimit(this.#light.addedBytes(digest, row));
    try {
      await this.#root.batch(() => this.#light.write(digest, row, light));
    } catch (error) {
      throw await failureOf(error, this.#options.folder, "bytes" in light ? light.bytes.length : pageBytes);
    }
    this.#light.apply(digest, row);
  }

  stats(): StoreStats {
    let versions = 0;
    for (const service of this.#services.values()) versions += service.versions.length;
    return {
      services: this.#services.size,
      versions,
      modules: this.#uses.size,
      usedBytes: this.#usedBytes + this.#light.usedBytes,
      limitBytes: this.#options.mapBytes,
      fileBytes: statSync(join(this.#options.folder, "data.mdb")).size,
    };
  }

  /** Waits for the changes under way, then closes and gives the folder up. Later changes are refused. */
  close(): Promise<void> {
    this.#closed ??= this.#turns.run(async () => {
      await this.#root.close();
      this.#lock.release();
    });
    return this.#closed;
  }

  /** Runs changes one after the other, whatever became of the ones before. */
  #inTurn<Result>(change: () => Promise<Result>): Promise<Result> {
    if (this.#closed !== undefined) return Promise.reject(closedFailure());
    return this.#turns.run(change);
  }

  /** The row of a service that has the version. @throws unknown_service, unknown_version */
  #rowWith(prefix: string, version: number): StoredService {
    const row = this.#services.get(prefix);
    if (row === undefined) throw new FrenezuloError("unknown_service", { service: prefix });
    if (row.versions.some((each) => each.version === version)) return row;
    throw new FrenezuloError("unknown_version", { service: prefix, version });
  }

  #refuseBeyondLimit(addedBytes: number): void {
    const limit = this.#options.mapBytes;
    const used = this.#usedBytes + this.#light.usedBytes;
    if (used + addedBytes > limit)
      throw new FrenezuloError("store_full", {
        why: `${used} of ${limit} bytes (store.map_size) are used and ${addedBytes} more are needed`,
      });
  }

  /** One transaction: the row, the module if it is new, and the modules that go. In memory once it is on disk. */
  async #commit(
    prefix: string,
    after: StoredService | undefined,
    module?: { digest: string; bytes: Uint8Array },
  ): Promise<void> {
    const unused = this.#uses.unusedAfter(this.#services.get(prefix), after);
    try {
      await this.#root.batch(() => {
        if (module !== undefined) void this.#modules.put(module.digest, module.bytes);
        if (after === undefined) void this.#rows.remove(prefix);
        else void this.#rows.put(prefix, after);
        for (const digest of unused) void this.#modules.remove(digest);
        this.#light.remove(unused);
      });
    } catch (error) {
      throw await failureOf(error, this.#options.folder, module?.bytes.length ?? pageBytes);
    }
    this.#light.forget(unused);
    for (const digest of unused) this.#damaged.delete(digest);
    this.#apply(prefix, after);
  }

  #apply(prefix: string, after: StoredService | undefined): void {
    const before = this.#services.get(prefix);
    this.#usedBytes += this.#uses.apply(before, after);
    this.#usedBytes += rowBytes(after) - rowBytes(before);
    if (after === undefined) this.#services.delete(prefix);
    else this.#services.set(prefix, after);
  }
}

function closedFailure(): FrenezuloError {
  return new FrenezuloError("store_failed", { why: "it is closed" });
}
