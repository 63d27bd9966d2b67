// What we use of npm's @sqlite.org/sqlite-wasm: SQLite's C functions and the package's own. Types, and result codes.

/** C's functions: pointers and int are numbers, 64 bits are bigint. */
export type Functions = Readonly<Record<Names, (...args: (number | bigint)[]) => number>> & {
  readonly sqlite3_column_int64: (statement: number, column: number) => bigint;
};
type Names = `sqlite3_${
  | "bind_blob"
  | "bind_double"
  | "bind_int64"
  | "bind_null"
  | "bind_parameter_index"
  | "bind_text"
  | "changes"
  | "close_v2"
  | "column_blob"
  | "column_bytes"
  | "column_count"
  | "column_double"
  | "column_name"
  | "column_type"
  | "errcode"
  | "errmsg"
  | "exec"
  | "finalize"
  | "free"
  | "initialize"
  | "limit"
  | "malloc"
  | "open_v2"
  | "prepare_v2"
  | "progress_handler"
  | "reset"
  | "set_authorizer"
  | "shutdown"
  | "step"
  | "vfs_find"
  | "vfs_unregister"
  | "_wasm_config_i"
  | "_wasm_db_config_ip"}`;

interface Struct {
  readonly pointer: number;
  [field: `$${string}`]: number;
  dispose(): void;
}

/** What we use of the package. */
export interface Sqlite3 {
  readonly capi: {
    readonly sqlite3_io_methods: new () => Struct;
    readonly sqlite3_vfs: new () => Struct;
    readonly sqlite3_file: (new (at: number) => Struct) & { readonly structInfo: { readonly sizeof: number } };
    readonly SQLITE_WASM_DEALLOC: number;
    sqlite3_js_vfs_list(): string[];
  };
  readonly wasm: {
    readonly exports: Functions;
    readonly memory: WebAssembly.Memory;
    allocCString(text: string): number;
    cstrToJs(pointer: number): string;
    installFunction(signature: string, call: (...args: number[]) => number): number;
  };
  readonly vfs: { installVfs(what: object): void };
}

/** sqlite.org/rescode.html */
export const CODE = {
  ok: 0,
  perm: 3,
  busy: 5,
  nomem: 7,
  readonly: 8,
  interrupt: 9,
  ioerr: 10,
  notFound: 12,
  full: 13,
  cantOpen: 14,
  row: 100,
  done: 101,
} as const;
