// lunatic::process: spawn, its parameters, get_or_spawn, kill, exists, sleep, ends. lunatic-abi.md §1.2, §2.2, §2.6.
#include "tap.h"

CHILD(nothing) {}
CHILD(traps) { __builtin_trap(); }
CHILD(exits) { proc_exit(argument); }
CHILD(sleeps) { sleep_ms(NEVER); }
CHILD(waits) { receive(NULL, 0, NEVER); }
CHILD(tells) { send_number(parent, 1, argument); }

CHILD(tells_its_pid) { send_number(parent, argument, process_id()); }

static void child_has_the_pid(void) {
  uint64_t me = process_id();
  uint64_t one = start("tells_its_pid", 1), two = start("tells_its_pid", 2);
  EXPECT(one != me && two != me && one != two);
  EQUAL(receive_number(2), two);
  EQUAL(receive_number(1), one);
  EQUAL(process_id(), me);
}

static int64_t state = 1;
CHILD(tells_state) {
  int64_t seen = state;
  state = 99;
  send_number(parent, 1, receive(NULL, 0, 0) == TIMED_OUT ? seen : -1);
}

static void nothing_is_shared(void) {
  state = 50;
  send_number(process_id(), 3, 0);
  start("tells_state", 0);
  EQUAL(receive_number(1), 1);
  EQUAL(state, 50);
}

// All kinds of parameters.
typedef int64_t v128 __attribute__((vector_size(16)));
__attribute__((target("simd128"))) EXPORT("all_kinds")
void all_kinds(int32_t a, int64_t b, v128 c, uint64_t parent) {
  create_data(1, 0);
  write_data(&a, 4);
  write_data(&b, 8);
  write_data(&c, 16);
  send(parent);
}

static void parameters_arrive(void) {
  struct parameters p = {.length = 0};
  add_parameter(&p, I32, 0xffffffff12345678, 7); // the low 4 bytes count
  add_parameter(&p, I64, 0xfedcba9876543210, 7); // the low 8
  add_parameter(&p, V128, 0x0807060504030201, 0x100f0e0d0c0b0a09);
  add_parameter(&p, I64, process_id(), 0);
  EQUAL(spawn(0, INHERIT, INHERIT, "all_kinds", 9, p.bytes, p.length, &started), 0);
  EQUAL(receive(NULL, 0, NEVER), DATA);
  int32_t a;
  int64_t b;
  uint8_t c[16];
  EQUAL(data_size(), 28);
  read_data(&a, 4);
  read_data(&b, 8);
  read_data(c, 16);
  EQUAL(a, 0x12345678);
  EXPECT(b == (int64_t)0xfedcba9876543210);
  for (int i = 0; i < 16; i++) EQUAL(c[i], i + 1);
}

EXPORT("no_parameters") void no_parameters(void) {}
EXPORT("gives_a_result") int32_t gives_a_result(void) { return 7; }

// A spawn that traps, or whose child fails, by how it was asked.
CHILD(spawns_badly) {
  struct parameters p = child_parameters(0);
  switch (argument) {
    case 0: spawn(0, INHERIT, INHERIT, "nothing", 7, p.bytes, 33, &started); break;
    case 1: p.bytes[0] = 0x11; spawn(0, INHERIT, INHERIT, "nothing", 7, p.bytes, 34, &started); break;
    case 2: spawn(0, 12345, INHERIT, "nothing", 7, p.bytes, 34, &started); break;
    case 3: spawn(0, INHERIT, 12345, "nothing", 7, p.bytes, 34, &started); break;
    case 4: spawn(0, INHERIT, INHERIT, "\xff\xfe", 2, p.bytes, 34, &started); break;
    case 5: spawn(0, INHERIT, INHERIT, "nothing", 7, p.bytes, 34, (uint64_t *)0xfffffff8); break;
    case 6: spawn(0, INHERIT, INHERIT, "nothing", 7, (void *)0xfffffff0, 34, &started); break;
    default: spawn(0, INHERIT, INHERIT, "nothing", 7, p.bytes, 34, &started); break;
  }
}

static void bad_spawns_trap(void) {
  EXPECT(!fails("spawns_badly", 100));
  for (int way = 0; way <= 6; way++) {
    if (!fails("spawns_badly", way)) {
      text_length = 0;
      add_text("bad spawn ");
      add_number(way);
      add_text(" does not trap");
      report_failure();
    }
  }
}

static void missing_function_fails_the_child(void) {
  EXPECT(fails("no_such_export", 0));
  EXPECT(fails("memory", 0));
  EXPECT(fails("no_parameters", 0)); // two parameters were given
}

