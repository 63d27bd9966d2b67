// lunatic::version, metrics, error and distributed of a node without a cluster. lunatic-abi.md §1.3, §1.5, §7.2.
#include "tap.h"

static void version_is_of_the_abi(void) {
  EQUAL(version_major(), 0);
  EQUAL(version_minor(), 13);
  EQUAL(version_patch(), 2);
}

static void metrics_are_taken(void) {
  metric_counter("requests", 8, 5);
  metric_increment_counter("requests", 8);
  metric_gauge("level", 5, 1.5);
  metric_increment_gauge("level", 5, 1);
  metric_decrement_gauge("level", 5, 0.25);
  metric_histogram("sizes", 5, 100);
  metric_histogram("sizes", 5, __builtin_inf());
  metric_gauge("odd \xe2\x82\xac name\n", 13, __builtin_nan(""));
  metric_counter("", 0, UINT64_MAX);
}

static void metrics_want_text(void) {
  for (int way = 0; way < 6; way++) EXPECT(fails("measures_badly", way));
  EXPECT(!fails("measures_badly", 100));
}
CHILD(measures_badly) {
  if (argument == 0) metric_counter("\xff", 1, 5);
  if (argument == 1) metric_increment_counter("\xff", 1);
  if (argument == 2) metric_gauge("\xff", 1, 5);
  if (argument == 3) metric_increment_gauge("\xff", 1, 5);
  if (argument == 4) metric_decrement_gauge("\xff", 1, 5);
  if (argument == 5) metric_histogram("\xff", 1, 5);
}

static void error_zero_is_there(void) {
  EXPECT(error_size(0) > 0);
  error_drop(0);
  error_drop(0);
  EXPECT(error_size(0) > 0);
}

static void errors_are_read_and_dropped(void) {
  uint64_t error = 0, next = 0;
  EQUAL(compile_module("no module", 9, &error), 1);
  EQUAL(compile_module("no module", 9, &next), 1);
  EXPECT(error != 0 && next != 0 && error != next);
  uint32_t size = error_size(error);
  text[size] = '#';
  error_text(error, text);
  EQUAL(text[size], '#');
  error_drop(error);
  EQUAL(error_size(next), size);
  for (int way = 0; way < 4; way++) EXPECT(fails("uses_dropped", way));
}
CHILD(uses_dropped) {
  uint64_t error = 0;
  compile_module("no module", 9, &error);
  if (argument < 3) error_drop(error);
  if (argument == 0) error_drop(error);
  if (argument == 1) error_size(error);
  if (argument == 2) error_text(error, text);
  if (argument == 3) error_text(error, (char *)0xfffffff0);
}

static void this_is_the_only_node(void) {
  static uint64_t nodes[4];
  EQUAL(node_id(), 0);
  EQUAL(nodes_count(), 0);
  EQUAL(get_nodes(nodes, 4), 0);
  module_id();
}

static uint32_t spawn_at(uint64_t node, const char *function, int64_t argument) {
  struct parameters parameters = child_parameters(argument);
  return spawn_on_node(node, INHERIT, INHERIT, function, length_of(function), parameters.bytes, parameters.length,
                       &started);
}

// Answers one request with its number doubled, under the tag of the request.
CHILD(doubles) {
  if (receive(NULL, 0, NEVER) != DATA) __builtin_trap();
  int64_t tag = get_tag();
  send_number(parent, tag, 2 * read_number());
}

static void draft_number(int64_t tag, int64_t number) {
  create_data(tag, 0);
  write_data(&number, 8);
}

static void node_zero_is_here(void) {
  EQUAL(spawn_at(0, "doubles", 0), 0);
  draft_number(1, 21);
  EQUAL(send_to_node(0, started), 0);
  EQUAL(receive_number(1), 42);
  EQUAL(spawn_at(0, "doubles", 0), 0);
  draft_number(2, 4);
  EQUAL(request_of_node(0, started, 2, NEVER), 0);
  EQUAL(read_number(), 8);
  EQUAL(spawn_at(0, "doubles", 0), 0);
  draft_number(3, 5);
  EQUAL(old_request_of_node(0, started, NEVER), 0);
  EQUAL(read_number(), 10);
  draft_number(4, 0);
  EQUAL(request_of_node(0, started, 4, 1), TIMED_OUT);
}

static void nodes_spawn_without_links(void) {
  die_when_link_dies(0);
  EQUAL(spawn_at(0, "traps_at_once", 0), 0);
  monitor(started);
  EQUAL(receive(NULL, 0, NEVER), PROCESS_DIED);
}
CHILD(traps_at_once) { __builtin_trap(); }

static void other_nodes_do_not_exist(void) {
  for (int way = 0; way < 4; way++) EXPECT(fails("asks_abroad", way));
  EXPECT(!fails("asks_abroad", 100));
}
CHILD(asks_abroad) {
  create_data(1, 0);
  if (argument == 0) send_to_node(9, parent);
  if (argument == 1) request_of_node(9, parent, 1, 0);
  if (argument == 2) old_request_of_node(9, parent, 0);
  if (argument == 3) spawn_at(9, "doubles", 0);
}

static void there_is_no_cluster(void) {
  for (int way = 0; way < 5; way++) EXPECT(fails("asks_the_cluster", way));
  EXPECT(!fails("asks_the_cluster", 100));
}
CHILD(asks_the_cluster) {
  uint64_t id, error;
  uint32_t count;
  if (argument == 0) exec_lookup_nodes("name=x", 6, &id, &count, &error);
  if (argument == 1) copy_lookup_nodes(0, &id, 1, &error);
  if (argument == 2) test_root_cert(&count);
  if (argument == 3) server_certificates("", 0, "", 0, &count);
  if (argument == 4) sign_node("", 0, "", 0, "", 0, &count);
}

HOST("env", "abort") void script_abort(const void *message, const void *file, uint32_t line, uint32_t column);

static void abort_traps(void) { EXPECT(fails("aborts", 0)); }
CHILD(aborts) { script_abort(NULL, NULL, 1, 2); }

TESTS(
  TEST("the version is that of the functions", version_is_of_the_abi),
  TEST("metrics are taken", metrics_are_taken),
  TEST("a metric's name is text", metrics_want_text),
  TEST("error 0 is always there", error_zero_is_there),
  TEST("errors are read, dropped and then unknown", errors_are_read_and_dropped),
  TEST("this node is the only one", this_is_the_only_node),
  TEST("node 0 is this one: it spawns, takes messages and is asked", node_zero_is_here),
  TEST("a spawn on a node links nobody", nodes_spawn_without_links),
  TEST("what asks another node traps", other_nodes_do_not_exist),
  TEST("what asks a cluster traps", there_is_no_cluster),
  TEST("AssemblyScript's abort traps", abort_traps)
)
