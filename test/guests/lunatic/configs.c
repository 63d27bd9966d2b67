// Configs: what a new one allows, what a child may then do, never more than its parent. lunatic-abi.md §2.7.
#include "tap.h"

CHILD(nothing) {}

static void a_new_config_denies(void) {
  int64_t config = create_config();
  EXPECT(config >= 0);
  EQUAL(can_compile_modules(config), 0);
  EQUAL(can_create_configs(config), 0);
  EQUAL(can_spawn_processes(config), 0);
  EQUAL(get_max_fuel(config), 0);
  EXPECT(get_max_memory(config) > 0);
  EXPECT(create_config() != config);
}

static void a_config_keeps_what_is_set(void) {
  uint64_t config = create_config();
  set_can_compile_modules(config, 1);
  EQUAL(can_compile_modules(config), 1);
  EQUAL(can_create_configs(config), 0);
  set_can_create_configs(config, 7);
  EQUAL(can_create_configs(config), 1);
  set_can_spawn_processes(config, 1);
  EQUAL(can_spawn_processes(config), 1);
  set_can_spawn_processes(config, 0);
  EQUAL(can_spawn_processes(config), 0);
  set_max_memory(config, 1 << 20);
  EQUAL(get_max_memory(config), 1 << 20);
  set_max_fuel(config, 12345);
  EQUAL(get_max_fuel(config), 12345);
  set_max_fuel(config, 0);
  EQUAL(get_max_fuel(config), 0);
}

CHILD(uses_unknown) {
  uint64_t config = create_config();
  drop_config(config);
  switch (argument) {
    case 0: drop_config(config); break;
    case 1: set_max_memory(config, 1); break;
    case 2: get_max_memory(config); break;
    case 3: set_max_fuel(config, 1); break;
    case 4: get_max_fuel(config); break;
    case 5: can_spawn_processes(config); break;
    case 6: set_can_spawn_processes(config, 1); break;
    case 7: can_create_configs(config); break;
    case 8: set_can_compile_modules(config, 1); break;
    case 9: add_variable(config, "a", 1, "b", 1); break;
    case 10: add_argument(config, "a", 1); break;
    case 11: preopen_dir(config, ".", 1); break;
    default: break;
  }
}

static void unknown_configs_trap(void) {
  EXPECT(!fails("uses_unknown", 100));
  for (int way = 0; way <= 11; way++) {
    if (!fails("uses_unknown", way)) {
      text_length = 0;
      add_text("way ");
      add_number(way);
      add_text(" does not trap");
      report_failure();
    }
  }
}

// What this process may do, as bits.
static uint32_t rights(void) {
  uint32_t bits = 0;
  uint64_t id;
  int32_t compiled = compile_module("\0asm\1\0\0\0", 8, &id);
  if (compiled == 0) bits |= 1;
  if (create_config() >= 0) bits |= 2;
  return bits;
}
CHILD(tells_rights) { send_number(parent, 1, rights()); }

static uint64_t config_with(uint32_t bits) {
  uint64_t config = create_config();
  set_can_compile_modules(config, bits & 1);
  set_can_create_configs(config, bits & 2);
  set_can_spawn_processes(config, bits & 4);
  return config;
}

static void rights_are_as_set(void) {
  EQUAL(rights(), 3);
  for (uint32_t bits = 0; bits < 4; bits++) {
    start_with(0, config_with(bits), "tells_rights", 0);
    EQUAL(receive_number(1), bits);
  }
  start("tells_rights", 0); // no config of its own: its parent's
  EQUAL(receive_number(1), 3);
}

CHILD(spawns) { start("nothing", 0); }

static void spawning_needs_the_right(void) {
  EXPECT(fails_with(config_with(3), "spawns", 0));
  EXPECT(!fails_with(config_with(4), "spawns", 0));
}

// Gives a child of its own every right there is.
CHILD(is_generous) {
  uint64_t config = config_with(7);
  set_max_memory(config, UINT32_MAX);
  struct parameters p = {.length = 0};
  add_parameter(&p, I64, parent, 0);
  add_parameter(&p, I64, argument, 0);
  const char *function = argument == 0 ? "tells_rights" : "grows";
  if (spawn(0, config, INHERIT, function, length_of(function), p.bytes, p.length, &started) != 0) __builtin_trap();
}

static void a_child_has_no_more_than_its_parent(void) {
  uint64_t config = config_with(2 | 4);
  start_with(0, config, "is_generous", 0);
  EQUAL(receive_number(1), 2);
}

// Grows by pages until it may not; tells how many it has then.
CHILD(grows) {
  while (__builtin_wasm_memory_grow(0, 1) != (size_t)-1 && __builtin_wasm_memory_size(0) < 1000) {}
  send_number(parent, 1, __builtin_wasm_memory_size(0));
}

static void memory_ends_at_its_maximum(void) {
  uint64_t config = config_with(0);
  set_max_memory(config, 20 * 65536 + 100);
  start_with(0, config, "grows", 1);
  EQUAL(receive_number(1), 20);
}