static void results_are_ignored(void) {
  die_when_link_dies(0);
  EQUAL(spawn(1, INHERIT, INHERIT, "gives_a_result", 14, NULL, 0, &started), 0);
  monitor(started);
  EQUAL(receive(NULL, 0, NEVER), PROCESS_DIED);
}

static void ends_are_normal_or_failed(void) {
  EXPECT(!fails("nothing", 0));
  EXPECT(!fails("exits", 0));
  EXPECT(fails("exits", 1));
  EXPECT(fails("exits", 255));
  EXPECT(fails("traps", 0));
  EXPECT(fails("overflows", 0));
  EXPECT(fails("leaves_memory", 0));
}
static volatile int depth;
__attribute__((noinline)) static int descend(int n) {
  depth = n;
  return n == 0x7fffffff ? 0 : descend(n + 1) + depth;
}
CHILD(overflows) { depth = descend(0); }
CHILD(leaves_memory) { *(volatile int *)0xfffffff0 = 1; }

static void exists_tells(void) {
  EQUAL(exists(process_id()), 1);
  EQUAL(exists(1ull << 52), 0);
  EQUAL(exists(UINT64_MAX), 0);
  uint64_t child = start("waits", 0);
  EQUAL(exists(child), 1);
  create_data(1, 0);
  send(child);
  await_end(child);
  EQUAL(exists(child), 0);
}

CHILD(spins) { for (;;) __asm__ volatile(""); }
CHILD(sends_to_itself) {
  for (;;) {
    send_number(process_id(), 0, 0);
    receive(NULL, 0, NEVER);
  }
}
CHILD(looks_at_the_clock) { for (;;) now_ms(); }

static void kill_ends_anything(void) {
  const char *children[] = {"sleeps", "waits", "spins", "sends_to_itself", "looks_at_the_clock"};
  for (int i = 0; i < 5; i++) {
    uint64_t child = start(children[i], 0);
    sleep_ms(i % 2 * 20); // while it begins, or once it is at it
    monitor(child);
    kill(child);
    EQUAL(receive(NULL, 0, NEVER), PROCESS_DIED);
    EQUAL(get_process_id(), child);
    kill(child);
  }
  kill(1ull << 52);
}

CHILD(kills_itself) {
  kill(process_id());
  sleep_ms(argument);
  for (;;) __asm__ volatile("");
}

static void kill_of_oneself_is_a_failure(void) {
  EXPECT(fails("kills_itself", 1000));
}

static void message_before_kill_is_taken(void) {
  // The message is accepted, the process dies, and nobody else gets it.
  uint64_t child = start("waits", 0);
  send_number(child, 0, 0);
  kill(child);
  await_end(child);
  EQUAL(receive(NULL, 0, 20), TIMED_OUT);
}

static void sleep_waits(void) {
  uint64_t began = now_ms();
  sleep_ms(0);
  sleep_ms(50);
  EXPECT(now_ms() - began >= 48);
}

static void messages_wait_for_the_sleeper(void) {
  start("tells", 5);
  sleep_ms(40);
  EQUAL(receive_number(1), 5);
}

static uint32_t get_or_start(const char *name, const char *function, uint64_t *node, uint64_t *process) {
  struct parameters p = child_parameters(4);
  return get_or_spawn(name, length_of(name), 0, INHERIT, INHERIT, function, length_of(function), p.bytes, p.length,
                      node, process);
}

static void get_or_spawn_is_one_process(void) {
  uint64_t node = 7, one = 0, two = 0;
  EQUAL(get_or_start("one and only", "waits", &node, &one), 0);
  EQUAL(exists(one), 1);
  node = 7;
  EQUAL(get_or_start("one and only", "waits", &node, &two), 2);
  EQUAL(node, 0);
  EQUAL(two, one);
  uint64_t found = 0;
  EQUAL(registry_get("one and only", 12, &node, &found), 0);
  EQUAL(found, one);
  kill(one);
  await_end(one);
  EQUAL(get_or_start("one and only", "waits", &node, &two), 0);
  EXPECT(two != one);
  kill(two);
}

CHILD(gets_or_spawns) {
  uint64_t node, process = 0;
  uint32_t result = get_or_start("contested", "waits", &node, &process);
  send_number(parent, 1 + (result != 0), process);
}

static void get_or_spawn_races(void) {
  for (int i = 0; i < 20; i++) start("gets_or_spawns", 0);
  int64_t tags[] = {1, 2};
  uint64_t process = 0;
  int made = 0;
  for (int i = 0; i < 20; i++) {
    EQUAL(receive(tags, 2, NEVER), DATA);
    if (get_tag() == 1) made++;
    uint64_t told = read_number();
    EXPECT(process == 0 || told == process);
    process = told;
  }
  EQUAL(made, 1);
  kill(process);
}

