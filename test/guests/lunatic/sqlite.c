// lunatic::sqlite in programs: values, files that stay, and processes that contend. lunatic-abi.md §1.6.
// Run with --dir FOLDER::/db (test/integration/lunatic-programs.test.ts); the folder is empty before.
#include "tap.h"

#define SQLITE(name) HOST("lunatic::sqlite", name)
SQLITE("open") int64_t sqlite_open(const char *path, uint32_t length, uint64_t *id);
SQLITE("execute") int32_t sqlite_execute(uint64_t connection, const char *sql, uint32_t length);
SQLITE("query_prepare") uint64_t sqlite_prepare(uint64_t connection, const char *sql, uint32_t length);
SQLITE("bind_value") void sqlite_bind(uint64_t statement, const void *values, uint32_t length);
SQLITE("sqlite3_step") int32_t sqlite_step(uint64_t statement);
SQLITE("statement_reset") void sqlite_reset(uint64_t statement);
SQLITE("sqlite3_finalize") void sqlite_finalize(uint64_t statement);
SQLITE("sqlite3_changes") int32_t sqlite_changes(uint64_t connection);
SQLITE("column_count") int32_t sqlite_column_count(uint64_t statement);
SQLITE("last_error") uint8_t *sqlite_last_error(uint64_t connection, uint32_t *length);
SQLITE("read_row") uint8_t *sqlite_read_row(uint64_t statement, uint32_t *length);
SQLITE("column_names") uint8_t *sqlite_column_names(uint64_t statement, uint32_t *length);
SQLITE("read_column") uint8_t *sqlite_read_column(uint64_t statement, uint32_t column, uint32_t *length);
SQLITE("column_name") char *sqlite_column_name(uint64_t statement, uint32_t column, uint32_t *length);

enum { BUSY = 5, ROW = 100, DONE = 101 };

static uint8_t heap[65536];
static uint32_t used;
static int badness;
static volatile uint32_t spins;
EXPORT("lunatic_alloc") void *lunatic_alloc(uint32_t length) {
  if (badness == 1) sleep_ms(1);
  while (badness == 2) spins++;
  if (badness == 3) return (void *)0xfffffff0;
  if (used + length > sizeof heap) used = 0;
  used += length;
  return heap + used - length;
}

static uint64_t opened(const char *path) {
  uint64_t id = 99;
  if (sqlite_open(path, length_of(path), &id) != 0) __builtin_trap();
  return id;
}
static int32_t execute(uint64_t connection, const char *sql) {
  return sqlite_execute(connection, sql, length_of(sql));
}
static int64_t number(uint64_t connection, const char *sql) {
  uint64_t statement = sqlite_prepare(connection, sql, length_of(sql));
  if (sqlite_step(statement) != ROW) __builtin_trap();
  uint32_t length;
  uint8_t *value = sqlite_read_column(statement, 0, &length);
  int64_t found;
  if (length != 12 || value[0] != 4) __builtin_trap();
  __builtin_memcpy(&found, value + 4, 8);
  sqlite_finalize(statement);
  return found;
}

static void memory_works(void) {
  uint64_t connection = opened(":memory:");
  EQUAL(connection, 0);
  EQUAL(execute(connection, "CREATE TABLE t(a, b); INSERT INTO t VALUES (1, 2), (3, 4)"), 0);
  EQUAL(sqlite_changes(connection), 2);
  EQUAL(number(connection, "SELECT sum(a) FROM t"), 4);
  uint64_t statement = sqlite_prepare(connection, "SELECT ?, 'two' AS second", 25);
  static const struct __attribute__((packed)) {
    uint64_t count;
    uint32_t key, kind;
    int64_t value;
  } values = {1, 0, 5, -7};
  sqlite_bind(statement, &values, sizeof values);
  EQUAL(sqlite_step(statement), ROW);
  EQUAL(sqlite_column_count(statement), 2);
  uint32_t length;
  uint8_t *row = sqlite_read_row(statement, &length);
  EQUAL(length, 8 + 12 + 12 + 3);
  EXPECT(row[8] == 4 && row[12] == 0xf9 && row[20] == 2 && row[32] == 't');
  EXPECT(sqlite_column_name(statement, 1, &length)[0] == 's');
  EQUAL(length, 6);
  EQUAL(sqlite_column_names(statement, &length)[0], 2);
  EQUAL(sqlite_step(statement), DONE);
  sqlite_reset(statement);
  sqlite_finalize(statement);
}

