// Measures of processes as `bench processes` runs them, by the first argument; each prints a line of JSON. What
// test/guests/rust-lunatic/era-14/src/bin/bench.rs does, with medians, and two measures more.
//
//   exit N         N processes one after the other, each ends at once and its end is told to its parent
//   alive K N      N processes one after the other with K others alive: from the spawn to its answer
//   ping N         N round trips between two processes of one carrier
//   across N       the same between two carriers
//   ring P R       R rounds of a message through P processes
//   idle N MS      N processes that wait: made, "ready", MS ms later all answer and are killed, and at once N more
//                  are made of what they left and do the same; "gone", MS ms to the end
//   skynet LEAVES  a tree with ten children a process; the leaves' numbers are summed
//   looper N MS    N processes answer in turns for MS ms while one more spins; then that is killed
#include "lunatic.h"

enum { PROCESSES_MAX = 10000, SAMPLES_MAX = 100000, SLOTS = 1024, TRIES = 2000 };
// A guest's clock has milliseconds: what takes less is timed so many at once.
enum { BATCH = 50 };
#define TEXT_MAX 1024

static char text[TEXT_MAX];
static uint32_t used;

static void add(const char *more) { while (*more != 0 && used < TEXT_MAX - 1) text[used++] = *more++; }

static void add_number(uint64_t number) {
  char digits[21];
  int at = 20;
  digits[20] = 0;
  do digits[--at] = '0' + number % 10; while ((number /= 10) != 0);
  add(digits + at);
}

static void field(const char *name, uint64_t value) {
  add(used == 0 ? "{\"" : ",\"");
  add(name);
  add("\":");
  add_number(value);
}

static void print(const char *end) {
  add(end);
  struct vector vector = {text, used};
  uint32_t written;
  fd_write(1, &vector, 1, &written);
  used = 0;
}

static uint64_t now_ns(void) {
  uint64_t nanoseconds;
  clock_time_get(1, 0, &nanoseconds);
  return nanoseconds;
}

// Tables live in memory that only the first process grows by: they would be in each one's instance.
static uint32_t *samples;
static uint64_t *pids;
static uint32_t taken;

static void make_tables(void) {
  uint32_t pages = (SAMPLES_MAX * 4 + PROCESSES_MAX * 8) / 65536 + 1;
  uint8_t *at = (uint8_t *)(__builtin_wasm_memory_grow(0, pages) * 65536);
  pids = (uint64_t *)at;
  samples = (uint32_t *)(at + PROCESSES_MAX * 8);
}

static void sample(uint64_t nanoseconds) {
  if (taken < SAMPLES_MAX) samples[taken++] = nanoseconds > 0xffffffff ? 0xffffffff : nanoseconds;
}

static void sift(uint32_t from, uint32_t end) {
  for (uint32_t low; (low = from * 2 + 1) < end; from = low) {
    if (low + 1 < end && samples[low] < samples[low + 1]) low++;
    if (samples[from] >= samples[low]) return;
    uint32_t kept = samples[from];
    samples[from] = samples[low];
    samples[low] = kept;
  }
}

static void add_samples(void) {
  for (uint32_t i = taken / 2; i-- > 0;) sift(i, taken);
  for (uint32_t end = taken; end-- > 1;) {
    uint32_t kept = samples[0];
    samples[0] = samples[end];
    samples[end] = kept;
    sift(0, end);
  }
  field("median_ns", samples[taken / 2]);
  field("p99_ns", samples[(uint64_t)taken * 99 / 100]);
  field("max_ns", samples[taken - 1]);
}

static void add_rate(uint64_t count, uint64_t began) {
  uint64_t ns = now_ns() - began;
  field("count", count);
  field("us", ns / 1000);
  field("per_second", count * 1000000000 / (ns == 0 ? 1 : ns));
}

CHILD(ends) {}
CHILD(answers_once) { send_number(parent, 0, 1); }
CHILD(tells_carrier) {
  send_number(parent, 0, process_id() % SLOTS);
  for (;;) send_number(parent, 0, receive_number(0));
}
// Sends what it gets to the process that is its argument, 0: its parent.
CHILD(passes_on) { for (;;) send_number(argument == 0 ? parent : argument, 0, receive_number(0)); }
CHILD(spins) { for (volatile uint64_t turns = 0;;) turns++; }

// A leaf's number and how many leaves there are below, in one: first << 32 | leaves.
CHILD(skynet) {
  uint64_t first = (uint64_t)argument >> 32, leaves = (uint32_t)argument, sum = 0;
  if (leaves == 1) return send_number(parent, 0, first);
  for (uint64_t i = 0; i < 10; i++) start("skynet", (first + i * leaves / 10) << 32 | leaves / 10);
  for (int i = 0; i < 10; i++) sum += receive_number(0);
  send_number(parent, 0, sum);
}

