// Links: tags seen by each side, deaths, unlink, the flag die_when_link_dies. lunatic-abi.md §2.3, §2.4.
#include "tap.h"

CHILD(nothing) {}
CHILD(traps) { __builtin_trap(); }
CHILD(exits) { proc_exit(argument); }
CHILD(sleeps) { sleep_ms(NEVER); }
CHILD(traps_when_told) {
  receive(NULL, 0, NEVER);
  __builtin_trap();
}
CHILD(ends_when_told) { receive(NULL, 0, NEVER); }

static void tell(uint64_t process) {
  create_data(1, 0);
  send(process);
}

static void expect_link_died(int64_t tag) {
  EQUAL(receive(NULL, 0, NEVER), LINK_DIED);
  EQUAL(get_tag(), tag);
  EQUAL(get_process_id(), 0);
}

static void nothing_comes(void) { EQUAL(receive(NULL, 0, 50), TIMED_OUT); }

static void parent_sees_the_tag(void) {
  die_when_link_dies(0);
  start_linked(0x123456789abcdef, "traps", 0);
  expect_link_died(0x123456789abcdef);
  start_linked(-5, "exits", 3);
  expect_link_died(-5);
  uint64_t child = start_linked(6, "sleeps", 0);
  kill(child);
  expect_link_died(6);
  nothing_comes();
}

static void normal_end_is_silent(void) {
  die_when_link_dies(0);
  start_linked(1, "nothing", 0);
  start_linked(2, "exits", 0);
  nothing_comes();
  die_when_link_dies(1);
  start_linked(3, "nothing", 0);
  nothing_comes();
}

// Tells the test what it sees of its parent's death.
CHILD(watches_parent) {
  die_when_link_dies(0);
  send_number(argument, 1, 0);
  uint32_t kind = receive(NULL, 0, NEVER);
  send_number(argument, 2, kind == LINK_DIED ? get_tag() : -1);
}
CHILD(has_a_linked_child) {
  start_linked(55, "watches_parent", parent);
  receive(NULL, 0, NEVER);
  if (argument == 1) __builtin_trap();
}

static void child_sees_no_tag(void) {
  uint64_t middle = start("has_a_linked_child", 1);
  receive_number(1);
  tell(middle);
  EQUAL(receive_number(2), 0);
}

static void normal_parent_leaves_child(void) {
  uint64_t middle = start("has_a_linked_child", 0);
  receive_number(1);
  tell(middle);
  await_end(middle);
  int64_t tag = 2;
  EQUAL(receive(&tag, 1, 50), TIMED_OUT);
}

CHILD(links_to) {
  die_when_link_dies(0);
  link_to(21, argument);
  send_number(parent, 1, 0);
  uint32_t kind = receive(NULL, 0, NEVER);
  send_number(parent, 2, kind == LINK_DIED ? get_tag() : -1);
  __builtin_trap();
}

static void link_tells_both_the_same_tag(void) {
  uint64_t victim = start("traps_when_told", 0);
  start("links_to", victim);
  receive_number(1);
  tell(victim);
  EQUAL(receive_number(2), 21);
  // and the other way round: the test is the victim's side
  die_when_link_dies(0);
  victim = start("traps_when_told", 0);
  link_to(22, victim);
  tell(victim);
  expect_link_died(22);
  victim = start("links_to", process_id());
  receive_number(1);
  tell(victim);
  EQUAL(receive_number(2), -1);
  expect_link_died(21);
}

static void dies_with_its_link(void) {
  uint64_t middle = start("has_a_linked_child", 1); // its child catches; the middle one does not
  receive_number(1);
  kill(middle);
  EQUAL(receive_number(2), 0);
  EQUAL(exists(middle), 0);
}

// A chain of linked processes; the last one reports.
CHILD(chain) {
  if (argument == 0) {
    send_number(parent, 0, 0);
    sleep_ms(NEVER);
  }
  start_linked(1, "chain", argument - 1);
  receive(NULL, 0, NEVER);
  send_number(parent, 0, 0);
  sleep_ms(NEVER);
}

static void chain_dies_whole(void) {
  uint64_t first = start("chain", 20);
  receive_number(0);
  uint64_t last = first; // pids are not numbered in a row: watch the first only
  monitor(last);
  kill(first);
  EQUAL(receive(NULL, 0, NEVER), PROCESS_DIED);
}

CHILD(two_linked) {
  uint64_t one = start_linked(1, "sleeps", 0);
  uint64_t two = start_linked(2, "traps_when_told", 0);
  send_number(parent, 1, one);
  send_number(parent, 2, two);
  sleep_ms(NEVER);
}

static void siblings_die_through_parent(void) {
  start("two_linked", 0);
  uint64_t parent = started, one = receive_number(1), two = receive_number(2);
  monitor(one);
  tell(two);
  EQUAL(receive(NULL, 0, NEVER), PROCESS_DIED);
  EQUAL(get_process_id(), one);
  EQUAL(exists(parent), 0);
}

