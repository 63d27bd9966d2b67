// lunatic::timer: messages that come later, and cancelling them exactly. lunatic-abi.md §1.3, §2.9, §7.2.
#include "tap.h"

CHILD(waits) { receive(NULL, 0, NEVER); }

static uint64_t number_after(uint64_t to, uint64_t ms, int64_t tag, int64_t number) {
  create_data(tag, 0);
  write_data(&number, 8);
  return send_after(to, ms);
}

static void comes_in_time(void) {
  uint64_t began = now_ms();
  number_after(process_id(), 60, 5, 42);
  EQUAL(receive(NULL, 0, 20), TIMED_OUT);
  EQUAL(receive(NULL, 0, NEVER), DATA);
  EXPECT(now_ms() - began >= 58);
  EQUAL(get_tag(), 5);
  EQUAL(read_number(), 42);
  EQUAL(receive(NULL, 0, 50), TIMED_OUT);
}

static void come_in_order_of_time(void) {
  uint64_t times[] = {1200, 0, 800, 400}; // far apart: a thread may be held up between two calls
  uint64_t ids[4];
  for (int i = 0; i < 4; i++) ids[i] = number_after(process_id(), times[i], 0, times[i]);
  for (int i = 0; i < 4; i++) for (int j = 0; j < i; j++) EXPECT(ids[i] != ids[j]);
  for (int i = 0; i < 4; i++) EQUAL(receive_number(0), 400 * i);
}

static void cancel_is_exact(void) {
  uint64_t early = number_after(process_id(), 1, 0, 1), late = number_after(process_id(), 1000, 0, 2);
  EQUAL(receive_number(0), 1);
  EQUAL(cancel_timer(early), 0); // it has fired
  EQUAL(cancel_timer(late), 1);
  EQUAL(cancel_timer(late), 0);
  EQUAL(cancel_timer(123456), 0);
  EQUAL(receive(NULL, 0, 1050), TIMED_OUT);
}

static void cancelled_or_delivered(void) {
  // Whoever wins, it is one of the two.
  int delivered = 0, cancelled = 0;
  for (int i = 0; i < 200; i++) {
    uint64_t timer = number_after(process_id(), i % 3, 9, i);
    if (i % 2 == 0) sleep_ms(1);
    if (cancel_timer(timer)) {
      cancelled++;
    } else {
      EQUAL(receive_number(9), i);
      delivered++;
    }
  }
  EQUAL(receive(NULL, 0, 50), TIMED_OUT);
  EQUAL(cancelled + delivered, 200);
}

static void slot_is_empty_after(void) {
  EXPECT(fails("looks_after", 0));
  EXPECT(fails("looks_after", 1));
}
CHILD(looks_after) {
  if (argument == 0) number_after(parent, 10000, 0, 0), get_tag();
  else send_after(parent, 1);
}

static void target_must_exist_now(void) {
  uint64_t dead = start("waits", 0);
  kill(dead);
  await_end(dead);
  uint64_t timer = number_after(dead, 10, 0, 0);
  sleep_ms(30);
  EQUAL(cancel_timer(timer), 0);
  number_after(1ull << 52, 10, 0, 0);
  // and one that dies before its time
  uint64_t mortal = start("waits", 0);
  number_after(mortal, 30, 0, 0);
  kill(mortal);
  sleep_ms(60);
}

CHILD(arms_and_ends) {
  number_after(parent, 40, 3, argument);
  if (argument == 1) __builtin_trap();
}

static void timers_outlive_their_maker(void) {
  die_when_link_dies(0);
  start("arms_and_ends", 0);
  EQUAL(receive_number(3), 0);
  start("arms_and_ends", 1);
  EQUAL(receive_number(3), 1);
}

static void goes_to_another(void) {
  uint64_t child = start("gives_back", 0);
  number_after(child, 20, 8, 6);
  EQUAL(receive_number(8), 6);
  EXPECT(child != process_id());
}
CHILD(gives_back) {
  receive(NULL, 0, NEVER);
  send(parent);
}

static void a_thousand_timers(void) {
  uint64_t began = now_ms();
  for (int i = 0; i < 1000; i++) {
    uint64_t due = 2000 + i * 7 % 50 * 10;
    number_after(process_id(), due - (now_ms() - began), 0, due);
  }
  int64_t sum = 0;
  for (int i = 0; i < 1000; i++) {
    int64_t due = receive_number(0);
    EXPECT((int64_t)(now_ms() - began) >= due - 2);
    sum += due;
  }
  EQUAL(sum, 1000 * 2245);
}

static void a_far_time_is_far(void) {
  uint64_t timer = number_after(process_id(), 30ull * 24 * 3600 * 1000, 0, 0);
  uint64_t farther = number_after(process_id(), UINT64_MAX, 0, 0);
  EQUAL(receive(NULL, 0, 50), TIMED_OUT);
  EQUAL(cancel_timer(timer), 1);
  EQUAL(cancel_timer(farther), 1);
}

TESTS(
  TEST("a message comes once, in its time, with tag and bytes", comes_in_time),
  TEST("messages come in the order of their times", come_in_order_of_time),
  TEST("cancel tells exactly whether it came in time", cancel_is_exact),
  TEST("a timer is cancelled or delivered, never both or none", cancelled_or_delivered),
  TEST("send_after takes the message and needs one", slot_is_empty_after),
  TEST("a timer for the dead is lost and does no harm", target_must_exist_now),
  TEST("timers outlive who made them", timers_outlive_their_maker),
  TEST("a timer may send to another process", goes_to_another),
  TEST("a thousand timers come, none too early", a_thousand_timers),
  TEST("a time far away does not come at once", a_far_time_is_far)
)
