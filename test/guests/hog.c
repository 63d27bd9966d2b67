// Keeps its thread by ?do=: loop, calls (a loop of calls of a long function), fill and copy (16 MiB at a time), recurse (without a loop),
// search (a mailbox of 9,000 for 1,024 tags), random (8 MiB a call), each for ever; rest: answers.
#include "guest.h"

#define BLOCK (16u << 20)
static volatile uint32_t sink;

__attribute__((noinline, optnone)) static uint32_t fibonacci(uint32_t n) {
  return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

#define FOUR(code) code code code code
__attribute__((noinline, optnone)) static void straight(void) {
  FOUR(FOUR(FOUR(sink++;)))
}

static void search(void) {
  static int64_t tags[1024];
  for (uint32_t i = 0; i < 1024; i++) tags[i] = 2 + i;
  uint64_t self = process_id();
  for (uint32_t i = 0; i < 9000; i++) {
    create_data(1, 0);
    send(self);
  }
  for (;;) receive(tags, 1024, 0);
}

ENTRY {
  take_request();
  if (parameter_is("do", "loop")) for (;;) sink++;
  if (parameter_is("do", "calls")) for (;;) straight();
  if (parameter_is("do", "recurse")) sink = fibonacci(90);
  if (parameter_is("do", "search")) search();
  if (parameter_is("do", "fill")) for (uint8_t *block = more_memory(BLOCK);; sink++) __builtin_memset(block, sink, BLOCK);
  if (parameter_is("do", "copy")) {
    for (uint8_t *block = more_memory(2 * BLOCK);; sink++) __builtin_memmove(block + (sink & 1), block + BLOCK, BLOCK - 1);
  }
  if (parameter_is("do", "random")) for (void *block = more_memory(8 << 20);;) random_get(block, 8 << 20);
  reply_text("rested\n");
}
