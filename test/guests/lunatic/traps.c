// lunatic::trap.catch: what is caught, what is not, and blocking inside it. lunatic-abi.md §1.3, §7.2.
#include "tap.h"

enum { RETURN, TRAP, LEAVE_MEMORY, DIVIDE, OVERFLOW, HOST_TRAP, EXIT, EXIT_ZERO, KILL, RECEIVE, SLEEP_AND_TRAP, NESTED,
       NESTED_TRAP, SPIN };

static volatile int zero, depth;
__attribute__((noinline)) static int descend(int n) {
  depth = n;
  return n == 0x7fffffff ? 0 : descend(n + 1) + depth;
}

EXPORT("_lunatic_catch_trap") int32_t lunatic_catch_trap(int32_t way, int32_t argument) {
  switch (way) {
    case RETURN: return argument;
    case TRAP: __builtin_trap();
    case LEAVE_MEMORY: return *(volatile int *)0xfffffff0;
    case DIVIDE: return argument / zero;
    case OVERFLOW: return descend(0);
    case HOST_TRAP: return take_module(argument);
    case EXIT: proc_exit(argument);
    case EXIT_ZERO: proc_exit(0);
    case KILL: kill(process_id()); sleep_ms(NEVER); return 1;
    case RECEIVE: return receive_number(argument);
    case SLEEP_AND_TRAP: sleep_ms(argument); __builtin_trap();
    case NESTED: return catch_trap(TRAP, 0) + 10 * catch_trap(RETURN, argument);
    case NESTED_TRAP: catch_trap(RETURN, 1); __builtin_trap();
    case SPIN: for (;;) __asm__ volatile("");
    default: return -1;
  }
}

static void results_pass(void) {
  EQUAL(catch_trap(RETURN, 5), 5);
  EQUAL(catch_trap(RETURN, -7), -7);
  EQUAL(catch_trap(RETURN, 0), 0);
}

static void traps_give_zero(void) {
  EQUAL(catch_trap(TRAP, 5), 0);
  EQUAL(catch_trap(LEAVE_MEMORY, 5), 0);
  EQUAL(catch_trap(DIVIDE, 5), 0);
  create_data(0, 0);
  EQUAL(catch_trap(HOST_TRAP, 5), 0);
  EQUAL(catch_trap(RETURN, 5), 5);
}

static void overflow_is_caught(void) {
  EQUAL(catch_trap(OVERFLOW, 5), 0);
  EQUAL(catch_trap(RETURN, 5), 5);
}

CHILD(catches) {
  catch_trap(argument, 3);
  send_number(parent, 1, 0);
  sleep_ms(NEVER);
}

static void kill_is_not_caught(void) {
  EXPECT(fails("catches", KILL));
  uint64_t child = start("catches", SPIN);
  sleep_ms(10);
  kill(child);
  await_end(child);
  child = start("catches", RECEIVE);
  sleep_ms(10);
  kill(child);
  await_end(child);
  int64_t tag = 1;
  EQUAL(receive(&tag, 1, 20), TIMED_OUT);
}

static void link_death_is_not_caught(void) {
  EXPECT(fails("catches_a_death", 0));
}
CHILD(catches_a_death) {
  start_linked(1, "traps", 0);
  catch_trap(RECEIVE, 1);
  sleep_ms(NEVER);
}
CHILD(traps) { __builtin_trap(); }

static void exit_is_not_caught(void) {
  EXPECT(fails("catches", EXIT));
  EXPECT(!fails("catches", EXIT_ZERO));
}

static void blocks_inside(void) {
  start("tells_later", 77);
  EQUAL(catch_trap(RECEIVE, 4), 77);
  uint64_t began = now_ms();
  EQUAL(catch_trap(SLEEP_AND_TRAP, 30), 0);
  EXPECT(now_ms() - began >= 28);
  start("tells_later", 78);
  EQUAL(catch_trap(RECEIVE, 4), 78);
}
CHILD(tells_later) {
  sleep_ms(20);
  send_number(parent, 4, argument);
}

static void nests(void) {
  EQUAL(catch_trap(NESTED, 4), 40);
  EQUAL(catch_trap(NESTED_TRAP, 4), 0);
}

static void a_thousand_times(void) {
  for (int i = 1; i <= 1000; i++) {
    EQUAL(catch_trap(TRAP, i), 0);
    EQUAL(catch_trap(RETURN, i), i);
  }
}

static void the_process_goes_on(void) {
  uint64_t me = process_id();
  catch_trap(TRAP, 0);
  EQUAL(process_id(), me);
  EQUAL(exists(me), 1);
  send_number(me, 6, 1);
  EQUAL(receive_number(6), 1);
  die_when_link_dies(0);
  EXPECT(fails("traps", 0)); // a trap outside is still one
}

TESTS(
  TEST("a result passes", results_pass),
  TEST("a trap gives 0", traps_give_zero),
  TEST("a stack overflow gives 0", overflow_is_caught),
  TEST("a kill is not caught", kill_is_not_caught),
  TEST("the death of a link is not caught", link_death_is_not_caught),
  TEST("proc_exit is not caught", exit_is_not_caught),
  TEST("a process may wait inside", blocks_inside),
  TEST("catches nest", nests),
  TEST("a thousand traps are caught", a_thousand_times),
  TEST("the process goes on after a caught trap", the_process_goes_on)
)
