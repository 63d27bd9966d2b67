// Makes the host keep things: ?do=WHAT lets ?n=N linked children take ?m=N of it each and then wait for ever, and tells
// how many did, how many failed, and how many could not be made. WHAT: empty, bytes (messages to itself), tags, timers,
// configs, errors, asks (whose errors are dropped), names. With modules it compiles ?m=N of ?kib=N itself, drops each at
// once, and tells how many it could and why not.
#include "guest.h"

#define PROCESS(name) HOST("lunatic::process", name)
#define EXPORT(name) __attribute__((export_name(#name))) void name
PROCESS("spawn") uint32_t spawn(int64_t link, int64_t config, int64_t module, const char *function, uint32_t length,
                                const void *params, uint32_t params_length, uint64_t *id);
PROCESS("create_config") int64_t create_config(void);
PROCESS("die_when_link_dies") void die_when_link_dies(uint32_t die);
PROCESS("compile_module") int32_t compile_module(const void *bytes, uint32_t length, uint64_t *id);
PROCESS("drop_module") void drop_module(uint64_t id);
HOST("lunatic::wasi", "config_add_command_line_argument") void add_argument(int64_t config, const char *at, uint32_t length);
HOST("lunatic::timer", "send_after") uint64_t send_after(uint64_t process, uint64_t ms);
HOST("lunatic::registry", "put") void registry_put(const char *name, uint32_t length, uint64_t node, uint64_t process);
HOST("lunatic::networking", "resolve") uint32_t resolve(const char *name, uint32_t length, int64_t ms, uint64_t *id);
HOST("lunatic::error", "drop") void error_drop(uint64_t id);
HOST("lunatic::error", "string_size") uint32_t error_size(uint64_t error);
HOST("lunatic::error", "to_string") void error_text(uint64_t error, char *to);

#define NEVER (-1)
static uint64_t started;
static uint8_t params[4 * 17];

static void set_param(int at, uint64_t value) {
  params[17 * at] = 0x7e;
  for (int i = 0; i < 8; i++) params[17 * at + 1 + i] = value >> (8 * i);
}

static void tell(uint64_t process) {
  create_data(5, 0);
  send(process);
}

// A module that nobody else has: a custom section with a number and so many KiB.
static char refusal[512];
static int compile_one(uint64_t number, uint32_t kib) {
  static uint8_t *bytes;
  uint32_t size = kib << 10;
  if (bytes == NULL) bytes = more_memory(size + 64);
  uint8_t head[] = {0, 'a', 's', 'm', 1, 0, 0, 0, 0, 0x80 | (size & 127), 0x80 | (size >> 7 & 127), 0x80 | (size >> 14 & 127),
                    size >> 21, 1, 'x'};
  for (uint32_t i = 0; i < sizeof head; i++) bytes[i] = head[i];
  for (int i = 0; i < 8; i++) bytes[16 + i] = number >> (8 * i);
  uint64_t id;
  if (compile_module(bytes, 13 + size, &id) == 0) return drop_module(id), 1;
  if (error_size(id) < sizeof refusal) error_text(id, refusal);
  error_drop(id);
  return 0;
}

EXPORT(hoards)(uint64_t parent, uint64_t self, uint64_t what, uint64_t each) {
  static char text[1024];
  static int64_t tags[1024];
  uint64_t me = process_id();
  int64_t config = what == 'c' ? create_config() : 0;
  for (uint64_t i = 0; i < (uint32_t)each; i++) {
    for (int k = 0; k < 8; k++) text[k] = 'a' + (i >> (4 * k) & 15), text[8 + k] = 'a' + (self >> (4 * k) & 15);
    if (what == 'e' || what == 'b') {
      create_data(1 + i, 0);
      if (what == 'b') write_data(text, 1);
      send(me);
    } else if (what == 't') {
      create_data(1, 0);
      send_after(me, 1ull << 40);
    } else if (what == 'c') add_argument(config, text, 16);
    else if (what == 'r' || what == 'd') {
      uint64_t id;
      resolve(text, 16, NEVER, &id);
      if (what == 'd') error_drop(id);
    } else if (what == 'n') {
      for (int k = 16; k < 1024; k++) text[k] = 'x';
      registry_put(text, 1024, 0, me);
    }
  }
  tell(parent);
  if (what == 'w') {
    for (int i = 0; i < 1024; i++) tags[i] = 1000 + i;
    receive(tags, 1024, NEVER);
  }
  sleep_ms(NEVER);
}

ENTRY {
  take_request();
  uint64_t n = parameter_number("n", 1), each = parameter_number("m", 1) | parameter_number("kib", 1) << 32;
  uint64_t what = parameter_is("do", "empty")     ? 'e'
                  : parameter_is("do", "bytes")   ? 'b'
                  : parameter_is("do", "tags")    ? 'w'
                  : parameter_is("do", "timers")  ? 't'
                  : parameter_is("do", "configs") ? 'c'
                  : parameter_is("do", "errors")  ? 'r'
                  : parameter_is("do", "asks")    ? 'd'
                  : parameter_is("do", "names")   ? 'n'
                                                  : 'm';
  uint64_t did = 0;
  if (what == 'w') each = 0;
  if (what == 'm') {
    for (uint64_t i = 0; i < (uint32_t)each; i++) did += compile_one(i, each >> 32);
    add_number(did);
    add(" ");
    add(refusal);
    return reply(200, text, text_length);
  }
  uint64_t made = 0, failed = 0;
  die_when_link_dies(0);
  set_param(0, process_id());
  set_param(2, what);
  set_param(3, each);
  for (; made < n; made++) {
    set_param(1, made);
    if (spawn(7, -1, -1, "hoards", 6, params, sizeof params, &started) != 0) break;
  }
  for (uint64_t i = 0; i < made; i++) {
    if (receive(NULL, 0, NEVER) == 0) did++;
    else failed++;
  }
  add_number(did);
  add(" ");
  add_number(failed);
  add(" ");
  add_number(n - made);
  reply(200, text, text_length);
}