static void unlink_is_both_sides(void) {
  die_when_link_dies(0);
  uint64_t child = start_linked(8, "traps_when_told", 0);
  unlink_from(child);
  tell(child);
  nothing_comes();
  unlink_from(child); // dead
  unlink_from(1ull << 52); // nobody
  unlink_from(process_id());
  nothing_comes();
}

CHILD(unlinks_and_dies) {
  unlink_from(parent);
  send_number(parent, 1, 0);
  __builtin_trap();
}

static void child_may_unlink(void) {
  start_linked(8, "unlinks_and_dies", 0); // the test does not catch: it would die
  receive_number(1);
  nothing_comes();
}

CHILD(links_to_nobody) {
  link_to(1, argument);
  sleep_ms(NEVER);
}

static void link_to_the_dead(void) {
  EXPECT(fails("links_to_nobody", 1ll << 52));
  uint64_t dead = start("nothing", 0);
  await_end(dead);
  EXPECT(fails("links_to_nobody", dead));
  link_to(17, dead);
  expect_link_died(17);
  link_to(0, dead);
  expect_link_died(0);
}

static void second_link_replaces_the_tag(void) {
  die_when_link_dies(0);
  uint64_t child = start_linked(1, "traps_when_told", 0);
  link_to(2, child);
  tell(child);
  expect_link_died(2);
  nothing_comes();
}

static void link_death_by_tag(void) {
  die_when_link_dies(0);
  send_number(process_id(), 0, 7);
  start_linked(33, "traps", 0);
  start_linked(34, "traps", 0);
  int64_t tag = 34;
  EQUAL(receive(&tag, 1, NEVER), LINK_DIED);
  EQUAL(receive_number(0), 7);
  expect_link_died(33);
}

CHILD(sends_and_traps) {
  for (int i = 0; i < 100; i++) send_number(parent, 4, i);
  __builtin_trap();
}

static void messages_come_before_the_death(void) {
  die_when_link_dies(0);
  start_linked(9, "sends_and_traps", 0);
  for (int i = 0; i < 100; i++) EQUAL(receive_number(0), i);
  expect_link_died(9);
}

CHILD(flag_comes_too_late) {
  uint64_t child = start_linked(1, "traps_when_told", 0);
  tell(child);
  while (exists(child)) {} // its death is a signal that waits here, before the flag
  die_when_link_dies(0);
  sleep_ms(1000);
}

static void flag_is_in_order(void) { EXPECT(fails("flag_comes_too_late", 0)); }

static void dead_link_is_gone(void) {
  die_when_link_dies(0);
  uint64_t child = start_linked(3, "traps", 0);
  expect_link_died(3);
  EQUAL(exists(child), 0);
  die_when_link_dies(1);
  kill(child);
  nothing_comes();
}

static void flag_can_be_put_back(void) {
  die_when_link_dies(0);
  start_linked(3, "traps", 0);
  expect_link_died(3);
  EXPECT(fails("has_own_flag", 0));
}
CHILD(has_own_flag) {
  die_when_link_dies(0);
  die_when_link_dies(1);
  start_linked(1, "traps", 0);
  sleep_ms(NEVER);
}

CHILD(many_linked) {
  for (int i = 0; i < argument; i++) start_linked(i + 1, "sleeps", 0);
  send_number(parent, 1, started);
  sleep_ms(NEVER);
}

static void fifty_links_die_at_once(void) {
  uint64_t middle = start("many_linked", 50);
  uint64_t last = receive_number(1);
  monitor(last);
  kill(middle);
  EQUAL(receive(NULL, 0, NEVER), PROCESS_DIED);
}

TESTS(
  TEST("a parent is told the tag of a child that failed", parent_sees_the_tag),
  TEST("a normal end is not told", normal_end_is_silent),
  TEST("a child is told of its parent's failure without a tag", child_sees_no_tag),
  TEST("a parent's normal end leaves its child alone", normal_parent_leaves_child),
  TEST("link tells both sides the same tag", link_tells_both_the_same_tag),
  TEST("a killed process takes those with it that do not catch", dies_with_its_link),
  TEST("a chain of links is passed through", chain_dies_whole),
  TEST("siblings die through a parent that does not catch", siblings_die_through_parent),
  TEST("unlink removes both sides", unlink_is_both_sides),
  TEST("a child may unlink itself", child_may_unlink),
  TEST("a link to the dead or nobody is a link's death", link_to_the_dead),
  TEST("a second link of a pair replaces the tag", second_link_replaces_the_tag),
  TEST("a link's death can be awaited by its tag", link_death_by_tag),
  TEST("messages come before the death of their sender", messages_come_before_the_death),
  TEST("die_when_link_dies takes its turn among the signals", flag_is_in_order),
  TEST("a link is gone after its death", dead_link_is_gone),
  TEST("die_when_link_dies can be put back", flag_can_be_put_back),
  TEST("fifty linked children die with their parent", fifty_links_die_at_once)
)