static void errors_are_told(void) {
  uint64_t connection = opened("");
  EQUAL(execute(connection, "SELECT * FROM missing"), 1);
  uint32_t length;
  uint8_t *error = sqlite_last_error(connection, &length);
  EXPECT(error[0] == 1 && error[1] == 1 && error[5] == 1 && error[14] == 'n');
  uint64_t id = 0;
  EQUAL(sqlite_open("/elsewhere/x", 12, &id), 1);
  EXPECT(error_size(id) > 20);
  EQUAL(sqlite_open("/db/../x", 8, &id), 1);
  for (int way = 0; way < 4; way++) EXPECT(fails("misuses", way));
}
CHILD(misuses) {
  uint64_t connection = opened(":memory:");
  if (argument == 0) sqlite_prepare(connection, "SELEC", 5);
  if (argument == 1) sqlite_step(5);
  if (argument == 2) sqlite_execute(7, "SELECT 1", 8);
  if (argument == 3) sqlite_open(":memory:", 8, (uint64_t *)0xfffffff0);
}

static void files_stay(void) {
  EXPECT(!fails("writes", 0));
  uint64_t connection = opened("/db/stays.db");
  EQUAL(number(connection, "SELECT a FROM t"), 1);
  EQUAL(execute(connection, "PRAGMA integrity_check"), 0);
}
CHILD(writes) {
  uint64_t connection = opened("/db/stays.db");
  if (execute(connection, "CREATE TABLE t(a); INSERT INTO t VALUES (1)") != 0) __builtin_trap();
  if (execute(connection, "BEGIN; INSERT INTO t VALUES (2)") != 0) __builtin_trap(); // never committed
}

enum { WRITERS = 4, ROWS = 25 };
static void writers_take_turns(void) {
  uint64_t connection = opened("/db/shared.db");
  EQUAL(execute(connection, "CREATE TABLE t(a)"), 0);
  for (int i = 0; i < WRITERS; i++) start_linked(1, "contends", i);
  for (int i = 0; i < WRITERS; i++) receive_number(2);
  EQUAL(number(connection, "SELECT count(*) FROM t"), WRITERS * ROWS);
}
CHILD(contends) {
  uint64_t connection = opened("/db/shared.db");
  for (int i = 0; i < ROWS; ) {
    int32_t code = execute(connection, "INSERT INTO t VALUES (1)");
    if (code == 0) i++;
    else if (code == BUSY) sleep_ms(1);
    else __builtin_trap();
  }
  send_number(parent, 2, 0);
}

static void allocators_must_give(void) {
  for (int way = 1; way <= 3; way++) EXPECT(fails("allocates_badly", way));
  EXPECT(!fails("allocates_badly", 0));
}
CHILD(allocates_badly) {
  uint64_t statement = sqlite_prepare(opened(":memory:"), "SELECT 1", 8);
  uint32_t length;
  badness = argument;
  sqlite_column_name(statement, 0, &length);
}

static void long_queries_end(void) {
  uint64_t connection = opened(":memory:");
  EQUAL(execute(connection, "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c"), 9);
  EQUAL(execute(connection, "SELECT 1"), 0);
}

TESTS(
  TEST("a database in memory has values, names and changes", memory_works),
  TEST("errors are results, and misuse traps", errors_are_told),
  TEST("what was committed to a file is there for others", files_stay),
  TEST("processes that write the same file lose nothing", writers_take_turns),
  TEST("an allocator that waits, spins or gives a wrong place traps", allocators_must_give),
  TEST("a query of a light process ends after two seconds", long_queries_end)
)
