// Monitors: one notice for each end, whatever its reason. lunatic-abi.md §1.2, §2.4, §7.2.
#include "tap.h"

CHILD(nothing) {}
CHILD(traps) { __builtin_trap(); }
CHILD(exits) { proc_exit(argument); }
CHILD(sleeps) { sleep_ms(NEVER); }
CHILD(waits) { receive(NULL, 0, NEVER); }
CHILD(spins) { for (;;) __asm__ volatile(""); }

static void tell(uint64_t process) {
  create_data(1, 0);
  send(process);
}

static void expect_died(uint64_t process) {
  EQUAL(receive(NULL, 0, NEVER), PROCESS_DIED);
  EQUAL(get_process_id(), process);
  EQUAL(get_tag(), 0);
}

static void nothing_comes(void) { EQUAL(receive(NULL, 0, 50), TIMED_OUT); }

static void every_end_is_told(void) {
  const char *ways[] = {"nothing", "traps", "exits", "exits", "missing"};
  for (int i = 0; i < 5; i++) {
    uint64_t child = start(ways[i], i - 2);
    monitor(child);
    expect_died(child);
    EQUAL(exists(child), 0);
  }
  const char *killed[] = {"sleeps", "waits", "spins"};
  for (int i = 0; i < 3; i++) {
    uint64_t child = start(killed[i], 0);
    monitor(child);
    kill(child);
    expect_died(child);
    EQUAL(exists(child), 0);
  }
  nothing_comes();
}

static void the_dead_are_told_at_once(void) {
  uint64_t child = start("nothing", 0);
  monitor(child);
  expect_died(child);
  monitor(child);
  expect_died(child);
  monitor(1ull << 52);
  expect_died(1ull << 52);
  nothing_comes();
}

static void two_monitors_are_one(void) {
  uint64_t child = start("waits", 0);
  monitor(child);
  monitor(child);
  tell(child);
  expect_died(child);
  nothing_comes();
}

static void monitoring_can_stop(void) {
  uint64_t child = start("waits", 0);
  monitor(child);
  stop_monitoring(child);
  stop_monitoring(child);
  tell(child);
  nothing_comes();
  stop_monitoring(child);
  stop_monitoring(1ull << 52);
}

static void invisible_to_tags(void) {
  int64_t tags[] = {0, 1};
  uint64_t child = start("nothing", 0);
  monitor(child);
  EQUAL(receive(tags, 2, 50), TIMED_OUT);
  expect_died(child);
}

static void link_before_monitor(void) {
  die_when_link_dies(0);
  for (int i = 0; i < 20; i++) {
    uint64_t child = start_linked(5, "waits", 0);
    monitor(child);
    kill(child);
    EQUAL(receive(NULL, 0, NEVER), LINK_DIED);
    EQUAL(get_tag(), 5);
    expect_died(child);
  }
}

CHILD(watches) {
  monitor(argument);
  send_number(parent, 1, 0);
  uint32_t kind = receive(NULL, 0, NEVER);
  send_number(parent, 2, kind);
}

static void many_watch_one(void) {
  uint64_t child = start("waits", 0);
  for (int i = 0; i < 30; i++) start("watches", child);
  for (int i = 0; i < 30; i++) receive_number(1);
  tell(child);
  for (int i = 0; i < 30; i++) EQUAL(receive_number(2), PROCESS_DIED);
}

static void watcher_outlives_nothing(void) {
  // A monitor does not tie fates: the watched one fails, the watcher goes on; and a dead watcher is no harm.
  uint64_t watcher = start("watches", process_id());
  receive_number(1);
  kill(watcher);
  await_end(watcher);
  uint64_t child = start("traps", 0);
  monitor(child);
  expect_died(child);
}

CHILD(sends_and_ends) { for (int i = 0; i < 100; i++) send_number(parent, 4, i); }

static void messages_come_before_the_end(void) {
  uint64_t child = start("sends_and_ends", 0);
  monitor(child);
  for (int i = 0; i < 100; i++) {
    int64_t tag = 4;
    EQUAL(receive(&tag, 1, NEVER), DATA);
    EQUAL(read_number(), i);
  }
  expect_died(child);
}

CHILD(ends_at_once) {}
CHILD(passes_a_notice_on) {
  die_when_link_dies(0);
  uint64_t child = start_linked(5, "traps_at_once", 0);
  if (argument >= 4) unlink_from(child), monitor(start("ends_at_once", 0));
  EQUAL(receive(NULL, 0, NEVER), argument >= 4 ? PROCESS_DIED : LINK_DIED);
  switch (argument & 3) {
    case 0: send(process_id()); break;
    case 1: send_receive(process_id(), 1, 0); break;
    case 2: send_after(process_id(), 0); break;
    case 3: send_to_node(0, process_id()); break;
  }
}
CHILD(traps_at_once) { __builtin_trap(); }
static void a_notice_cannot_be_sent(void) {
  for (int way = 0; way < 8; way++) EXPECT(fails("passes_a_notice_on", way));
}

TESTS(
  TEST("every end is told once, with the pid and without a tag", every_end_is_told),
  TEST("a monitor of the dead or nobody is answered at once", the_dead_are_told_at_once),
  TEST("two monitors of one process count once", two_monitors_are_one),
  TEST("monitoring can stop", monitoring_can_stop),
  TEST("an end is invisible to a tagged receive", invisible_to_tags),
  TEST("links are told before monitors", link_before_monitor),
  TEST("thirty processes watch one", many_watch_one),
  TEST("a monitor ties no fates", watcher_outlives_nothing),
  TEST("messages come before the end of their sender", messages_come_before_the_end),
  TEST("a notice cannot be sent on", a_notice_cannot_be_sent)
)
