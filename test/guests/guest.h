// What the C guests share: host functions, the request's parts, a reply. No C library; lunatic-abi.md, section 3.5.
#pragma once
#include <stddef.h>
#include <stdint.h>

#define HOST(space, name) __attribute__((import_module(space), import_name(name)))
#define MESSAGE(name) HOST("lunatic::message", name)
#define WASI(name) HOST("wasi_snapshot_preview1", name)
#define ENTRY __attribute__((export_name("frenezulo_main"))) void frenezulo_main(void)

MESSAGE("receive") uint32_t receive(const int64_t *tags, uint32_t tag_count, int64_t timeout_ms);
MESSAGE("data_size") uint64_t data_size(void);
MESSAGE("get_tag") int64_t get_tag(void);
MESSAGE("read_data") uint32_t read_data(void *to, uint32_t length);
MESSAGE("create_data") void create_data(int64_t tag, uint64_t capacity);
MESSAGE("write_data") uint32_t write_data(const void *from, uint32_t length);
MESSAGE("send") uint32_t send(uint64_t process);
HOST("lunatic::distributed", "send") uint32_t send_to_node(uint64_t node, uint64_t process);
HOST("lunatic::process", "process_id") uint64_t process_id(void);
HOST("lunatic::process", "sleep_ms") void sleep_ms(uint64_t ms);

struct vector { const void *at; uint32_t length; };
WASI("fd_write") uint32_t fd_write(uint32_t fd, const struct vector *vectors, uint32_t count, uint32_t *written);
WASI("clock_time_get") uint32_t clock_time_get(uint32_t id, uint64_t precision, uint64_t *nanoseconds);
WASI("random_get") uint32_t random_get(void *to, uint32_t length);
WASI("args_sizes_get") uint32_t args_sizes_get(uint32_t *count, uint32_t *bytes);
WASI("args_get") uint32_t args_get(char **args, char *bytes);
WASI("environ_sizes_get") uint32_t environ_sizes_get(uint32_t *count, uint32_t *bytes);
WASI("environ_get") uint32_t environ_get(char **variables, char *bytes);
WASI("proc_exit") _Noreturn void proc_exit(uint32_t code);

struct span { const uint8_t *at; uint32_t length; };

static struct span message; // the request as it came
static struct span id;      // the request id's number, as it was written
static struct span uri, body;
static uint64_t node, reply_to;

static const uint8_t *cursor; // of the message; the host is trusted to send well-formed ones

static uint64_t number(uint32_t bytes) {
  uint64_t value = 0;
  while (bytes-- > 0) value = value << 8 | *cursor++;
  return value;
}

// Passes one value. Sets `payload` to the bytes of a string or binary.
static struct span payload;
static void skip(void) {
  uint64_t values = 1;
  while (values-- > 0) {
    uint8_t type = number(1);
    payload.length = 0;
    if (type < 0x80 || type >= 0xe0 || type == 0xc0) continue;
    if (type < 0x90) values += 2 * (type & 15);
    else if (type < 0xa0) values += type & 15;
    else if (type < 0xc0) payload.length = type & 31;
    else if (type >= 0xc4 && type <= 0xc6) payload.length = number(1 << (type - 0xc4));
    else if (type >= 0xcc && type <= 0xd3) cursor += 1 << (type & 3);
    else if (type >= 0xd9 && type <= 0xdb) payload.length = number(1 << (type - 0xd9));
    else if (type == 0xdc || type == 0xdd) values += number(2 << (type - 0xdc));
    else if (type == 0xde || type == 0xdf) values += 2 * number(2 << (type - 0xde));
    else __builtin_trap();
    payload.at = cursor;
    cursor += payload.length;
  }
}

static uint64_t unsigned_integer(void) {
  uint8_t type = number(1);
  return type < 0x80 ? type : number(1 << (type & 3));
}

// Memory beyond what the module began with; never given back.
static void *more_memory(uint32_t bytes) {
  size_t pages = __builtin_wasm_memory_grow(0, (bytes + 65535) / 65536);
  if (pages == (size_t)-1) __builtin_trap();
  return (void *)(pages * 65536);
}

