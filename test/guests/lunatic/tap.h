// Runs tests, each in a process of its own, and prints a line for each: "ok 1 NAME" or "not ok 1 NAME: WHY".
//
// A file ends with TESTS(TEST("name", function), …): test/integration/lunatic-programs.test.ts finds the names there.
#pragma once
#include "lunatic.h"

struct test { const char *name; void (*run)(void); };
#define TEST(name, run) {name, run}

enum { PASSED = 0x7e57000001, FAILED = 0x7e57000002 };
enum { TEST_MS = 20000 };

static uint64_t runner; // the process to report to
static char text[512];
static uint32_t text_length;

static void add_text(const char *more) {
  while (*more != 0 && text_length < sizeof text - 1) text[text_length++] = *more++;
}

static void add_number(int64_t number) {
  char digits[21];
  int at = 20;
  uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;
  digits[20] = 0;
  do digits[--at] = '0' + rest % 10; while ((rest /= 10) != 0);
  if (number < 0) digits[--at] = '-';
  add_text(digits + at);
}

static void print_text(void) {
  text[text_length++] = '\n';
  struct vector vector = {text, text_length};
  uint32_t written;
  fd_write(1, &vector, 1, &written);
  text_length = 0;
}

static _Noreturn void report_failure(void) {
  if (runner == 0) __builtin_trap(); // in a child of the test's process, which is linked to it
  create_data(FAILED, 0);
  write_data(text, text_length);
  send(runner);
  proc_exit(0);
}

static _Noreturn void fail(int line, const char *what) {
  text_length = 0;
  add_text("line ");
  add_number(line);
  add_text(": ");
  add_text(what);
  report_failure();
}

static _Noreturn void fail_equal(int line, const char *what, int64_t got, int64_t wanted) {
  text_length = 0;
  add_text("line ");
  add_number(line);
  add_text(": ");
  add_text(what);
  add_text(" is ");
  add_number(got);
  add_text(", not ");
  add_number(wanted);
  report_failure();
}

// For the process of a test: the first that does not hold ends it.
#define EXPECT(condition) do { if (!(condition)) fail(__LINE__, #condition); } while (0)
#define EQUAL(got, wanted) \
  do { \
    int64_t got_ = (int64_t)(got), wanted_ = (int64_t)(wanted); \
    if (got_ != wanted_) fail_equal(__LINE__, #got, got_, wanted_); \
  } while (0)

// True if a child that runs this export ends as failed, false if it ends normally.
enum { FATE_TAG = 0xfa7e };
static int fails_with(uint64_t config, const char *function, int64_t argument) {
  die_when_link_dies(0);
  monitor(start_with(FATE_TAG, config, function, argument));
  int failed = 0;
  for (;;) {
    uint32_t kind = receive(NULL, 0, NEVER);
    if (kind == LINK_DIED && get_tag() == FATE_TAG) failed = 1;
    if (kind == PROCESS_DIED && get_process_id() == started) return failed;
  }
}
static int fails(const char *function, int64_t argument) { return fails_with(INHERIT, function, argument); }

// Returns when the process has ended.
static void await_end(uint64_t process) {
  monitor(process);
  while (receive(NULL, 0, NEVER) != PROCESS_DIED || get_process_id() != process) {}
}

static int run_tests(const struct test *tests, uint32_t count) {
  int failed = 0;
  die_when_link_dies(0);
  for (uint32_t i = 0; i < count; i++) {
    uint64_t process = start_linked(i + 1, "run_test", i);
    const char *why = NULL;
    static char said[400];
    for (;;) {
      uint32_t kind = receive(NULL, 0, TEST_MS);
      if (kind == TIMED_OUT) {
        why = "it is not done in time";
        unlink_from(process);
        kill(process);
        break;
      }
      if (kind == LINK_DIED && get_tag() == i + 1) {
        why = "it trapped or was killed";
        break;
      }
      if (kind == DATA && get_tag() == PASSED) break;
      if (kind == DATA && get_tag() == FAILED) {
        said[read_data(said, sizeof said - 1)] = 0;
        why = said;
        break;
      }
    }
    add_text(why == NULL ? "ok " : "not ok ");
    add_number(i + 1);
    add_text(" ");
    add_text(tests[i].name);
    if (why != NULL) {
      add_text(": ");
      add_text(why);
      failed = 1;
    }
    print_text();
  }
  return failed;
}

#define TESTS(...) \
  static const struct test all_tests[] = {__VA_ARGS__}; \
  EXPORT("run_test") void run_test(uint64_t parent, int64_t index) { \
    runner = parent; \
    all_tests[index].run(); \
    create_data(PASSED, 0); \
    send(runner); \
  } \
  EXPORT("_start") void program(void) { \
    if (run_tests(all_tests, sizeof all_tests / sizeof all_tests[0])) proc_exit(1); \
  }
