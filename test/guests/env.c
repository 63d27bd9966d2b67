// Replies with what the process can see of the world, a line each: arguments, environment, clocks, 8 random bytes, process id.
#include "guest.h"

static void add_list(const char *name, uint32_t (*sizes)(uint32_t *, uint32_t *), uint32_t (*get)(char **, char *)) {
  static char *items[256];
  static char bytes[16384];
  uint32_t count = 0, size = 0;
  sizes(&count, &size);
  if (count > 256 || size > sizeof bytes) __builtin_trap();
  get(items, bytes);
  for (uint32_t i = 0; i < count; i++) {
    add(name);
    add(" ");
    add(items[i]);
    add("\n");
  }
}

static void add_clock(const char *name, uint32_t clock) {
  uint64_t nanoseconds = 0;
  uint32_t error = clock_time_get(clock, 1, &nanoseconds);
  add(name);
  add(" ");
  add_number(error == 0 ? nanoseconds : 0);
  add("\n");
}

ENTRY {
  take_request();
  text_length = 0;
  add_list("arg", args_sizes_get, args_get);
  add_list("env", environ_sizes_get, environ_get);
  add_clock("realtime", 0);
  add_clock("monotonic", 1);
  uint8_t random[8];
  random_get(random, 8);
  add("random ");
  for (int i = 0; i < 8; i++) {
    add_bytes(&"0123456789abcdef"[random[i] >> 4], 1);
    add_bytes(&"0123456789abcdef"[random[i] & 15], 1);
  }
  add("\npid ");
  add_number(process_id());
  add("\n");
  reply(200, text, text_length);
}