// Takes the request and finds its parts.
static void take_request(void) {
  static uint8_t small[16384];
  if (receive(NULL, 0, -1) != 0) __builtin_trap();
  uint32_t size = data_size();
  uint8_t *buffer = size <= sizeof small ? small : more_memory(size);
  message = (struct span){buffer, read_data(buffer, size)};
  cursor = buffer + 10; // map(1) "Request" array(3)
  cursor++;             // array(1)
  id.at = cursor;
  skip();
  id.length = cursor - id.at;
  cursor += 2; // array(2) array(4)
  skip();
  skip();
  uri = payload;
  skip();
  skip();
  skip();
  body = payload;
  cursor++;
  node = unsigned_integer();
  reply_to = unsigned_integer();
}

static uint32_t length_of(const char *text) {
  uint32_t length = 0;
  while (text[length] != 0) length++;
  return length;
}

static int same(const uint8_t *bytes, const char *text, uint32_t length) {
  for (uint32_t i = 0; i < length; i++) if (bytes[i] != (uint8_t)text[i]) return 0;
  return 1;
}

// The value of a query parameter, undecoded; its length is 0 if it is not there.
static struct span parameter(const char *name) {
  uint32_t length = length_of(name);
  const uint8_t *end = uri.at + uri.length;
  const uint8_t *at = uri.at;
  while (at < end && *at != '?') at++;
  while (at < end) {
    const uint8_t *start = ++at;
    while (at < end && *at != '&') at++;
    if (at - start > (ptrdiff_t)length && start[length] == '=' && same(start, name, length)) {
      return (struct span){start + length + 1, at - start - length - 1};
    }
  }
  return (struct span){0, 0};
}

static int parameter_is(const char *name, const char *text) {
  struct span value = parameter(name);
  return value.length == length_of(text) && same(value.at, text, value.length);
}

static uint64_t parameter_number(const char *name, uint64_t otherwise) {
  struct span value = parameter(name);
  if (value.length == 0) return otherwise;
  uint64_t sum = 0;
  for (uint32_t i = 0; i < value.length; i++) sum = sum * 10 + (value.at[i] - '0');
  return sum;
}

static void write_byte(uint8_t byte) { write_data(&byte, 1); }

static void write_be32(uint32_t value) {
  value = __builtin_bswap32(value);
  write_data(&value, 4);
}

// The reply's message up to and with the request id: what follows is [[status, version, headers], body].
static void begin_reply(void) {
  create_data(0, 0);
  write_data("\x81\xaf" "CompleteRequest\x92\x91", 19);
  write_data(id.at, id.length);
}

// A whole reply without headers, not sent yet.
static void write_reply(uint16_t status, const void *at, uint32_t length) {
  begin_reply();
  write_data("\x92\x93\xcd", 3);
  status = __builtin_bswap16(status);
  write_data(&status, 2);
  write_data("\xa6Http11\x80\xc6", 9);
  write_be32(length);
  write_data(at, length);
}

static void send_reply(void) {
  if (node == 0) send(reply_to);
  else send_to_node(node, reply_to);
}

static void reply(uint16_t status, const void *at, uint32_t length) {
  write_reply(status, at, length);
  send_reply();
}

static void reply_text(const char *text) { reply(200, text, length_of(text)); }

// Text that grows; what does not fit is lost.
static char text[8192];
static uint32_t text_length;

static void add_bytes(const void *from, uint32_t length) {
  const char *bytes = from;
  for (uint32_t i = 0; i < length && text_length < sizeof text; i++) text[text_length++] = bytes[i];
}

static void add(const char *more) { add_bytes(more, length_of(more)); }

static void add_number(uint64_t value) {
  if (value > 9) add_number(value / 10);
  add_bytes(&(char){'0' + value % 10}, 1);
}

static uint64_t now_ms(void) {
  uint64_t nanoseconds;
  clock_time_get(1, 0, &nanoseconds);
  return nanoseconds / 1000000;
}

// Computes for so long, without a host call but the clock.
static void spin(uint64_t ms) {
  uint64_t until = now_ms() + ms;
  while (now_ms() < until) {
    for (volatile uint32_t i = 0; i < 20000; i++) {}
  }
}
