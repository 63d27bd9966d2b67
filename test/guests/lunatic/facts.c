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

static void other_nodes_do_not_exist(void) {
  EXPECT(fails("sends_abroad", 9));
}
CHILD(sends_abroad) {
  create_data(0, 0);
  send_to_node(argument, parent);
}

TESTS(
  TEST("the version is that of the functions", version_is_of_the_abi),
  TEST("metrics are taken", metrics_are_taken),
  TEST("a metric's name is text", metrics_want_text),
  TEST("error 0 is always there", error_zero_is_there),
  TEST("errors are read, dropped and then unknown", errors_are_read_and_dropped),
  TEST("this node is the only one", this_is_the_only_node),
  TEST("a message to another node traps", other_nodes_do_not_exist)
)
