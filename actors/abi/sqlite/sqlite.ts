// lunatic::sqlite: databases in files beneath the process's directories, or in memory (lunatic-abi.md §1.6).
//
// SQL runs on the carrier's thread, as file functions do. Nothing of SQLite is under way while the guest allocates.
import { assertHeadroom, HEADROOM } from "../../headroom.ts";
import type { Process } from "../../processes/process.ts";
import { failure } from "../error.ts";
import { give } from "../guest-alloc.ts";
import { type Host, type HostFunctions, u64 } from "../host.ts";
import { CODE } from "./c-api.ts";
import { Databases, type Statement } from "./databases.ts";
import { Directories } from "./directories.ts";
import type { Library } from "./library.ts";
import {
  asUtf8,
  type Binding,
  decodeBindings,
  encodeError,
  encodeRow,
  encodeTexts,
  encodeValue,
  type Value,
} from "./values.ts";

/** A light process that must wait until SQLite is loaded looks so often. ms */
const LOOK_MS = 5;
/** One call of a light process, whose carrier runs nothing else meanwhile. ms */
const CALL_MS = 2000;
const TYPE = { integer: 1, double: 2, text: 3, blob: 4 } as const;
const NOT_LOADED =
  "SQLite is being loaded in its carrier, and a plain process cannot wait for that: a later one finds it";

