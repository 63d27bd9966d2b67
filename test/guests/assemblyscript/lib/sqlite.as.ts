// lunatic::sqlite. lunatic-abi.md §1.6.

@external("lunatic::sqlite", "open")
export declare function sqliteOpen(path: usize, length: u32, id: usize): i64;

@external("lunatic::sqlite", "execute")
export declare function sqliteExecute(connection: u64, sql: usize, length: u32): i32;

@external("lunatic::sqlite", "query_prepare")
export declare function sqlitePrepare(connection: u64, sql: usize, length: u32): u64;

@external("lunatic::sqlite", "bind_value")
export declare function sqliteBind(statement: u64, values: usize, length: u32): void;

@external("lunatic::sqlite", "sqlite3_step")
export declare function sqliteStep(statement: u64): i32;

@external("lunatic::sqlite", "statement_reset")
export declare function sqliteReset(statement: u64): void;

@external("lunatic::sqlite", "sqlite3_finalize")
export declare function sqliteFinalize(statement: u64): void;

@external("lunatic::sqlite", "sqlite3_changes")
export declare function sqliteChanges(connection: u64): i32;

@external("lunatic::sqlite", "column_count")
export declare function sqliteColumnCount(statement: u64): i32;

@external("lunatic::sqlite", "last_error")
export declare function sqliteLastError(connection: u64, length: usize): usize;

@external("lunatic::sqlite", "read_row")
export declare function sqliteReadRow(statement: u64, length: usize): usize;

@external("lunatic::sqlite", "column_names")
export declare function sqliteColumnNames(statement: u64, length: usize): usize;

@external("lunatic::sqlite", "read_column")
export declare function sqliteReadColumn(statement: u64, column: u32, length: usize): usize;

@external("lunatic::sqlite", "column_name")
export declare function sqliteColumnName(statement: u64, column: u32, length: usize): usize;
