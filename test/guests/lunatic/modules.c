// Modules that a guest compiles, spawns from, drops, and sends in messages. lunatic-abi.md §1.1, §1.2, §3.2.
#include "tap.h"

// (func (export "answer") (param $to i64) (param $number i64)): sends $number + 1 with the tag 61.
static const uint8_t answers[] = {
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x11, 0x03, 0x60, 0x02, 0x7e, 0x7e, 0x00,
  0x60, 0x02, 0x7f, 0x7f, 0x01, 0x7f, 0x60, 0x01, 0x7e, 0x01, 0x7f, 0x02, 0x56, 0x03, 0x10, 0x6c,
  0x75, 0x6e, 0x61, 0x74, 0x69, 0x63, 0x3a, 0x3a, 0x6d, 0x65, 0x73, 0x73, 0x61, 0x67, 0x65, 0x0b,
  0x63, 0x72, 0x65, 0x61, 0x74, 0x65, 0x5f, 0x64, 0x61, 0x74, 0x61, 0x00, 0x00, 0x10, 0x6c, 0x75,
  0x6e, 0x61, 0x74, 0x69, 0x63, 0x3a, 0x3a, 0x6d, 0x65, 0x73, 0x73, 0x61, 0x67, 0x65, 0x0a, 0x77,
  0x72, 0x69, 0x74, 0x65, 0x5f, 0x64, 0x61, 0x74, 0x61, 0x00, 0x01, 0x10, 0x6c, 0x75, 0x6e, 0x61,
  0x74, 0x69, 0x63, 0x3a, 0x3a, 0x6d, 0x65, 0x73, 0x73, 0x61, 0x67, 0x65, 0x04, 0x73, 0x65, 0x6e,
  0x64, 0x00, 0x02, 0x03, 0x02, 0x01, 0x00, 0x05, 0x03, 0x01, 0x00, 0x01, 0x07, 0x13, 0x02, 0x06,
  0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 0x02, 0x00, 0x06, 0x61, 0x6e, 0x73, 0x77, 0x65, 0x72, 0x00,
  0x03, 0x0a, 0x20, 0x01, 0x1e, 0x00, 0x41, 0x00, 0x20, 0x01, 0x42, 0x01, 0x7c, 0x37, 0x03, 0x00,
  0x42, 0x3d, 0x42, 0x00, 0x10, 0x00, 0x41, 0x00, 0x41, 0x08, 0x10, 0x01, 0x1a, 0x20, 0x00, 0x10,
  0x02, 0x1a, 0x0b,
};

// (import "lunatic::nothing" "f" (func))
static const uint8_t unknown_import[] = {
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x04, 0x01, 0x60, 0x00, 0x00, 0x02, 0x16,
  0x01, 0x10, 0x6c, 0x75, 0x6e, 0x61, 0x74, 0x69, 0x63, 0x3a, 0x3a, 0x6e, 0x6f, 0x74, 0x68, 0x69,
  0x6e, 0x67, 0x01, 0x66, 0x00, 0x00, 0x03, 0x02, 0x01, 0x00, 0x05, 0x03, 0x01, 0x00, 0x01, 0x07,
  0x13, 0x02, 0x06, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 0x02, 0x00, 0x06, 0x61, 0x6e, 0x73, 0x77,
  0x65, 0x72, 0x00, 0x01, 0x0a, 0x04, 0x01, 0x02, 0x00, 0x0b,
};

// Its start function traps.
static const uint8_t start_traps[] = {
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x09, 0x02, 0x60, 0x00, 0x00, 0x60, 0x02,
  0x7e, 0x7e, 0x00, 0x03, 0x03, 0x02, 0x00, 0x01, 0x05, 0x03, 0x01, 0x00, 0x01, 0x07, 0x13, 0x02,
  0x06, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 0x02, 0x00, 0x06, 0x61, 0x6e, 0x73, 0x77, 0x65, 0x72,
  0x00, 0x01, 0x08, 0x01, 0x00, 0x0a, 0x08, 0x02, 0x03, 0x00, 0x00, 0x0b, 0x02, 0x00, 0x0b,
};

static uint64_t compile(const uint8_t *bytes, uint32_t length) {
  uint64_t id = 99;
  EQUAL(compile_module(bytes, length, &id), 0);
  return id;
}

static uint32_t start_answer(uint64_t module, uint64_t to, int64_t number, int64_t link) {
  struct parameters p = {.length = 0};
  add_parameter(&p, I64, to, 0);
  add_parameter(&p, I64, number, 0);
  return spawn(link, INHERIT, module, "answer", 6, p.bytes, p.length, &started);
}

static void a_compiled_module_runs(void) {
  uint64_t module = compile(answers, sizeof answers);
  for (int i = 0; i < 5; i++) {
    EQUAL(start_answer(module, process_id(), i, 0), 0);
    EQUAL(receive_number(61), i + 1);
  }
}

