// A program of many processes that all send to all: crowd SEED COUNT MESSAGES. Each receiver checks that what each sender
// sent comes once and in order; then a third of them return, a third trap and a third are killed, and the first process
// checks that it is told of each end once, by link and by monitor. Prints "ok" and the number of carriers they lived in.
#include "guest.h"

#define PROCESS(name) HOST("lunatic::process", name)
PROCESS("spawn") uint32_t spawn(int64_t link, int64_t config, int64_t module, const char *function, uint32_t length,
                                const void *params, uint32_t params_length, uint64_t *id);
PROCESS("die_when_link_dies") void die_when_link_dies(uint32_t die);
PROCESS("monitor") void monitor(uint64_t process);
PROCESS("kill") void kill(uint64_t process);
MESSAGE("get_process_id") uint64_t get_process_id(void);

enum { MAX = 1024, DATA = 0, LINK_DIED = 1, PROCESS_DIED = 2, TIMED_OUT = 9027 };
enum { START = 1, WORK = 2, REPORT = 3, FIRST_LINK = 1000 };
enum { RETURNS, TRAPS, IS_KILLED, FATES };

struct start { uint64_t first, seed, count, messages, pids[MAX]; };
static struct start start;
struct work { uint32_t from, number, isLast; }; // number: how many came before it from there
static uint32_t sent[MAX], got[MAX];

static void fail(const char *why, uint64_t one, uint64_t other) {
  text_length = 0;
  add("failed: ");
  add(why);
  add(" ");
  add_number(one);
  add(" ");
  add_number(other);
  add("\n");
  struct vector vector = {text, text_length};
  uint32_t written;
  fd_write(1, &vector, 1, &written);
  __builtin_trap();
}

static uint32_t next_random(uint64_t *state) {
  *state = *state * 6364136223846793005ull + 1442695040888963407ull;
  return *state >> 33;
}

static void send_work(uint32_t from, uint32_t to, uint32_t is_last) {
  struct work work = {from, sent[to]++, is_last};
  create_data(WORK, 0);
  write_data(&work, sizeof work);
  send(start.pids[to]);
}

static uint32_t ended; // senders from whom all has come
static void receive_work(void) {
  struct work work;
  if (receive(&(int64_t){WORK}, 1, -1) != DATA) fail("no data", 0, 0);
  read_data(&work, sizeof work);
  if (work.number != got[work.from]) fail("lost, doubled or in another order", work.number, got[work.from]);
  got[work.from]++;
  ended += work.isLast;
}

__attribute__((export_name("worker"))) void worker(uint64_t index) {
  receive(&(int64_t){START}, 1, -1);
  read_data(&start, sizeof start);
  uint64_t random = start.seed * 7919 + index;
  for (uint64_t i = 0; i < start.messages; i++) {
    send_work(index, next_random(&random) % start.count, 0);
    if (next_random(&random) % 4 == 0 && receive(&(int64_t){WORK}, 1, 0) == DATA) {
      struct work work;
      read_data(&work, sizeof work);
      if (work.number != got[work.from]) fail("lost, doubled or in another order", work.number, got[work.from]);
      got[work.from]++;
      ended += work.isLast;
    }
  }
  for (uint64_t i = 0; i < start.count; i++) send_work(index, i, 1);
  while (ended < start.count) receive_work();
  create_data(REPORT, 0);
  send(start.first);
  if (index % FATES == TRAPS) __builtin_trap();
  if (index % FATES == IS_KILLED) receive(&(int64_t){77}, 1, -1);
}

static uint64_t argument(uint32_t which, uint64_t otherwise) {
  static char *args[16];
  static char bytes[1024];
  uint32_t count, length;
  args_sizes_get(&count, &length);
  if (which >= count || count > 16 || length > sizeof bytes) return otherwise;
  args_get(args, bytes);
  uint64_t value = 0;
  for (const char *at = args[which]; *at != 0; at++) value = value * 10 + (*at - '0');
  return value;
}

__attribute__((export_name("_start"))) void _start(void) {
  start.first = process_id();
  start.seed = argument(1, 1);
  start.count = argument(2, 100);
  start.messages = argument(3, 100);
  die_when_link_dies(0);
  static uint8_t slots[1024], told_link[MAX], told_end[MAX];
  uint32_t carriers = 0;
  for (uint64_t i = 0; i < start.count; i++) {
    uint8_t params[17] = {0x7e};
    for (int b = 0; b < 8; b++) params[1 + b] = i >> (8 * b);
    if (spawn(FIRST_LINK + i, -1, -1, "worker", 6, params, sizeof params, &start.pids[i]) != 0) fail("no spawn", i, 0);
    monitor(start.pids[i]);
    carriers += slots[start.pids[i] % 1024]++ == 0;
  }
  for (uint64_t i = 0; i < start.count; i++) {
    create_data(START, 0);
    write_data(&start, sizeof start);
    send(start.pids[i]);
  }
  uint64_t reports = 0, links = 0, ends = 0;
  for (;;) {
    uint32_t kind = receive(NULL, 0, reports + links + ends < start.count * 2 + start.count / FATES * 2 ? -1 : 200);
    if (kind == TIMED_OUT) break;
    if (kind == LINK_DIED) {
      uint64_t index = get_tag() - FIRST_LINK;
      if (index >= start.count || index % FATES == RETURNS || told_link[index]++) fail("the link of", index, 0);
      links++;
    } else if (kind == PROCESS_DIED) {
      uint64_t index = 0;
      while (index < start.count && start.pids[index] != get_process_id()) index++;
      if (index >= start.count || told_end[index]++) fail("the end of", index, 0);
      ends++;
    } else if (++reports == start.count) {
      for (uint64_t i = IS_KILLED; i < start.count; i += FATES) kill(start.pids[i]);
    }
  }
  uint64_t failing = 0;
  for (uint64_t i = 0; i < start.count; i++) failing += i % FATES != RETURNS;
  if (links != failing || ends != start.count) fail("ends that were told", links, ends);
  add("ok ");
  add_number(carriers);
  add("\n");
  struct vector vector = {text, text_length};
  uint32_t written;
  fd_write(1, &vector, 1, &written);
}
