// lunatic::message: building, reading, tags, selective receive, order, time-outs, requests. lunatic-abi.md §1.1, §2.5.
#include "tap.h"

static void reads_in_pieces(void) {
  create_data(0, 0);
  EQUAL(write_data("abcdef", 6), 6);
  EQUAL(write_data("", 0), 0);
  write_data("ghi", 3);
  char got[16] = {0};
  EQUAL(send(process_id()), 0);
  EQUAL(receive(NULL, 0, NEVER), DATA);
  EQUAL(data_size(), 9);
  EQUAL(read_data(got, 4), 4);
  EQUAL(read_data(got + 4, 12), 5);
  EQUAL(data_size(), 9);
  EQUAL(read_data(got, 16), 0);
  EXPECT(same_text(got, "abcdefghi"));
  seek_data(6);
  EQUAL(read_data(got, 16), 3);
  EXPECT(got[0] == 'g' && got[2] == 'i');
}

static void reads_its_own_draft(void) {
  char got[4] = {0};
  create_data(7, 1 << 30); // the capacity is a hint
  write_data("xy", 2);
  EQUAL(get_tag(), 7);
  EQUAL(data_size(), 2);
  EQUAL(read_data(got, 4), 2);
  EXPECT(same_text(got, "xy"));
}

static void appends_to_received(void) {
  send_number(process_id(), 5, 1);
  EQUAL(receive(NULL, 0, NEVER), DATA);
  int64_t more = 2;
  EQUAL(write_data(&more, 8), 8);
  EQUAL(data_size(), 16);
  send(process_id());
  EQUAL(receive(NULL, 0, NEVER), DATA);
  EQUAL(get_tag(), 5);
  EQUAL(read_number(), 1);
  EQUAL(read_number(), 2);
}

static void create_discards(void) {
  send_number(process_id(), 5, 1);
  receive(NULL, 0, NEVER);
  create_data(6, 0);
  EQUAL(data_size(), 0);
  EQUAL(get_tag(), 6);
}

static void tags_have_64_bits(void) {
  int64_t tags[] = {INT64_MIN, -1, 0x0200000000000084, INT64_MAX, 1, 0};
  for (int i = 0; i < 6; i++) send_number(process_id(), tags[i], i);
  for (int i = 0; i < 6; i++) {
    EQUAL(receive(NULL, 0, NEVER), DATA);
    EQUAL(get_tag(), tags[i]);
    EQUAL(get_process_id(), 0);
    EQUAL(read_number(), i);
  }
  for (int i = 0; i < 5; i++) send_number(process_id(), tags[i], i);
  for (int i = 4; i >= 0; i--) EQUAL(receive_number(tags[i]), i);
}

// Each way to use a message that is not there, or not one of data.
CHILD(misuses) {
  uint8_t byte = 0;
  int64_t tag = 9;
  if (argument >= 10) { // with a signal in the slot
    die_when_link_dies(0);
    link_to(tag, 1ull << 52);
    if (receive(&tag, 1, 1000) != LINK_DIED) return;
  }
  switch (argument) {
    case 0: get_tag(); break;
    case 1: data_size(); break;
    case 2: read_data(&byte, 1); break;
    case 3: write_data(&byte, 1); break;
    case 4: send(process_id()); break;
    case 5: get_process_id(); break;
    case 6: send_receive(process_id(), 1, 0); break;
    case 7: create_data(0, 0); send(parent); get_tag(); break;
    case 8: create_data(0, 0); seek_data(1); read_data(&byte, 1); break;
    case 9: send_after(process_id(), 1); break;
    case 10: data_size(); break;
    case 11: read_data(&byte, 1); break;
    case 12: write_data(&byte, 1); break;
    default: break;
  }
}

static void misuse_traps(void) {
  EXPECT(!fails("misuses", 100));
  for (int way = 0; way <= 12; way++) {
    if (!fails("misuses", way)) {
      text_length = 0;
      add_text("misuse ");
      add_number(way);
      add_text(" does not trap");
      report_failure();
    }
  }
}

CHILD(writes_out_of_bounds) {
  create_data(0, 0);
  if (argument == 0) write_data((void *)0xfffffff0, 64);
  if (argument == 1) write_data((void *)(__builtin_wasm_memory_size(0) * 65536 - 4), 8);
  if (argument == 2) receive((int64_t *)0xfffffff0, 4, 0);
}

static void out_of_bounds_traps(void) {
  EXPECT(fails("writes_out_of_bounds", 0));
  EXPECT(fails("writes_out_of_bounds", 1));
  EXPECT(fails("writes_out_of_bounds", 2));
  EXPECT(!fails("writes_out_of_bounds", 3));
}

CHILD(nothing) {}