static void expect_error(const uint8_t *bytes, uint32_t length) {
  uint64_t error = 0;
  EQUAL(compile_module(bytes, length, &error), 1);
  uint32_t size = error_size(error);
  EXPECT(size > 0);
  EXPECT(size < sizeof text);
  error_text(error, text);
  for (uint32_t i = 0; i < size; i++) EXPECT(text[i] != 0);
  error_drop(error);
}

static void what_cannot_run_is_an_error(void) {
  expect_error((const uint8_t *)"this is no module", 17);
  expect_error(NULL, 0);
  expect_error(answers, sizeof answers - 1);
  expect_error(unknown_import, sizeof unknown_import);
}

static void any_valid_module_compiles(void) { compile((const uint8_t *)"\0asm\1\0\0\0", 8); }

static void a_start_that_traps_is_told(void) {
  die_when_link_dies(0);
  uint64_t module = compile(start_traps, sizeof start_traps);
  if (start_answer(module, process_id(), 0, 5) == 1) { // it ran before spawn returned
    EXPECT(error_size(started) > 0);
    error_drop(started);
  } else { // it runs as the child's first turn
    EQUAL(receive(NULL, 0, NEVER), LINK_DIED);
    EQUAL(get_tag(), 5);
  }
}

static void a_missing_function_fails_the_child(void) {
  die_when_link_dies(0);
  uint64_t module = compile(answers, sizeof answers);
  EQUAL(spawn(5, INHERIT, module, "nothing", 7, NULL, 0, &started), 0);
  EQUAL(receive(NULL, 0, NEVER), LINK_DIED);
  EQUAL(get_tag(), 5);
}

static void dropping_leaves_processes(void) {
  uint64_t module = compile(answers, sizeof answers), another = compile(answers, sizeof answers);
  EXPECT(module != another);
  EQUAL(start_answer(module, process_id(), 7, 0), 0);
  drop_module(module);
  EQUAL(receive_number(61), 8);
  EQUAL(start_answer(another, process_id(), 8, 0), 0);
  EQUAL(receive_number(61), 9);
  EXPECT(fails("uses_unknown", 0));
  EXPECT(fails("uses_unknown", 1));
  EXPECT(fails("uses_unknown", 2));
}
CHILD(uses_unknown) {
  uint64_t module = compile(answers, sizeof answers);
  drop_module(module);
  create_data(0, 0);
  if (argument == 0) drop_module(module);
  if (argument == 1) start_answer(module, parent, 0, 0);
  if (argument == 2) push_module(module);
}

// Runs the module it is sent.
CHILD(runs_what_it_gets) {
  receive(NULL, 0, NEVER);
  int64_t index = read_number();
  uint64_t module = take_module(index);
  if (argument == 1) take_module(index); // gone: traps
  if (argument == 2) take_module(index + 5); // was never there
  start_answer(module, parent, index, 0);
  send_number(parent, 62, module);
}

static void send_two_modules(uint64_t to, uint64_t module, int which) {
  create_data(0, 0);
  uint64_t indexes[] = {push_module(module), push_module(module)};
  EXPECT(indexes[0] != indexes[1]);
  write_data(&indexes[which], 8);
  send(to);
}

static void modules_travel(void) {
  uint64_t module = compile(answers, sizeof answers);
  for (int which = 0; which < 2; which++) {
    send_two_modules(start("runs_what_it_gets", 0), module, which);
    EQUAL(receive_number(61), which + 1);
    EQUAL(receive_number(62), 0); // its first module: ids are of the process
  }
  EQUAL(start_answer(module, process_id(), 3, 0), 0); // the sender keeps its own
  EQUAL(receive_number(61), 4);
}

static void a_module_is_taken_once(void) {
  die_when_link_dies(0);
  uint64_t module = compile(answers, sizeof answers);
  for (int way = 1; way <= 2; way++) {
    send_two_modules(start_linked(9, "runs_what_it_gets", way), module, 0);
    EQUAL(receive(NULL, 0, NEVER), LINK_DIED);
    EQUAL(get_tag(), 9);
  }
}

static void ids_begin_at_zero(void) {
  EQUAL(compile(answers, sizeof answers), 0);
  EQUAL(compile(answers, sizeof answers), 1);
  drop_module(1);
  EQUAL(compile(answers, sizeof answers), 2);
  EQUAL(create_config(), 0);
  EQUAL(create_config(), 1);
}

TESTS(
  TEST("a compiled module runs", a_compiled_module_runs),
  TEST("what cannot run is an error with a text", what_cannot_run_is_an_error),
  TEST("a valid module without entry and memory compiles", any_valid_module_compiles),
  TEST("a start function that traps is an error of spawn or fails the child", a_start_that_traps_is_told),
  TEST("a missing function fails the child", a_missing_function_fails_the_child),
  TEST("dropping a module leaves its processes, and its id is unknown", dropping_leaves_processes),
  TEST("modules travel in messages", modules_travel),
  TEST("a module is taken out of a message once", a_module_is_taken_once),
  TEST("ids of modules and configs begin at 0 and are not used again", ids_begin_at_zero)
)
