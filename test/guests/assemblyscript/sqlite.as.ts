// lunatic::sqlite: values both ways, names, changes and errors, in memory and in a file of /db. lunatic-abi.md §1.6.
import { done, equal, expect, fails, out, Text, takeError, test, textAt } from "./lib/tap.as";
import * as sql from "./lib/sqlite.as";

const ROW = 100;
const DONE = 101;
/** Kinds of values in bincode, as the host writes them. */
const NULL: u32 = 0;
const BLOB: u32 = 1;
const TEXT: u32 = 2;
const DOUBLE: u32 = 3;
const INT64: u32 = 5;

/** Room for what the host hands over; it stays until the process ends. */
export function lunatic_alloc(length: u32): usize {
  return heap.alloc(length);
}

function open(name: string): u64 {
  const path = new Text(name);
  const result = sql.sqliteOpen(path.at, path.length, out);
  if (result != 0) throw new Error(takeError(load<u64>(out)));
  return load<u64>(out);
}

function execute(connection: u64, query: string): i32 {
  const text = new Text(query);
  return sql.sqliteExecute(connection, text.at, text.length);
}

function prepare(connection: u64, query: string): u64 {
  const text = new Text(query);
  return sql.sqlitePrepare(connection, text.at, text.length);
}

/** Where a value of the row begins; its length is in `out`. */
function column(statement: u64, at: u32): usize {
  return sql.sqliteReadColumn(statement, at, out);
}

function length(): u32 {
  return load<u32>(out);
}

/** The integer in the only column of the first row. */
function number(connection: u64, query: string): i64 {
  const statement = prepare(connection, query);
  equal(sql.sqliteStep(statement), ROW, query);
  const value = column(statement, 0);
  const found = length() == 12 ? load<i64>(value, 4) : <i64>load<i32>(value, 4);
  sql.sqliteFinalize(statement);
  return found;
}

function misuses(way: i32): void {
  const connection = open(":memory:");
  if (way == 0) prepare(connection, "SELEC");
  if (way == 1) sql.sqliteStep(5);
  if (way == 2) execute(connection + 1, "SELECT 1");
  if (way == 3) {
    const statement = prepare(connection, "SELECT 1");
    sql.sqliteFinalize(statement);
    sql.sqliteReset(statement);
  }
  if (way == 4) sql.sqliteColumnName(prepare(connection, "SELECT 1"), 1, out);
}

/** Commits one row, and leaves another in a transaction that never ends. */
function writes(name: string): void {
  const connection = open(name);
  assert(execute(connection, "CREATE TABLE t(a); INSERT INTO t VALUES (1)") == 0);
  assert(execute(connection, "BEGIN; INSERT INTO t VALUES (2)") == 0);
}

export function _start(): void {
  test("statements are executed, and say how many rows they changed", () => {
    const connection = open(":memory:");
    equal(connection, 0, "the first id");
    equal(execute(connection, "CREATE TABLE t(a); INSERT INTO t VALUES (1), (3)"), 0, "execute");
    equal(execute(connection, "UPDATE t SET a = a + 1"), 0, "an update");
    equal(sql.sqliteChanges(connection), 2, "sqlite3_changes");
    equal(number(connection, "SELECT sum(a) FROM t"), 6, "the sum");
    equal(execute(open(":memory:"), "SELECT * FROM t"), 1, "another database in memory");
  });
  test("values are bound, stepped over and read", () => {
    const statement = prepare(open(":memory:"), "SELECT ?1 AS one, ?1 * 2 AS twice");
    const values = memory.data(24); // one value: without a key, an i64
    store<u64>(values, 1);
    store<u32>(values, 0, 8);
    for (let i: i64 = -7; i < 8; i += 14) {
      store<u32>(values, INT64, 12);
      store<i64>(values, i, 16);
      sql.sqliteBind(statement, values, 24);
      equal(sql.sqliteStep(statement), ROW, "the first step");
      const value = column(statement, 1);
      equal(length(), 12, "its length");
      equal(load<i64>(value, 4), i * 2, "the value");
      equal(sql.sqliteStep(statement), DONE, "the second step");
      sql.sqliteReset(statement);
    }
    sql.sqliteFinalize(statement);
  });
  test("rows and columns have kinds, counts and names", () => {
    const statement = prepare(open(":memory:"), "SELECT NULL AS a, x'0102' AS bc, 'text', 0.5");
    equal(sql.sqliteColumnCount(statement), 4, "column_count");
    equal(sql.sqliteStep(statement), ROW, "the step");
    equal(load<u32>(column(statement, 0)), NULL, "null");
    equal(length(), 4, "its length");
    const blob = column(statement, 1);
    equal(load<u32>(blob), BLOB, "a blob");
    equal(load<u64>(blob, 4), 2, "its size");
    equal(load<u16>(blob, 12), 0x0201, "its bytes");
    const text = column(statement, 2);
    equal(load<u32>(text), TEXT, "a text");
    equal(textAt(text + 12, load<u64>(text, 4)), "text", "it");
    const double = column(statement, 3);
    equal(load<u32>(double), DOUBLE, "a double");
    equal(load<f64>(double, 4), 0.5, "it");
    const row = sql.sqliteReadRow(statement, out);
    equal(load<u64>(row), 4, "the row's count");
    equal(length(), 8 + 4 + 14 + 16 + 12, "its length");
    const name = sql.sqliteColumnName(statement, 1, out);
    equal(textAt(name, length()), "bc", "a name");
    const names = sql.sqliteColumnNames(statement, out);
    equal(load<u64>(names), 4, "the names' count");
    equal(textAt(names + 16, load<u64>(names, 8)), "a", "the first of them");
  });
  test("an error is a number, and a text afterwards", () => {
    const connection = open(":memory:");
    equal(execute(connection, "SELECT * FROM missing"), 1, "execute");
    const error = sql.sqliteLastError(connection, out);
    expect(textAt(error, length()).includes("no such table: missing"), "last_error");
  });
  test("a file elsewhere is not opened", () => {
    const path = new Text("/elsewhere/x");
    equal(sql.sqliteOpen(path.at, path.length, out), 1, "open");
    expect(takeError(load<u64>(out)).length > 10, "the text");
  });
  test("misuse of statements and connections traps", () => {
    for (let way = 0; way < 6; way++) equal(fails<i32>(misuses, way), way < 5, `way ${way}`);
  });
  test("a file keeps what another process committed", () => {
    expect(!fails<string>(writes, "/db/as.db"), "the writer");
    equal(number(open("/db/as.db"), "SELECT count(*) FROM t"), 1, "the rows");
  });
  done();
}