static void dead_target_drops(void) {
  start("nothing", 0);
  await_end(started);
  create_data(1, 0);
  EQUAL(send(started), 0);
  create_data(1, 0);
  EQUAL(send(1ull << 52), 0); // nobody
  create_data(1, 0);
  EQUAL(send(UINT64_MAX), 0);
  create_data(1, 0);
  old_send(started);
  create_data(2, 0);
  old_send(process_id());
  EQUAL(receive(NULL, 0, NEVER), DATA);
  EQUAL(get_tag(), 2);
}

CHILD(counts_up) {
  for (int64_t i = 0; i < argument; i++) send_number(parent, i % 7, i);
}

static void two_processes_in_order(void) {
  uint64_t one = start("counts_up", 500);
  EXPECT(one != process_id());
  for (int i = 0; i < 500; i++) {
    EQUAL(receive(NULL, 0, NEVER), DATA);
    EQUAL(get_tag(), i % 7);
    EQUAL(read_number(), i);
  }
  EQUAL(receive(NULL, 0, 0), TIMED_OUT);
}

static void selects_oldest_of_list(void) {
  uint64_t me = process_id();
  int64_t tags[] = {1, 2, 3, 2, 0, 1, 3};
  for (int i = 0; i < 7; i++) send_number(me, tags[i], i);
  int64_t list[] = {3, 2};
  for (int i = 0; i < 4; i++) {
    int order[] = {1, 2, 3, 6};
    EQUAL(receive(list, 2, NEVER), DATA);
    EQUAL(read_number(), order[i]);
  }
  EQUAL(receive(list, 2, 0), TIMED_OUT);
  for (int i = 0; i < 3; i++) {
    int order[] = {0, 4, 5}; // what did not match stays in order
    EQUAL(receive(NULL, 0, NEVER), DATA);
    EQUAL(read_number(), order[i]);
  }
}

static void untagged_never_matches(void) {
  int64_t list[] = {0, 4};
  send_number(process_id(), 0, 1);
  EQUAL(receive(list, 2, 20), TIMED_OUT);
  EQUAL(receive(list, 1, 0), TIMED_OUT);
  send_number(process_id(), 4, 2);
  EQUAL(receive(list, 2, NEVER), DATA);
  EQUAL(read_number(), 2);
  EQUAL(receive((int64_t *)8, 0, NEVER), DATA); // Rust's dangling pointer of an empty list
  EQUAL(read_number(), 1);
}

static void timeout_keeps_the_slot(void) {
  create_data(3, 0);
  write_data("kept", 4);
  uint64_t began = now_ms();
  EQUAL(receive(NULL, 0, 60), TIMED_OUT);
  EXPECT(now_ms() - began >= 58);
  EQUAL(get_tag(), 3);
  EQUAL(data_size(), 4);
  EQUAL(receive(NULL, 0, 0), TIMED_OUT);
  EQUAL(get_tag(), 3);
}

CHILD(answers_later) {
  sleep_ms(argument);
  send_number(parent, 1, 1);
  send_number(parent, 1, 2);
  send_number(parent, 2, 3);
}

static void timeout_keeps_order(void) {
  int64_t tag = 1;
  start("answers_later", 500);
  EQUAL(receive(&tag, 1, 5), TIMED_OUT);
  EQUAL(receive(NULL, 0, 5), TIMED_OUT);
  for (int i = 1; i <= 3; i++) EQUAL(receive_number(0), i); // in order, although two receives gave up before
}

static void wakes_for_its_tag_only(void) {
  int64_t tag = 2;
  start("answers_later", 20);
  EQUAL(receive(&tag, 1, NEVER), DATA);
  EQUAL(read_number(), 3);
  EQUAL(receive_number(0), 1);
  EQUAL(receive_number(0), 2);
}

// Answers a number with the next, under the tag that the request says.
CHILD(increments) {
  struct { uint64_t from; int64_t tag, number; } request;
  for (;;) {
    receive(NULL, 0, NEVER);
    read_data(&request, sizeof request);
    send_number(request.from, request.tag, request.number + 1);
  }
}

static void draft_request(int64_t tag, int64_t number) {
  struct { uint64_t from; int64_t tag, number; } request = {process_id(), tag, number};
  create_data(tag, 0);
  write_data(&request, sizeof request);
}

static void request_skips_what_is_queued(void) {
  uint64_t server = start("increments", 0);
  send_number(process_id(), 12, 1000);
  draft_request(12, 41);
  EQUAL(send_receive(server, 12, NEVER), DATA);
  EQUAL(get_tag(), 12);
  EQUAL(read_number(), 42);
  EQUAL(receive_number(12), 1000);
}

static void request_waits_for_its_tag(void) {
  uint64_t server = start("increments", 0);
  start("answers_later", 0);
  sleep_ms(20);
  draft_request(2, 7);
  EQUAL(send_receive(server, 2, NEVER), DATA);
  EQUAL(read_number(), 8);
  for (int i = 1; i <= 3; i++) EQUAL(receive_number(0), i);
}