static void spawn_exit(uint64_t count) {
  for (uint64_t i = 0; i < count; i += BATCH) {
    uint64_t began = now_ns();
    for (int j = 0; j < BATCH; j++) {
      monitor(start("ends", 0));
      while (receive(NULL, 0, NEVER) != PROCESS_DIED) {}
    }
    sample((now_ns() - began) / BATCH);
  }
  add_samples();
}

static void alive(uint64_t others, uint64_t count) {
  for (uint64_t i = 0; i < others; i++) start("passes_on", 0);
  for (uint64_t i = 0; i < count; i += BATCH) {
    uint64_t began = now_ns();
    for (int j = 0; j < BATCH; j++) {
      start("answers_once", 0);
      receive_number(0);
    }
    sample((now_ns() - began) / BATCH);
  }
  add_samples();
}

static void ping(uint64_t other, uint64_t count) {
  uint64_t began = now_ns();
  for (uint64_t i = 0; i < count; i++) {
    send_number(other, 0, i);
    if (receive_number(0) != (int64_t)i) __builtin_trap();
  }
  add_rate(2 * count, began);
}

// 0: the host has put them all here.
static uint64_t start_elsewhere(void) {
  for (int i = 0; i < TRIES; i++) {
    uint64_t other = start("tells_carrier", 0);
    if (receive_number(0) != (int64_t)(process_id() % SLOTS)) return other;
  }
  return 0;
}

static void ring(uint64_t size, uint64_t rounds) {
  uint64_t next = 0;
  for (uint64_t i = 1; i < size; i++) next = start("passes_on", next);
  uint64_t began = now_ns();
  for (uint64_t i = 0; i < rounds; i++) {
    send_number(next, 0, i);
    if (receive_number(0) != (int64_t)i) __builtin_trap();
  }
  add_rate(size * rounds, began);
}

static void generation(uint64_t count, uint64_t wait) {
  uint64_t began = now_ns();
  for (uint64_t i = 0; i < count; i++) pids[i] = start("passes_on", 0);
  add_rate(count, began);
  print("}\nready\n");
  sleep_ms(wait);
  began = now_ns();
  int64_t sum = 0;
  for (uint64_t i = 0; i < count; i++) send_number(pids[i], 0, i);
  for (uint64_t i = 0; i < count; i++) sum += receive_number(0);
  if (sum != (int64_t)(count * (count - (count > 0)) / 2)) __builtin_trap();
  add_rate(count, began);
  print("}\n");
  began = now_ns();
  for (uint64_t i = 0; i < count; i++) kill(pids[i]);
  for (uint64_t i = 0; i < count; i++) while (exists(pids[i])) sleep_ms(1);
  add_rate(count, began);
  print("}\n");
}

static void idle(uint64_t count, uint64_t wait) {
  for (int i = 0; i < 2; i++) generation(count, wait);
  print("gone\n");
  sleep_ms(wait);
}

static void looper(uint64_t count, uint64_t ms) {
  for (uint64_t i = 0; i < count; i++) pids[i] = start("passes_on", 0);
  uint64_t spinner = start("spins", 0), began = now_ns();
  for (uint64_t i = 0; now_ns() - began < ms * 1000000; i = (i + 1) % count) {
    uint64_t asked = now_ns();
    send_number(pids[i], 0, 1);
    receive_number(0);
    sample(now_ns() - asked);
  }
  add_samples();
  uint64_t killed = now_ns();
  kill(spinner);
  while (exists(spinner)) sleep_ms(1);
  field("kill_us", (now_ns() - killed) / 1000);
  uint64_t lost = 0;
  for (uint64_t i = 0; i < count; i++) lost += !exists(pids[i]);
  field("lost", lost);
}

static char *arguments[16];
static char argument_bytes[1024];
static uint64_t number(int at) {
  uint64_t number = 0;
  for (const char *digit = arguments[at]; digit != NULL && *digit != 0; digit++) number = number * 10 + (*digit - '0');
  return number;
}

EXPORT("_start") void program(void) {
  uint32_t count, bytes;
  args_sizes_get(&count, &bytes);
  if (count < 2 || count > 8 || bytes > sizeof argument_bytes) proc_exit(2);
  args_get(arguments, argument_bytes);
  make_tables();
  const char *what = arguments[1];
  uint64_t one = number(2), two = number(3);
  if (same_text(what, "exit")) spawn_exit(one);
  else if (same_text(what, "alive")) alive(one, two);
  else if (same_text(what, "ping")) ping(start("passes_on", 0), one);
  else if (same_text(what, "ring")) ring(one, two);
  else if (same_text(what, "looper")) looper(one, two);
  else if (same_text(what, "idle")) return idle(one, two);
  else if (same_text(what, "across")) {
    uint64_t other = start_elsewhere();
    if (other == 0) field("none", 1);
    else ping(other, one);
  } else if (same_text(what, "skynet")) {
    uint64_t began = now_ns();
    start("skynet", one);
    if (receive_number(0) != (int64_t)(one * (one - 1) / 2)) __builtin_trap();
    add_rate(one, began);
  } else proc_exit(2);
  print("}\n");
}