static void memory_is_never_more_than_the_parents(void) {
  uint64_t config = config_with(2 | 4);
  set_max_memory(config, 20 * 65536);
  start_with(0, config, "is_generous", 1);
  EQUAL(receive_number(1), 20);
}

static void too_little_memory_is_an_error(void) {
  uint64_t config = config_with(0);
  set_max_memory(config, 1000);
  EQUAL(try_start(0, config, "nothing", 0), 1);
  uint32_t length = error_size(started);
  EXPECT(length > 0 && length < sizeof text);
  error_text(started, text);
  error_drop(started);
}

CHILD(counts) {
  volatile uint64_t sum = 0;
  for (uint64_t i = 0; i < 4000000000; i++) sum += i;
}

static void fuel_runs_out(void) {
  uint64_t config = config_with(0);
  set_max_fuel(config, 1);
  EXPECT(fails_with(config, "counts", 0));
  set_max_fuel(config, 1000000);
  EXPECT(!fails_with(config, "nothing", 0));
}

static void a_config_is_taken_at_spawn(void) {
  uint64_t config = config_with(1);
  start_with(0, config, "tells_rights_when_asked", 0);
  set_can_create_configs(config, 1);
  drop_config(config);
  send_number(started, 0, 0);
  EQUAL(receive_number(1), 1);
}
CHILD(tells_rights_when_asked) {
  receive(NULL, 0, NEVER);
  send_number(parent, 1, rights());
}

// Sends its arguments or its environment, a NUL after each.
CHILD(tells_strings) {
  static char bytes[4096];
  static char *strings[100];
  uint32_t count, length;
  if (argument == 0) args_sizes_get(&count, &length), args_get(strings, bytes);
  else environ_sizes_get(&count, &length), environ_get(strings, bytes);
  create_data(1, 0);
  write_data(bytes, length);
  send(parent);
}

static void expect_strings(uint64_t config, int which, const char *wanted, uint32_t length) {
  static char got[4096];
  start_with(0, config, "tells_strings", which);
  EQUAL(receive(NULL, 0, NEVER), DATA);
  EQUAL(read_data(got, sizeof got), length);
  for (uint32_t i = 0; i < length; i++) EXPECT(got[i] == wanted[i]);
}

static void arguments_are_exactly_the_list(void) {
  uint64_t config = create_config();
  expect_strings(config, 0, "", 0);
  add_argument(config, "first", 5);
  add_argument(config, "", 0);
  add_argument(config, "d\xc3\xa9j\xc3\xa0", 6);
  expect_strings(config, 0, "first\0\0d\xc3\xa9j\xc3\xa0", 14);
}

static void variables_are_those_of_the_config(void) {
  uint64_t config = create_config();
  expect_strings(config, 1, "", 0);
  add_variable(config, "A", 1, "1", 1);
  add_variable(config, "LONGER", 6, "x=y", 3);
  expect_strings(config, 1, "A=1\0LONGER=x=y", 15);
}

static void the_parents_are_inherited_without_a_config(void) {
  uint64_t config = create_config();
  set_can_spawn_processes(config, 1);
  add_variable(config, "A", 1, "1", 1);
  start_with(0, config, "passes_on", 0);
  EQUAL(receive(NULL, 0, NEVER), DATA);
  EQUAL(data_size(), 4);
}
CHILD(passes_on) {
  struct parameters p = {.length = 0};
  add_parameter(&p, I64, parent, 0);
  add_parameter(&p, I64, 1, 0);
  spawn(0, INHERIT, INHERIT, "tells_strings", 13, p.bytes, p.length, &started);
}

static void a_directory_that_is_not_there_traps(void) {
  EXPECT(fails("preopens", 0));
}
CHILD(preopens) {
  uint64_t config = create_config();
  preopen_dir(config, "/no/such/directory", 18);
  start_with(0, config, "nothing", 0);
}

TESTS(
  TEST("a new config denies everything", a_new_config_denies),
  TEST("a config keeps what is set", a_config_keeps_what_is_set),
  TEST("a config that is not there traps", unknown_configs_trap),
  TEST("a child may compile and make configs as its config says", rights_are_as_set),
  TEST("a spawn without the right traps", spawning_needs_the_right),
  TEST("a child has no more rights than its parent", a_child_has_no_more_than_its_parent),
  TEST("memory ends at its maximum", memory_ends_at_its_maximum),
  TEST("memory is never more than the parent's", memory_is_never_more_than_the_parents),
  TEST("a maximum below the first memory is an error with a text", too_little_memory_is_an_error),
  TEST("fuel runs out", fuel_runs_out),
  TEST("a config counts as it was at the spawn", a_config_is_taken_at_spawn),
  TEST("arguments are exactly the config's", arguments_are_exactly_the_list),
  TEST("variables are exactly the config's", variables_are_those_of_the_config),
  TEST("without a config the parent's counts", the_parents_are_inherited_without_a_config),
  TEST("a directory that cannot be opened traps", a_directory_that_is_not_there_traps)
)
