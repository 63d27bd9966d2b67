// lunatic's host functions as C sees them (lunatic-abi.md, section 1), and short ways to start processes. No C library.
#pragma once
#include <stddef.h>
#include <stdint.h>

#define HOST(space, name) __attribute__((import_module(space), import_name(name)))
#define MESSAGE(name) HOST("lunatic::message", name)
#define PROCESS(name) HOST("lunatic::process", name)
#define REGISTRY(name) HOST("lunatic::registry", name)
#define TIMER(name) HOST("lunatic::timer", name)
#define ERROR(name) HOST("lunatic::error", name)
#define VERSION(name) HOST("lunatic::version", name)
#define METRICS(name) HOST("lunatic::metrics", name)
#define CONFIG(name) HOST("lunatic::wasi", name)
#define DISTRIBUTED(name) HOST("lunatic::distributed", name)
#define WASI(name) HOST("wasi_snapshot_preview1", name)
#define EXPORT(name) __attribute__((export_name(name)))

enum { DATA = 0, LINK_DIED = 1, PROCESS_DIED = 2, TIMED_OUT = 9027 };
#define NEVER UINT64_MAX
#define INHERIT ((uint64_t)-1)

MESSAGE("create_data") void create_data(int64_t tag, uint64_t capacity);
MESSAGE("write_data") uint32_t write_data(const void *from, uint32_t length);
MESSAGE("read_data") uint32_t read_data(void *to, uint32_t length);
MESSAGE("seek_data") void seek_data(uint64_t position);
MESSAGE("get_tag") int64_t get_tag(void);
MESSAGE("get_process_id") uint64_t get_process_id(void);
MESSAGE("data_size") uint64_t data_size(void);
MESSAGE("push_module") uint64_t push_module(uint64_t module);
MESSAGE("take_module") uint64_t take_module(uint64_t index);
MESSAGE("send") uint32_t send(uint64_t process);
MESSAGE("send_receive_skip_search") uint32_t send_receive(uint64_t process, int64_t tag, uint64_t timeout_ms);
MESSAGE("receive") uint32_t receive(const int64_t *tags, uint32_t count, uint64_t timeout_ms);
// As lunatic 0.11 and 0.12 had them: one module may import both types.
MESSAGE("send") void old_send(uint64_t process);
MESSAGE("send_receive_skip_search") uint32_t old_send_receive(uint64_t process, uint64_t timeout_ms);

PROCESS("compile_module") int32_t compile_module(const void *bytes, uint32_t length, uint64_t *id);
PROCESS("drop_module") void drop_module(uint64_t module);
PROCESS("create_config") int64_t create_config(void);
PROCESS("drop_config") void drop_config(uint64_t config);
PROCESS("config_set_max_memory") void set_max_memory(uint64_t config, uint64_t bytes);
PROCESS("config_get_max_memory") uint64_t get_max_memory(uint64_t config);
PROCESS("config_set_max_fuel") void set_max_fuel(uint64_t config, uint64_t units);
PROCESS("config_get_max_fuel") uint64_t get_max_fuel(uint64_t config);
PROCESS("config_can_compile_modules") uint32_t can_compile_modules(uint64_t config);
PROCESS("config_set_can_compile_modules") void set_can_compile_modules(uint64_t config, uint32_t can);
PROCESS("config_can_create_configs") uint32_t can_create_configs(uint64_t config);
PROCESS("config_set_can_create_configs") void set_can_create_configs(uint64_t config, uint32_t can);
PROCESS("config_can_spawn_processes") uint32_t can_spawn_processes(uint64_t config);
PROCESS("config_set_can_spawn_processes") void set_can_spawn_processes(uint64_t config, uint32_t can);
PROCESS("spawn") uint32_t spawn(int64_t link, uint64_t config, uint64_t module, const char *function, uint32_t length,
                                const void *params, uint32_t params_length, uint64_t *id);
PROCESS("get_or_spawn") uint32_t get_or_spawn(const char *name, uint32_t name_length, int64_t link, uint64_t config,
                                              uint64_t module, const char *function, uint32_t length,
                                              const void *params, uint32_t params_length, uint64_t *node, uint64_t *id);
