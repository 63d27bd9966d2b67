// A service whose requests have to do with other processes. ?do=join asks ?n=N children and adds what they say; instead
// leaves the reply to a child, which sleeps ?ms=N and then replies, or ends, traps or stays as ?then= says (with=another:
// and to one that stays); trap waits for a linked child that traps, trapped for one that is not linked, caught for one
// whose death it takes as a message; stay leaves a child that waits for ever and replies its pid; name and find put and
// get ?name=; exists, kill and send have to do with ?pid=; fill spawns ?n=N that wait for ever, as far as it can; grow
// lets a child take ?n=N MiB; flood sends to one that does not listen; nest asks a child that has one itself, which
// waits for ever; bound asks a chain of ?n=N children, each of which may have less memory than the one before.
#include "guest.h"

#define PROCESS(name) HOST("lunatic::process", name)
#define EXPORT(name) __attribute__((export_name(#name))) void name
PROCESS("spawn") uint32_t spawn(int64_t link, int64_t config, int64_t module, const char *function, uint32_t length,
                                const void *params, uint32_t params_length, uint64_t *id);
PROCESS("create_config") int64_t create_config(void);
PROCESS("config_set_max_memory") void config_set_max_memory(int64_t config, uint64_t bytes);
PROCESS("config_set_can_create_configs") void config_set_can_create_configs(int64_t config, uint32_t can);
PROCESS("config_set_can_spawn_processes") void config_set_can_spawn_processes(int64_t config, uint32_t can);
PROCESS("die_when_link_dies") void die_when_link_dies(uint32_t die);
PROCESS("monitor") void monitor(uint64_t process);
PROCESS("kill") void kill(uint64_t process);
PROCESS("exists") uint32_t exists(uint64_t process);
HOST("lunatic::registry", "put") void registry_put(const char *name, uint32_t length, uint64_t node, uint64_t process);
HOST("lunatic::registry", "get") uint32_t registry_get(const char *name, uint32_t length, uint64_t *node, uint64_t *process);
HOST("lunatic::error", "string_size") uint32_t error_size(uint64_t error);
HOST("lunatic::error", "to_string") void error_text(uint64_t error, char *to);

#define NEVER (-1)
enum { LINK_DIED = 1, PROCESS_DIED = 2 };

static uint64_t started; // pid of a child, or error

// Starts an export with two i64: who starts it, and a number.
static uint32_t start_as(int64_t config, int64_t link, const char *function, uint64_t number) {
  uint8_t params[34] = {0x7e};
  uint64_t self = process_id();
  params[17] = 0x7e;
  for (int i = 0; i < 8; i++) params[1 + i] = self >> (8 * i), params[18 + i] = number >> (8 * i);
  return spawn(link, config, -1, function, length_of(function), params, sizeof params, &started);
}

static uint32_t start(int64_t link, const char *function, uint64_t number) {
  return start_as(-1, link, function, number);
}

static void tell(uint64_t process, uint64_t number) {
  create_data(5, 0);
  write_data(&number, 8);
  send(process);
}

EXPORT(square)(uint64_t parent, uint64_t number) { tell(parent, number * number); }
EXPORT(traps)(uint64_t parent, uint64_t number) { __builtin_trap(); }
EXPORT(stays)(uint64_t parent, uint64_t number) { sleep_ms(NEVER); }
EXPORT(grows)(uint64_t parent, uint64_t number) {
  more_memory(number << 20);
  tell(parent, number);
}
EXPORT(floods)(uint64_t parent, uint64_t number) {
  for (;;) tell(number, 0);
}

enum { REPLIES, ENDS, TRAPS, STAYS };
struct request { uint64_t node, reply_to, ms; uint32_t then, id_length; uint8_t id[16]; };

// Replies in place of its parent: the first message says to whom.
EXPORT(replies)(uint64_t parent, uint64_t number) {
  static struct request request;
  receive(NULL, 0, NEVER);
  read_data(&request, sizeof request);
  sleep_ms(request.then == STAYS ? NEVER : request.ms);
  if (request.then == ENDS) return;
  if (request.then == TRAPS) __builtin_trap();
  id = (struct span){request.id, request.id_length};
  node = request.node;
  reply_to = request.reply_to;
  reply_text("by a child\n");
}

static void reply_number(uint64_t value) {
  add_number(value);
  reply(200, text, text_length);
}

// A spawn that must not fail: says why it did, and ends.
static void must_start(int64_t link, const char *function, uint64_t number) {
  if (start(link, function, number) == 0) return;
  static char why[256];
  error_text(started, why);
  reply(500, why, error_size(started));
  proc_exit(0);
}