CHILD(asks_and_gives_up) {
  draft_request(5, 1);
  uint32_t kind = send_receive(1ull << 52, 5, argument);
  send_number(parent, 1, kind);
  if (kind == TIMED_OUT) get_tag(); // the slot is empty: traps
}

static void request_times_out(void) {
  die_when_link_dies(0);
  start_linked(9, "asks_and_gives_up", 30);
  EQUAL(receive_number(1), TIMED_OUT);
  EQUAL(receive(NULL, 0, NEVER), LINK_DIED);
  EQUAL(get_tag(), 9);
}

CHILD(dies_when_asked) {
  receive(NULL, 0, NEVER);
  __builtin_trap();
}

static void request_ends_with_a_link(void) {
  die_when_link_dies(0);
  uint64_t server = start_linked(31, "dies_when_asked", 0);
  create_data(31, 0);
  EQUAL(send_receive(server, 31, NEVER), DATA); // the kind is not told
  EQUAL(get_tag(), 31);
}

static void old_request(void) {
  uint64_t server = start("increments", 0);
  send_number(process_id(), 12, 1000);
  draft_request(12, 1);
  EQUAL(old_send_receive(server, NEVER), DATA);
  EQUAL(read_number(), 2);
  draft_request(13, 1);
  EQUAL(old_send_receive(1ull << 52, 10), TIMED_OUT);
}

static uint64_t requests_ms(uint64_t server, int count) {
  uint64_t began = now_ms();
  for (int i = 0; i < count; i++) {
    draft_request(12, i);
    EQUAL(send_receive(server, 12, NEVER), DATA);
    EQUAL(read_number(), i + 1);
  }
  return now_ms() - began;
}

static void request_among_thousands(void) {
  uint64_t server = start("increments", 0);
  requests_ms(server, 2000);
  uint64_t before = requests_ms(server, 2000);
  for (int i = 0; i < 5000; i++) send_number(process_id(), i % 2 == 0 ? 12 : 77, -1);
  uint64_t after = requests_ms(server, 2000);
  // A search of the queue for each request would be 10 million steps.
  EXPECT(after <= 20 * before + 2000);
  for (int i = 0; i < 5000; i++) EQUAL(receive_number(0), -1);
}

// 1 MiB there and back.
CHILD(gives_back) {
  receive(NULL, 0, NEVER);
  send(parent);
}

static void large_message(void) {
  static uint32_t block[16384];
  uint64_t other = start("gives_back", 0);
  create_data(8, 0);
  for (uint32_t part = 0; part < 16; part++) {
    for (uint32_t i = 0; i < 16384; i++) block[i] = part * 16384 + i;
    write_data(block, sizeof block);
  }
  send(other);
  EQUAL(receive(NULL, 0, NEVER), DATA);
  EQUAL(data_size(), 1 << 20);
  for (uint32_t part = 0; part < 16; part++) {
    EQUAL(read_data(block, sizeof block), sizeof block);
    for (uint32_t i = 0; i < 16384; i++) EXPECT(block[i] == part * 16384 + i);
  }
}

static void copies_do_not_share(void) {
  send_number(process_id(), 0, 1);
  send_number(process_id(), 0, 2);
  receive(NULL, 0, NEVER);
  create_data(0, 0);
  int64_t other = 99;
  write_data(&other, 8);
  EQUAL(receive_number(0), 2);
}

TESTS(
  TEST("a message is read in pieces, again after a seek, and has an end", reads_in_pieces),
  TEST("a draft can be read by its maker", reads_its_own_draft),
  TEST("a received message can be written to and passed on", appends_to_received),
  TEST("create_data discards what was there", create_discards),
  TEST("tags keep all 64 bits", tags_have_64_bits),
  TEST("a message that is not there, or not of data, traps", misuse_traps),
  TEST("memory that is not there traps", out_of_bounds_traps),
  TEST("a message to nobody is dropped", dead_target_drops),
  TEST("messages between two processes arrive in order", two_processes_in_order),
  TEST("a tagged receive takes the oldest of its tags and leaves the rest in order", selects_oldest_of_list),
  TEST("an untagged message never matches a tag, not even 0", untagged_never_matches),
  TEST("a receive that times out waits and leaves the slot alone", timeout_keeps_the_slot),
  TEST("a receive that timed out does not reorder what comes later", timeout_keeps_order),
  TEST("a tagged receive sleeps through other messages", wakes_for_its_tag_only),
  TEST("a request does not look at what is queued", request_skips_what_is_queued),
  TEST("a request waits for exactly its tag", request_waits_for_its_tag),
  TEST("a request times out with an empty slot", request_times_out),
  TEST("a request ends when a link with its tag dies", request_ends_with_a_link),
  TEST("a request of lunatic 0.12 waits on the tag of its message", old_request),
  TEST("requests are not slower by thousands that are queued", request_among_thousands),
  TEST("a message of 1 MiB goes there and back", large_message),
  TEST("a message is a copy", copies_do_not_share)
)
