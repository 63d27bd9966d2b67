// Waits at each depth of the last ?frames=N frames of the stack, where host code might be cut, and replies whose process and
// environment it has then: "same", or "other" and what it sees.
#include "guest.h"

HOST("lunatic::trap", "catch") uint32_t catch_trap(uint32_t function, uint32_t argument);

enum { NOTHING, SLEEP };

static uint32_t at_the_end;

static volatile uint32_t came_back; // so that it stays a recursion

__attribute__((noinline)) static uint32_t down(uint32_t depth) {
  if (depth > 0) came_back = down(depth - 1);
  else if (at_the_end == SLEEP) sleep_ms(1);
  return 1;
}

__attribute__((export_name("_lunatic_catch_trap"))) uint32_t lunatic_catch_trap(uint32_t function, uint32_t argument) {
  at_the_end = function;
  return down(argument);
}

// The most frames after which a function that calls nobody returns.
static uint32_t deepest(void) {
  uint32_t low = 0, high = 1 << 20;
  while (low + 1 < high) {
    uint32_t middle = (low + high) / 2;
    if (catch_trap(NOTHING, middle)) low = middle;
    else high = middle;
  }
  return low;
}

static void add_environment(void) {
  static char *items[64];
  static char bytes[4096];
  uint32_t count = 0, size = 0;
  environ_sizes_get(&count, &size);
  if (count > 64 || size > sizeof bytes) return;
  environ_get(items, bytes);
  for (uint32_t i = 0; i < count; i++) {
    add(" ");
    add(items[i]);
  }
}

ENTRY {
  take_request();
  text_length = 0;
  uint64_t me = process_id();
  uint64_t frames = parameter_number("frames", 1000);
  uint32_t slept = 0, most = deepest();
  for (uint64_t above = 0; above < frames; above++) {
    // V8 may have compiled the function once more, with smaller frames.
    if (catch_trap(NOTHING, most + 8)) most = deepest();
    if (catch_trap(SLEEP, most - above)) slept++;
    if (process_id() != me) {
      add("other");
      break;
    }
  }
  if (text_length == 0) add("same");
  add_environment();
  add(" slept ");
  add_number(slept);
  add("\n");
  reply(200, text, text_length);
}