PROCESS("sleep_ms") void sleep_ms(uint64_t ms);
PROCESS("die_when_link_dies") void die_when_link_dies(uint32_t die);
PROCESS("process_id") uint64_t process_id(void);
PROCESS("environment_id") uint64_t environment_id(void);
PROCESS("link") void link_to(int64_t tag, uint64_t process);
PROCESS("unlink") void unlink_from(uint64_t process);
PROCESS("monitor") void monitor(uint64_t process);
PROCESS("stop_monitoring") void stop_monitoring(uint64_t process);
PROCESS("kill") void kill(uint64_t process);
PROCESS("exists") uint32_t exists(uint64_t process);

REGISTRY("put") void registry_put(const char *name, uint32_t length, uint64_t node, uint64_t process);
REGISTRY("get") uint32_t registry_get(const char *name, uint32_t length, uint64_t *node, uint64_t *process);
REGISTRY("remove") void registry_remove(const char *name, uint32_t length);
REGISTRY("get_or_put_later")
uint32_t registry_get_or_put_later(const char *name, uint32_t length, uint64_t *node, uint64_t *process);

TIMER("send_after") uint64_t send_after(uint64_t process, uint64_t ms);
TIMER("cancel_timer") uint32_t cancel_timer(uint64_t timer);

ERROR("string_size") uint32_t error_size(uint64_t error);
ERROR("to_string") void error_text(uint64_t error, char *to);
ERROR("drop") void error_drop(uint64_t error);

HOST("lunatic::trap", "catch") int32_t catch_trap(int32_t function, int32_t argument);

VERSION("major") uint32_t version_major(void);
VERSION("minor") uint32_t version_minor(void);
VERSION("patch") uint32_t version_patch(void);

METRICS("counter") void metric_counter(const char *name, uint32_t length, uint64_t value);
METRICS("increment_counter") void metric_increment_counter(const char *name, uint32_t length);
METRICS("gauge") void metric_gauge(const char *name, uint32_t length, double value);
METRICS("increment_gauge") void metric_increment_gauge(const char *name, uint32_t length, double value);
METRICS("decrement_gauge") void metric_decrement_gauge(const char *name, uint32_t length, double value);
METRICS("histogram") void metric_histogram(const char *name, uint32_t length, double value);

CONFIG("config_add_environment_variable")
void add_variable(uint64_t config, const char *key, uint32_t key_length, const char *value, uint32_t value_length);
CONFIG("config_add_command_line_argument") void add_argument(uint64_t config, const char *text, uint32_t length);
CONFIG("config_preopen_dir") void preopen_dir(uint64_t config, const char *path, uint32_t length);

DISTRIBUTED("node_id") uint64_t node_id(void);
DISTRIBUTED("module_id") uint64_t module_id(void);
DISTRIBUTED("nodes_count") uint32_t nodes_count(void);
DISTRIBUTED("get_nodes") uint32_t get_nodes(uint64_t *to, uint32_t max);
DISTRIBUTED("exec_lookup_nodes")
uint32_t exec_lookup_nodes(const char *query, uint32_t length, uint64_t *id, uint32_t *count, uint64_t *error);
DISTRIBUTED("copy_lookup_nodes_results")
int32_t copy_lookup_nodes(uint64_t query, uint64_t *to, uint32_t max, uint64_t *error);
DISTRIBUTED("test_root_cert") uint32_t test_root_cert(uint32_t *length);
DISTRIBUTED("default_server_certificates")
uint32_t server_certificates(const void *cert, uint32_t cert_length, const void *key, uint32_t key_length,
                             uint32_t *length);
DISTRIBUTED("sign_node")
uint32_t sign_node(const void *cert, uint32_t cert_length, const void *key, uint32_t key_length, const void *request,
                   uint32_t request_length, uint32_t *length);
