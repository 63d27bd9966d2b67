// SQLite itself: npm's @sqlite.org/sqlite-wasm, and what of it we call.
//
// All databases of an environment in a carrier share its memory, as those of a process share malloc's. If it ever
// throws (its stack is the guest's, which may be nearly used up) its state is unknown: it is given up with all its
// connections.
import { CODE, type Functions, type Sqlite3 } from "./c-api.ts";
import type { HostFiles } from "./host-files.ts";

type Package = { readonly default: (options: object) => Promise<Sqlite3> };

/** Bytes that SQLite may use for an environment in a carrier. */
const HEAP_BYTES = 64 * 2 ** 20;
const CONFIG_URI = 17;
const READWRITE_CREATE = 6;
const DBCONFIG = { defensive: 1010, doubleQuotedDml: 1013, doubleQuotedDdl: 1014 } as const;
const LIMIT = { length: 0, sqlLength: 1, exprDepth: 3, compound: 4, likeLength: 8, triggerDepth: 10 } as const;
/** Steps between two looks for an end. */
const STEPS = 10_000;
const AUTH = { ok: 0, deny: 1, ignore: 2 } as const;
const ACTION_PRAGMA = 19;
const VFS = "frenezulo";

/** Asked every STEPS: true ends the call with SQLITE_INTERRUPT. */
export type MustStop = () => boolean;

export class Library {
  readonly c: Functions;
  readonly dealloc: number;
  readonly files: HostFiles;
  /** Set once it has thrown: nothing of it may be called any more. */
  isBroken = false;
  readonly #wasm: Sqlite3["wasm"];
  readonly #out: number;
  readonly #progress: number;
  readonly #authorizer: number;

  /** @param mustStop of the call that runs */
  constructor(sqlite3: Sqlite3, files: HostFiles, mustStop: MustStop) {
    const { capi, wasm } = sqlite3;
    this.#wasm = wasm;
    this.c = wasm.exports;
    this.dealloc = capi.SQLITE_WASM_DEALLOC;
    this.files = files;
    // A name is a name: "file:x?vfs=memdb" would be a database that all processes share.
    const { c } = this;
    c.sqlite3_shutdown();
    c.sqlite3__wasm_config_i(CONFIG_URI, 0);
    c.sqlite3_initialize();
    const others = capi.sqlite3_js_vfs_list();
    files.install(sqlite3, VFS);
    for (const name of others) c.sqlite3_vfs_unregister(c.sqlite3_vfs_find(wasm.allocCString(name)));
    this.#out = c.sqlite3_malloc(8);
    this.#progress = wasm.installFunction("i(p)", () => (mustStop() ? 1 : 0));
    this.#authorizer = wasm.installFunction("i(pipppp)", (_, action, name) =>
      action === ACTION_PRAGMA ? pragma(wasm.cstrToJs(name as number)) : AUTH.ok,
    );
    const memory = this.cString(Buffer.from(":memory:"));
    c.sqlite3_open_v2(memory, this.#out, READWRITE_CREATE, 0);
    this.execute(this.#opened, Buffer.from(`PRAGMA hard_heap_limit = ${HEAP_BYTES}`));
    c.sqlite3_close_v2(this.#opened);
  }

  get #opened(): number {
    return this.memory().readUInt32LE(this.#out);
  }

  /** All of its memory; valid until it is called again. */
  memory(): Buffer {
    return Buffer.from(this.#wasm.memory.buffer);
  }

  /** A copy of bytes at a place in its memory. */
  read(pointer: number, length: number): Buffer {
    return Buffer.from(this.memory().subarray(pointer, pointer + length));
  }

  /** A copy of the text there, without the 0 at its end. */
  text(pointer: number): Buffer {
    if (pointer === 0) return Buffer.alloc(0);
    return this.read(pointer, this.memory().indexOf(0, pointer) - pointer);
  }

  /** Bytes in its memory, and a 0 after them; to be freed. 0: there is no room. */
  cString(bytes: Buffer): number {
    const at = this.c.sqlite3_malloc(bytes.length + 1);
    if (at === 0) return 0;
    const memory = this.memory();
    memory.set(bytes, at);
    memory[at + bytes.length] = 0;
    return at;
  }

  /** Opens a database. @returns its pointer, or the code and text of why not */
  open(path: string, lengthMax: number): number | { readonly code: number; readonly text: string } {
    const { c } = this;
    const name = this.cString(Buffer.from(path));
    if (name === 0) return { code: CODE.nomem, text: "out of memory" };
    const code = c.sqlite3_open_v2(name, this.#out, READWRITE_CREATE, 0);
    const db = this.#opened;
    c.sqlite3_free(name);
    if (code !== CODE.ok) {
      const text = db === 0 ? "out of memory" : this.errorText(db).toString();
      if (db !== 0) c.sqlite3_close_v2(db);
      return { code, text };
    }
    c.sqlite3__wasm_db_config_ip(db, DBCONFIG.defensive, 1, 0);
    // In lunatic's SQLite "x" is a text where there is no column x; the package is built without that.
    c.sqlite3__wasm_db_config_ip(db, DBCONFIG.doubleQuotedDml, 1, 0);
    c.sqlite3__wasm_db_config_ip(db, DBCONFIG.doubleQuotedDdl, 1, 0);
    c.sqlite3_limit(db, LIMIT.length, lengthMax);
    c.sqlite3_limit(db, LIMIT.sqlLength, lengthMax);
    // What these bound is recursion on the thread's stack, or work between two looks for an end.
    c.sqlite3_limit(db, LIMIT.exprDepth, 200);
    c.sqlite3_limit(db, LIMIT.compound, 100);
    c.sqlite3_limit(db, LIMIT.likeLength, 1000);
    c.sqlite3_limit(db, LIMIT.triggerDepth, 100);
    this.execute(db, Buffer.from("PRAGMA cache_size = -2000"));
    c.sqlite3_set_authorizer(db, this.#authorizer, 0);
    c.sqlite3_progress_handler(db, STEPS, this.#progress, 0);
    return db;
  }

  /** Runs all statements of a text. @returns SQLite's code */
  execute(db: number, sql: Buffer): number {
    const text = this.cString(sql);
    if (text === 0) return CODE.nomem;
    const code = this.c.sqlite3_exec(db, text, 0, 0, 0);
    this.c.sqlite3_free(text);
    return code;
  }

  /** @returns the first statement of a text, 0 if it has none, or null if it is refused */
  prepare(db: number, sql: Buffer): number | null {
    const text = this.cString(sql);
    if (text === 0) return null;
    const code = this.c.sqlite3_prepare_v2(db, text, sql.length + 1, this.#out, 0);
    this.c.sqlite3_free(text);
    return code === CODE.ok ? this.#opened : null;
  }

  errorText(db: number): Buffer {
    return this.text(this.c.sqlite3_errmsg(db));
  }
}

/** What would change SQLite for others is refused; locks never wait, so that time has no effect. */
function pragma(name: string): number {
  if (/^(hard|soft)_heap_limit$/i.test(name)) return AUTH.deny;
  return /^busy_timeout$/i.test(name) ? AUTH.ignore : AUTH.ok;
}

/** @throws Error if the package is not installed or does not start */
export async function loadSqlite3(): Promise<Sqlite3> {
  const nothing = (): void => {};
  const { default: init } = (await import("@sqlite.org/sqlite-wasm")) as unknown as Package;
  return init({ print: nothing, printErr: nothing });
}
