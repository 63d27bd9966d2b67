// A service with an SQLite database, db/rows.db. Its table t has a row for each POST with ?do=add.
// ?do=make makes it · add: one row, in a transaction that lasts for ?ms, begun again while the file is locked; answers
// how often it was · count: rows, pages that are sound, and half-done additions · hold: begins a transaction with more
// than SQLite's cache holds, says so in its log, and loops for ever · fill: a value in memory of ?bytes.
#include "guest.h"

#define SQLITE(name) HOST("lunatic::sqlite", name)
SQLITE("open") int64_t sqlite_open(const char *path, uint32_t length, uint64_t *id);
SQLITE("execute") int32_t sqlite_execute(uint64_t connection, const char *sql, uint32_t length);
SQLITE("query_prepare") uint64_t sqlite_prepare(uint64_t connection, const char *sql, uint32_t length);
SQLITE("sqlite3_step") int32_t sqlite_step(uint64_t statement);
SQLITE("sqlite3_finalize") void sqlite_finalize(uint64_t statement);
SQLITE("read_column") uint8_t *sqlite_read_column(uint64_t statement, uint32_t column, uint32_t *length);

enum { OK = 0, BUSY = 5, ROW = 100 };

static uint8_t heap[4096];
__attribute__((export_name("lunatic_alloc"))) void *lunatic_alloc(uint32_t length) {
  return length <= sizeof heap ? heap : NULL;
}

static uint64_t connection;
static int32_t execute(const char *sql) { return sqlite_execute(connection, sql, length_of(sql)); }

static void must(const char *sql) {
  if (execute(sql) != OK) __builtin_trap();
}

static void add_result(const char *sql) {
  uint64_t statement = sqlite_prepare(connection, sql, length_of(sql));
  if (sqlite_step(statement) != ROW) __builtin_trap();
  uint32_t length;
  uint8_t *value = sqlite_read_column(statement, 0, &length);
  int64_t integer;
  __builtin_memcpy(&integer, value + 4, 8);
  if (value[0] == 2) add_bytes(value + 12, length - 12); // text
  else add_number(integer);
  add(" ");
  sqlite_finalize(statement);
}

ENTRY {
  take_request();
  const char *path = parameter_is("do", "fill") ? ":memory:" : "db/rows.db";
  if (sqlite_open(path, length_of(path), &connection) != 0) __builtin_trap();
  if (parameter_is("do", "make")) {
    must("CREATE TABLE t(a); CREATE TABLE sums(rows); INSERT INTO sums VALUES (0); CREATE TABLE large(bytes)");
  } else if (parameter_is("do", "add")) {
    uint64_t busy = 0;
    while (execute("BEGIN IMMEDIATE") == BUSY) {
      busy++;
      sleep_ms(1);
    }
    must("INSERT INTO t VALUES (1)");
    spin(parameter_number("ms", 0));
    must("UPDATE sums SET rows = rows + 1");
    // A reader that is under way holds the commit up.
    while (execute("COMMIT") == BUSY) sleep_ms(1);
    add_number(busy);
  } else if (parameter_is("do", "count")) {
    while (execute("BEGIN; SELECT * FROM sums") == BUSY) {
      must("ROLLBACK");
      sleep_ms(1);
    }
    add_result("SELECT count(*) FROM t");
    add_result("PRAGMA integrity_check");
    add_result("SELECT rows - (SELECT count(*) FROM t) + (SELECT count(*) FROM large) FROM sums");
    must("COMMIT");
  } else if (parameter_is("do", "hold")) {
    while (execute("BEGIN IMMEDIATE") == BUSY) sleep_ms(1);
    must("DELETE FROM t; UPDATE sums SET rows = -1");
    must("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 4000)"
         "INSERT INTO large SELECT zeroblob(1000) FROM c");
    struct vector line = {"holding\n", 8};
    fd_write(1, &line, 1, &(uint32_t){0});
    for (volatile uint32_t i = 0;; i++) {}
  } else if (parameter_is("do", "fill")) {
    add("CREATE TABLE t AS SELECT zeroblob(");
    add_number(parameter_number("bytes", 0));
    add(")");
    uint32_t code = sqlite_execute(connection, text, text_length);
    text_length = 0;
    add_number(code);
  }
  reply(200, text, text_length);
}