DISTRIBUTED("send") uint32_t send_to_node(uint64_t node, uint64_t process);
DISTRIBUTED("send_receive_skip_search")
uint32_t request_of_node(uint64_t node, uint64_t process, int64_t tag, uint64_t timeout_ms);
// As lunatic 0.12 had it.
DISTRIBUTED("send_receive_skip_search")
uint32_t old_request_of_node(uint64_t node, uint64_t process, uint64_t timeout_ms);
DISTRIBUTED("spawn") uint32_t spawn_on_node(uint64_t node, uint64_t config, uint64_t module, const char *function,
                                            uint32_t length, const void *params, uint32_t params_length, uint64_t *id);

struct vector { const void *at; uint32_t length; };
WASI("fd_write") uint32_t fd_write(uint32_t fd, const struct vector *vectors, uint32_t count, uint32_t *written);
WASI("clock_time_get") uint32_t clock_time_get(uint32_t id, uint64_t precision, uint64_t *nanoseconds);
WASI("args_sizes_get") uint32_t args_sizes_get(uint32_t *count, uint32_t *bytes);
WASI("args_get") uint32_t args_get(char **args, char *bytes);
WASI("environ_sizes_get") uint32_t environ_sizes_get(uint32_t *count, uint32_t *bytes);
WASI("environ_get") uint32_t environ_get(char **variables, char *bytes);
WASI("proc_exit") _Noreturn void proc_exit(uint32_t code);

static uint32_t length_of(const char *text) {
  uint32_t length = 0;
  while (text[length] != 0) length++;
  return length;
}

static int same_text(const char *one, const char *other) {
  while (*one != 0 && *one == *other) one++, other++;
  return *one == *other;
}

static uint64_t now_ms(void) {
  uint64_t nanoseconds;
  clock_time_get(1, 0, &nanoseconds);
  return nanoseconds / 1000000;
}

// Parameters of a spawned function: records of 17 bytes, a type and 16 bytes of value.
enum { I32 = 0x7f, I64 = 0x7e, V128 = 0x7b };
struct parameters { uint8_t bytes[17 * 4]; uint32_t length; };

static void add_parameter(struct parameters *to, uint8_t type, uint64_t low, uint64_t high) {
  uint8_t *at = to->bytes + to->length;
  *at++ = type;
  for (int i = 0; i < 8; i++) at[i] = low >> (8 * i), at[8 + i] = high >> (8 * i);
  to->length += 17;
}

// Most children here are exports with these parameters: who started them, and a number.
#define CHILD(name) EXPORT(#name) void name(uint64_t parent, int64_t argument)

static struct parameters child_parameters(int64_t argument) {
  struct parameters parameters = {.length = 0};
  add_parameter(&parameters, I64, process_id(), 0);
  add_parameter(&parameters, I64, argument, 0);
  return parameters;
}

// Starts an export as a child; link 0: not linked. Gives what the host answered; the pid or error id is in `started`.
static uint64_t started;
static uint32_t try_start(int64_t link, uint64_t config, const char *function, int64_t argument) {
  struct parameters parameters = child_parameters(argument);
  return spawn(link, config, INHERIT, function, length_of(function), parameters.bytes, parameters.length, &started);
}

static uint64_t start_with(int64_t link, uint64_t config, const char *function, int64_t argument) {
  if (try_start(link, config, function, argument) != 0) __builtin_trap();
  return started;
}

static uint64_t start(const char *function, int64_t argument) { return start_with(0, INHERIT, function, argument); }

static uint64_t start_linked(int64_t tag, const char *function, int64_t argument) {
  return start_with(tag, INHERIT, function, argument);
}

// A message that is one number.
static void send_number(uint64_t to, int64_t tag, int64_t number) {
  create_data(tag, 0);
  write_data(&number, 8);
  send(to);
}

static int64_t read_number(void) {
  int64_t number = 0;
  if (read_data(&number, 8) != 8) __builtin_trap();
  return number;
}

// The number in the next message with the tag (0: in the next message of any kind).
static int64_t receive_number(int64_t tag) {
  if (receive(&tag, tag == 0 ? 0 : 1, NEVER) != DATA) __builtin_trap();
  return read_number();
}
