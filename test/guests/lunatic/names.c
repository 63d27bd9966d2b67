// lunatic::registry: names of processes, which end with them. lunatic-abi.md §1.3, §2.8, §7.2.
#include "tap.h"

CHILD(waits) { receive(NULL, 0, NEVER); }
CHILD(traps_when_told) {
  receive(NULL, 0, NEVER);
  __builtin_trap();
}

static void put(const char *name, uint64_t process) { registry_put(name, length_of(name), 0, process); }
static void drop(const char *name) { registry_remove(name, length_of(name)); }

// The pid, or 0 if the name is not known.
static uint64_t find(const char *name) {
  uint64_t node = 77, process = 88;
  uint32_t result = registry_get(name, length_of(name), &node, &process);
  if (result == 1) return 0;
  EQUAL(result, 0);
  EQUAL(node, 0);
  return process;
}

static void a_name_is_found(void) {
  EQUAL(find("nobody has this"), 0);
  put("me", process_id());
  EQUAL(find("me"), process_id());
  EQUAL(find("Me"), 0);
  EQUAL(find("me "), 0);
  drop("me");
  EQUAL(find("me"), 0);
  drop("me");
}

static void put_overwrites(void) {
  uint64_t other = start("waits", 0);
  put("a", process_id());
  put("a", other);
  EQUAL(find("a"), other);
  put("a", process_id());
  kill(other);
  await_end(other);
  EQUAL(find("a"), process_id()); // a name that was taken over does not go with its former process
}

CHILD(looks_up) { send_number(parent, 1, find("from another")); }
CHILD(names_itself) {
  put("child", process_id());
  send_number(parent, 1, 0);
  receive(NULL, 0, NEVER);
}

static void names_are_shared(void) {
  put("from another", process_id());
  start("looks_up", 0);
  EQUAL(receive_number(1), process_id());
  uint64_t child = start("names_itself", 0);
  receive_number(1);
  EQUAL(find("child"), child);
  kill(child);
}

static void names_end_with_their_process(void) {
  const char *children[] = {"waits", "traps_when_told"};
  for (int i = 0; i < 2; i++) {
    uint64_t child = start(children[i], 0);
    put("mortal", child);
    put("mortal, too", child);
    monitor(child);
    create_data(1, 0);
    send(child);
    EQUAL(receive(NULL, 0, NEVER), PROCESS_DIED);
    EQUAL(find("mortal"), 0);
    EQUAL(find("mortal, too"), 0);
  }
}

static void any_text_is_a_name(void) {
  static char name[1000];
  for (int i = 0; i < 1000; i++) name[i] = 'x';
  registry_put(name, 1000, 0, process_id());
  uint64_t node, process;
  EQUAL(registry_get(name, 1000, &node, &process), 0);
  EQUAL(registry_get(name, 999, &node, &process), 1);
  put("__proto__", process_id());
  EQUAL(find("__proto__"), process_id());
  EQUAL(find("constructor"), 0);
  put("", process_id());
  EQUAL(find(""), process_id());
  put("\xe2\x82\xac", process_id());
  EQUAL(find("\xe2\x82\xac"), process_id());
}

// The pid, or 0 if there is none: then the name is this process's to put, and others wait for that.
static uint64_t find_or_claim(const char *name) {
  uint64_t node = 77, process = 88;
  uint32_t result = registry_get_or_put_later(name, length_of(name), &node, &process);
  if (result == 1) return 0;
  EQUAL(result, 0);
  EQUAL(node, 0);
  return process;
}

CHILD(asks_for_claimed) {
  send_number(parent, 1, 0);
  send_number(parent, 2, argument ? find_or_claim("claimed") : find("claimed"));
}
CHILD(claims) {
  find_or_claim("claimed");
  send_number(parent, 1, 0);
  receive(NULL, 0, NEVER);
}