export function sqliteFunctions(host: Host): HostFunctions {
  /** Of the processes that have opened one. */
  const opened = new WeakMap<Process, Databases>();
  let untilMs = Number.POSITIVE_INFINITY;
  host.sqlites.mustStop = () => {
    host.services.mayGoOn(host.process);
    return host.process.dying !== null || performance.now() > untilMs;
  };

  /** Works with SQLite for the running process, which ends here if it must. */
  const run = <T>(databases: Databases, call: (library: Library) => T): T => {
    assertHeadroom(HEADROOM.deep);
    const outer = untilMs;
    untilMs = host.instance?.stack == null ? Number.POSITIVE_INFINITY : performance.now() + CALL_MS;
    let result: T;
    try {
      if (databases.library.isBroken) throw new Error("another call of its service broke it");
      result = databases.run(call);
    } catch (thrown) {
      return host.trap(`SQLite failed: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
    } finally {
      untilMs = outer;
    }
    host.works(Number.POSITIVE_INFINITY); // it may have taken long
    host.enter();
    return result;
  };

  const connection = (id: bigint): { databases: Databases; db: number } => {
    const databases = opened.get(host.enter());
    const db = databases?.connections.get(u64(id));
    if (databases === undefined || db === undefined) return host.trap(`there is no connection ${u64(id)}`);
    return { databases, db };
  };
  const statement = (id: bigint): { databases: Databases } & Statement => {
    const databases = opened.get(host.enter());
    const found = databases?.statements.get(u64(id));
    if (databases === undefined || found === undefined) return host.trap(`there is no statement ${u64(id)}`);
    return { databases, ...found };
  };
  const refuse = (databases: Databases, db: number): never =>
    host.trap(line(`SQLite: ${run(databases, (library) => library.errorText(db)).toString("utf8")}`));

  const bytesMax = (): number => host.process.limits.scratchBytesMax;
  const bounded = (length: number): number =>
    length > bytesMax() ? host.trap(`more than ${bytesMax()} bytes at once to or from SQLite`) : length;
  const sqlText = (pointer: number, length: number): Buffer => {
    bounded(length >>> 0);
    const text = host.text(pointer, length);
    return text.includes("\0") ? host.trap("an SQL text with a 0 in it") : Buffer.from(text);
  };
  /** The column's value, copied; `room` bytes are left for it. */
  const columnValue = (library: Library, pointer: number, column: number, room: { bytes: number }): Value | null => {
    const { c } = library;
    const type = c.sqlite3_column_type(pointer, column);
    if (type === TYPE.integer) return { type: "integer", value: c.sqlite3_column_int64(pointer, column) };
    if (type === TYPE.double) return { type: "double", value: c.sqlite3_column_double(pointer, column) };
    if (type !== TYPE.text && type !== TYPE.blob) return { type: "null" };
    const at = c.sqlite3_column_blob(pointer, column);
    const length = c.sqlite3_column_bytes(pointer, column);
    room.bytes -= length;
    if (room.bytes < 0) return null;
    return {
      type: type === TYPE.text ? "text" : "blob",
      bytes: length === 0 ? Buffer.alloc(0) : library.read(at, length),
    };
  };
  const columns = (id: bigint, from: number, count: number | null): Value[] => {
    const { databases, pointer } = statement(id);
    const values = run(databases, (library) => {
      const all = library.c.sqlite3_column_count(pointer);
      if (from >= all && count !== null) return "column";
      const room = { bytes: bytesMax() };
      const found: Value[] = [];
      for (let column = from; column < (count === null ? all : from + count); column++) {
        const value = columnValue(library, pointer, column, room);
        if (value === null) return "room";
        found.push(value);
      }
      return found;
    });
    if (values === "column") return host.trap(`there is no column ${from}`);
    return values === "room" ? host.trap(`more than ${bytesMax()} bytes at once from SQLite`) : (values as Value[]);
  };
  const nameOf = (databases: Databases, pointer: number, column: number): Buffer =>
    run(databases, (library) => asUtf8(library.text(library.c.sqlite3_column_name(pointer, column))));

  // lunatic-rs 0.14.1 passes a null pointer, takes 0 as the id, and does not ask for the text of an error.
  const notOpened = (out: number, text: string): number => (out === 0 ? 1 : failure(host, out, text));
  const databasesOf = (process: Process, library: Library): Databases => {
    const known = opened.get(process);
    if (known !== undefined) return known;
    const directories = new Directories(host.guest.preopens, host.files());
    const keep = (change: number): void => process.keep(change);
    const databases = new Databases(library, directories, process.limits.resourcesMax, keep);
    opened.set(process, databases);
    process.attach(databases);
    return databases;
  };
  const openNow = (path: string, out: number): number => {
    const { process } = host;
    const { library, failure: why } = host.sqlite;
    if (library === null) return notOpened(out, why ?? NOT_LOADED);
    const databases = databasesOf(process, library);
    const { directories } = databases;
    const isInMemory = path === "" || path === ":memory:";
    if (!isInMemory && directories.find(path) === undefined) {
      const advice = "`dirs` of its policy, or --dir of `frenezulo run`, must name one that holds it";
      return notOpened(out, `${path} lies in no directory of the process: ${advice}`);
    }
    const db = run(databases, () => {
      directories.refused = null;
      return databases.library.open(path, bytesMax());
    });
    if (typeof db === "object") {
      const { refused } = directories;
      return notOpened(out, `${path}: ${db.text}${refused === null ? "" : ` (${refused})`}`);
    }
    const id = databases.connections.add(db);
    if (id === null) {
      run(databases, ({ c }) => c.sqlite3_close_v2(db));
      return host.trap("it has too many connections");
    }
    if (out !== 0) host.writeU64(out, id);
    return 0;
  };
  const whenLoaded = (path: string, out: number): bigint => {
    const isThere = (): true | undefined => (host.sqlite.isLoading ? undefined : true);
    if (isThere() || host.instance?.stack == null) return BigInt(openNow(path, out));
    return host.wait(isThere, LOOK_MS, () => whenLoaded(path, out));
  };

  return {
    open: (pointer: number, length: number, out: number) => {
      host.enter();
      const path = host.text(pointer, Math.min(length >>> 0, PATH_BYTES_MAX + 1));
      if (out !== 0) host.range(out, 8);
      if (length >>> 0 > PATH_BYTES_MAX || path.includes("\0")) return host.trap("a path that is too long or has a 0");
      if (host.sqlite.library === null) void host.sqlite.load();
      return whenLoaded(path, out);
    },
    execute: (id: bigint, pointer: number, length: number) => {
      const { databases, db } = connection(id);
      const sql = sqlText(pointer, length);
      return run(databases, (library) => library.execute(db, sql));
    },
    query_prepare: (id: bigint, pointer: number, length: number) => {
      const { databases, db } = connection(id);
      const sql = sqlText(pointer, length);
      const prepared = run(databases, (library) => library.prepare(db, sql));
      if (prepared === null) return refuse(databases, db);
      if (prepared === 0) return host.trap("an SQL text without a statement");
      const added = databases.statements.add({ pointer: prepared, db });
      if (added !== null) return added;
      run(databases, ({ c }) => c.sqlite3_finalize(prepared));
      return host.trap("it has too many statements");
    },
    bind_value: (id: bigint, pointer: number, length: number) => {
      const found = statement(id);
      const bindings = decoded(host, host.slice(pointer, bounded(length >>> 0)));
      const { databases } = found;
      const problem = run(databases, (library) => bind(library, found, bindings));
      if (problem === "") refuse(databases, found.db);
      else if (problem !== null) host.trap(line(problem));
    },
    sqlite3_step: (id: bigint) => {
      const { databases, pointer, db } = statement(id);
      const code = run(databases, ({ c }) => c.sqlite3_step(pointer));
      return code === CODE.row || code === CODE.done ? code : refuse(databases, db);
    },
    statement_reset: (id: bigint) => {
      const { databases, pointer } = statement(id);
      run(databases, ({ c }) => c.sqlite3_reset(pointer)); // what it gives is the error of the last step
    },
    sqlite3_finalize: (id: bigint) => {
      const { databases, pointer } = statement(id);
      databases.statements.remove(u64(id));
      run(databases, ({ c }) => c.sqlite3_finalize(pointer));
    },
    sqlite3_changes: (id: bigint) => {
      const { databases, db } = connection(id);
      return run(databases, ({ c }) => c.sqlite3_changes(db));
    },
    column_count: (id: bigint) => {
      const { databases, pointer } = statement(id);
      return run(databases, ({ c }) => c.sqlite3_column_count(pointer));
    },
    last_error: (id: bigint, out: number) => {
      const { databases, db } = connection(id);
      const [code, text] = run(databases, (library) => [library.c.sqlite3_errcode(db), library.errorText(db)] as const);
      if (code === CODE.ok) return host.trap("the connection had no error");
      return give(host, encodeError(code, text), out);
    },
    read_row: (id: bigint, out: number) => give(host, encodeRow(columns(id, 0, null)), out),
    read_column: (id: bigint, column: number, out: number) =>
      give(host, encodeValue(columns(id, column >>> 0, 1)[0] as Value), out),
    column_names: (id: bigint, out: number) => {
      const { databases, pointer } = statement(id);
      const count = run(databases, ({ c }) => c.sqlite3_column_count(pointer));
      const names: Buffer[] = [];
      for (let bytes = 0; names.length < count; bounded(bytes)) {
        const name = nameOf(databases, pointer, names.length);
        bytes += name.length;
        names.push(name);
      }
      return give(host, encodeTexts(names), out);
    },
    column_name: (id: bigint, column: number, out: number) => {
      const { databases, pointer } = statement(id);
      const count = run(databases, ({ c }) => c.sqlite3_column_count(pointer));
      if (column >>> 0 >= count) return host.trap(`there is no column ${column >>> 0}`);
      return give(host, nameOf(databases, pointer, column), out);
    },
  };
}

const PATH_BYTES_MAX = 1000;
const LINE_MAX = 1024;

/** An exit's text is one line, after which the node's own note comes; SQLite quotes the guest's SQL. */
function line(text: string): string {
  return text.slice(0, LINE_MAX).replace(/\p{Cc}/gu, " ");
}

function decoded(host: Host, bytes: Buffer): Binding[] {
  try {
    return decodeBindings(bytes);
  } catch (thrown) {
    return host.trap(`bind_value: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  }
}

/** @returns null, "" if SQLite has the reason, or the reason */
function bind(library: Library, { pointer }: Statement, bindings: readonly Binding[]): string | null {
  const { c, dealloc } = library;
  for (const [at, { key, value }] of bindings.entries()) {
    let index = key === null ? at + 1 : key;
    if (typeof index === "string") {
      const name = library.cString(Buffer.from(index));
      const found = name === 0 ? 0 : c.sqlite3_bind_parameter_index(pointer, name);
      c.sqlite3_free(name);
      if (found === 0) return `the statement has no parameter ${index}`;
      index = found;
    }
    if (index > 2 ** 31 - 1) return `the statement has no parameter ${index}`;
    let code: number;
    if (value.type === "null") code = c.sqlite3_bind_null(pointer, index);
    else if (value.type === "double") code = c.sqlite3_bind_double(pointer, index, value.value);
    else if (value.type === "integer") code = c.sqlite3_bind_int64(pointer, index, value.value);
    else {
      const copy = library.cString(value.bytes); // SQLite frees it, also when it refuses
      if (copy === 0) return "SQLite is out of memory";
      const { length } = value.bytes;
      if (value.type === "text") code = c.sqlite3_bind_text(pointer, index, copy, length, dealloc);
      else code = c.sqlite3_bind_blob(pointer, index, copy, length, dealloc);
    }
    if (code !== CODE.ok) return "";
  }
  return null;
}