static void get_or_spawn_needs_no_right_to_look(void) {
  uint64_t config = create_config(), node, process;
  EQUAL(get_or_start("known", "waits", &node, &process), 0);
  EXPECT(!fails_with(config, "looks_for", 0));
  EXPECT(fails_with(config, "looks_for", 1));
  kill(process);
}
CHILD(looks_for) {
  uint64_t node, process;
  if (get_or_start(argument == 0 ? "known" : "unknown", "nothing", &node, &process) != 2) __builtin_trap();
}

CHILD(tells_environment) { send_number(parent, 1, environment_id()); }
static void environment_is_shared(void) {
  start("tells_environment", 0);
  EQUAL(receive_number(1), environment_id());
}

// A child that makes two children, and so on: 127 processes, each answers its parent with the sum of its children.
CHILD(tree) {
  int64_t sum = 1;
  if (argument > 0) {
    start("tree", argument - 1);
    start("tree", argument - 1);
    sum += receive_number(0);
    sum += receive_number(0);
  }
  send_number(parent, 0, sum);
}
static void a_tree_of_processes(void) {
  start("tree", 6);
  EQUAL(receive_number(0), 127);
}

static void a_thousand_in_a_row(void) {
  for (int i = 0; i < 1000; i++) {
    start("tells", i);
    EQUAL(receive_number(1), i);
  }
}

static void a_hundred_at_once(void) {
  static uint64_t children[100];
  for (int i = 0; i < 100; i++) children[i] = start("waits_and_tells", i);
  for (int i = 99; i >= 0; i--) send_number(children[i], 0, 1000);
  int64_t sum = 0;
  for (int i = 0; i < 100; i++) sum += receive_number(1);
  EQUAL(sum, 104950);
}
CHILD(waits_and_tells) { send_number(parent, 1, argument + receive_number(0)); }

static int bad_way;
EXPORT("_lunatic_catch_trap") int32_t lunatic_catch_trap(int32_t low, int32_t high) {
  uint64_t node, *bad = (uint64_t *)0xfffffff0;
  struct parameters p = {.length = 0};
  add_parameter(&p, I64, (uint32_t)low | (uint64_t)high << 32, 0);
  add_parameter(&p, I64, 0, 0);
  if (bad_way == 0) return spawn(0, INHERIT, INHERIT, "lives", 5, p.bytes, p.length, bad) + 1;
  if (bad_way == 1) return spawn_on_node(0, INHERIT, INHERIT, "lives", 5, p.bytes, p.length, bad) + 1;
  if (bad_way == 2)
    return get_or_spawn("bad", 3, 0, INHERIT, INHERIT, "lives", 5, p.bytes, p.length, &node, bad) + 1;
  return get_or_spawn("bad", 3, 0, INHERIT, INHERIT, "lives", 5, p.bytes, p.length, bad, &node) + 1;
}
CHILD(lives) { send_number(parent, 9, 1); }
static void a_bad_pointer_makes_no_child(void) {
  uint64_t me = process_id();
  int64_t tag = 9;
  for (bad_way = 0; bad_way < 4; bad_way++) {
    EQUAL(catch_trap(me, me >> 32), 0);
    EQUAL(receive(&tag, 1, 50), TIMED_OUT);
  }
}

TESTS(
  TEST("a child has the pid that spawn gave", child_has_the_pid),
  TEST("a child shares no memory and no mailbox", nothing_is_shared),
  TEST("i32, i64 and v128 parameters arrive", parameters_arrive),
  TEST("a spawn that is asked wrongly traps", bad_spawns_trap),
  TEST("a function that is missing or another fails the child", missing_function_fails_the_child),
  TEST("a function's result is ignored", results_are_ignored),
  TEST("an end is normal or failed", ends_are_normal_or_failed),
  TEST("exists tells who is alive", exists_tells),
  TEST("kill ends whoever sleeps, waits, spins or talks", kill_ends_anything),
  TEST("who kills itself fails", kill_of_oneself_is_a_failure),
  TEST("a message before a kill goes to nobody else", message_before_kill_is_taken),
  TEST("sleep waits its time", sleep_waits),
  TEST("messages wait for a sleeper", messages_wait_for_the_sleeper),
  TEST("a spawn with a bad pointer traps before there is a child", a_bad_pointer_makes_no_child),
  TEST("get_or_spawn makes one process a name", get_or_spawn_is_one_process),
  TEST("twenty that get_or_spawn one name get one process", get_or_spawn_races),
  TEST("get_or_spawn asks for the right to spawn only to spawn", get_or_spawn_needs_no_right_to_look),
  TEST("parent and child are in one environment", environment_is_shared),
  TEST("127 processes of a tree add up", a_tree_of_processes),
  TEST("a thousand processes in a row", a_thousand_in_a_row),
  TEST("a hundred processes at once", a_hundred_at_once)
)