static void who_claims_a_name_puts_it(void) {
  put("claimed", process_id());
  EQUAL(find_or_claim("claimed"), process_id());
  drop("claimed");
  EQUAL(find_or_claim("claimed"), 0);
  for (int i = 0; i < 2; i++) start("asks_for_claimed", i), receive_number(1);
  int64_t tag = 2;
  EQUAL(receive(&tag, 1, 50), TIMED_OUT); // both wait
  put("claimed", process_id());
  for (int i = 0; i < 2; i++) EQUAL(receive_number(2), process_id());
  drop("claimed");
}

static void claims_end_with_their_process(void) {
  uint64_t claimer = start("claims", 0);
  receive_number(1);
  start("asks_for_claimed", 0);
  receive_number(1);
  kill(claimer);
  EQUAL(receive_number(2), 0);
  EQUAL(find_or_claim("claimed"), 0);
  drop("claimed");
}

static void a_claimer_does_not_wait_for_itself(void) {
  EQUAL(find_or_claim("claimed"), 0);
  EQUAL(find("claimed"), 0);
  EQUAL(find_or_claim("claimed"), 0); // its own to put still
  start("asks_for_claimed", 0);
  receive_number(1);
  uint64_t node = 77, process = 88;
  struct parameters p = child_parameters(0);
  EQUAL(get_or_spawn("claimed", 7, 0, INHERIT, INHERIT, "waits", 5, p.bytes, p.length, &node, &process), 0);
  EQUAL(receive_number(2), process);
  EQUAL(find("claimed"), process);
}

enum { NO_FUNCTION_NAME, TOO_MANY_PARAMETERS, NO_MODULE, BAD_NODE_OUT, BAD_OUT, BAD_LATER_OUT };
EXPORT("_lunatic_catch_trap") int32_t lunatic_catch_trap(int32_t way, int32_t argument) {
  uint64_t node, process, *bad = (uint64_t *)0xfffffff0;
  uint64_t module = way == NO_MODULE ? 99 : INHERIT;
  const char *function = way == NO_FUNCTION_NAME ? "\xff" : "waits";
  if (way == BAD_LATER_OUT) return registry_get_or_put_later("caught", 6, &node, bad);
  get_or_spawn("caught", 6, 0, INHERIT, module, function, length_of(function), text,
               way == TOO_MANY_PARAMETERS ? 5 : 0, way == BAD_NODE_OUT ? bad : &node, way == BAD_OUT ? bad : &process);
  return 1;
}

CHILD(asks_for_caught) {
  uint64_t node, process;
  send_number(parent, 3, registry_get("caught", 6, &node, &process));
}

static void a_caught_trap_leaves_no_claim(void) {
  for (int way = NO_FUNCTION_NAME; way <= BAD_LATER_OUT; way++) {
    EQUAL(catch_trap(way, 0), 0);
    start("asks_for_caught", 0);
    EQUAL(receive_number(3), 1); // there is none, and nobody is waited for
  }
}

CHILD(misuses) {
  uint64_t node, process;
  if (argument == 0) registry_put("\xff", 1, 0, process_id());
  if (argument == 1) registry_get("\xff", 1, &node, &process);
  if (argument == 2) registry_remove("\xff", 1);
  if (argument == 3) registry_get((char *)0xfffffff0, 100, &node, &process);
  if (argument == 4) registry_get_or_put_later("\xff", 1, &node, &process);
  if (argument == 5) registry_put("abroad", 6, 9, process_id());
}
static void misuse_traps(void) {
  EXPECT(!fails("misuses", 100));
  for (int way = 0; way < 6; way++) EXPECT(fails("misuses", way));
}

TESTS(
  TEST("a name is found until it is removed", a_name_is_found),
  TEST("put overwrites", put_overwrites),
  TEST("names are shared by the processes of an environment", names_are_shared),
  TEST("names end with their process, before its end is told", names_end_with_their_process),
  TEST("a name that is claimed is waited for", who_claims_a_name_puts_it),
  TEST("a claim ends with its process", claims_end_with_their_process),
  TEST("who claimed a name does not wait for itself", a_claimer_does_not_wait_for_itself),
  TEST("a trap that is caught leaves no claim", a_caught_trap_leaves_no_claim),
  TEST("any text is a name", any_text_is_a_name),
  TEST("what is no text traps", misuse_traps)
)