static void leave_it_to_a_child(void) {
  struct request request = {node, reply_to, parameter_number("ms", 1), REPLIES, id.length, {0}};
  if (parameter_is("then", "ends")) request.then = ENDS;
  if (parameter_is("then", "traps")) request.then = TRAPS;
  if (parameter_is("then", "stays")) request.then = STAYS;
  for (uint32_t i = 0; i < id.length; i++) request.id[i] = id.at[i];
  if (parameter_is("with", "another")) must_start(0, "stays", 0);
  must_start(0, "replies", 0);
  create_data(1, 0);
  write_data(&request, sizeof request);
  send(started);
}

static uint64_t received(void) {
  uint64_t value = 0;
  if (receive(&(int64_t){5}, 1, NEVER) != 0) __builtin_trap();
  read_data(&value, 8);
  return value;
}

EXPORT(nests)(uint64_t parent, uint64_t number) {
  if (start(0, "stays", 0) != 0) __builtin_trap();
  tell(parent, 0);
  tell(parent, received() + 1);
}

EXPORT(bounds)(uint64_t parent, uint64_t number) {
  if (number == 0) return tell(parent, 1);
  int64_t config = create_config();
  config_set_max_memory(config, (4 + number) << 20);
  config_set_can_create_configs(config, 1);
  config_set_can_spawn_processes(config, 1);
  if (start_as(config, 7, "bounds", number - 1) != 0) __builtin_trap();
  tell(parent, received() + 1);
}

static void fill(uint64_t count) {
  uint64_t made = 0;
  while (made < count && start(0, "stays", 0) == 0) made++;
  add_number(made);
  if (made < count) {
    static char why[256];
    add(" ");
    error_text(started, why);
    add_bytes(why, error_size(started));
  }
  reply(200, text, text_length);
}

ENTRY {
  take_request();
  uint64_t n = parameter_number("n", 1), pid = parameter_number("pid", 0);
  struct span name = parameter("name");
  if (parameter_is("do", "join")) {
    uint64_t sum = 0;
    for (uint64_t i = 1; i <= n; i++) must_start(0, "square", i);
    for (uint64_t i = 0; i < n; i++) sum += received();
    reply_number(sum);
  } else if (parameter_is("do", "instead")) leave_it_to_a_child();
  else if (parameter_is("do", "trap")) {
    must_start(7, "traps", 0);
    receive(NULL, 0, NEVER);
    reply_text("not reached\n");
  } else if (parameter_is("do", "trapped")) {
    must_start(0, "traps", 0);
    monitor(started);
    reply_number(receive(NULL, 0, NEVER));
  } else if (parameter_is("do", "caught")) {
    die_when_link_dies(0);
    must_start(7, "traps", 0);
    reply_number(receive(&(int64_t){7}, 1, NEVER));
  } else if (parameter_is("do", "stay")) {
    must_start(0, "stays", 0);
    reply_number(started);
  } else if (parameter_is("do", "name")) {
    must_start(0, "stays", 0);
    registry_put((const char *)name.at, name.length, 0, started);
    reply_number(started);
  } else if (parameter_is("do", "find")) {
    uint64_t found_node, found = 0;
    if (registry_get((const char *)name.at, name.length, &found_node, &found) != 0) found = 0;
    reply_number(found);
  } else if (parameter_is("do", "exists")) reply_number(exists(pid));
  else if (parameter_is("do", "kill")) {
    kill(pid);
    reply_text("killed\n");
  } else if (parameter_is("do", "send")) {
    tell(pid, 1);
    reply_text("sent\n");
  } else if (parameter_is("do", "fill")) fill(n);
  else if (parameter_is("do", "grow")) {
    if (start(7, "grows", n) != 0) fill(0);
    else reply_number(received());
  } else if (parameter_is("do", "nest")) {
    must_start(7, "nests", 0);
    received();
    sleep_ms(100); // by then it waits
    tell(started, 41);
    reply_number(received());
  } else if (parameter_is("do", "bound")) {
    must_start(7, "bounds", n);
    reply_number(received());
  } else if (parameter_is("do", "spin")) {
    for (volatile uint64_t turns = 0;;) turns++;
  } else if (parameter_is("do", "flood")) {
    must_start(0, "stays", 0);
    must_start(0, "floods", started);
    monitor(started);
    reply_number(receive(NULL, 0, NEVER));
  }
}
