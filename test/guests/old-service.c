// Behaves as a service of 2022 does: its import section and types (send without a result), its order of calls, its many small reads.
// The oracle is rust-frenezulo, the same in Rust with the published crates; test/unit/guests/guests.test.ts compares the two where Rust is there.
#include <stdint.h>

#define HOST(space, name) __attribute__((import_module(space), import_name(name)))
HOST("lunatic::message", "receive") uint32_t receive(const int64_t *tags, uint32_t tag_count, uint64_t timeout_ms);
HOST("lunatic::message", "get_tag") int64_t get_tag(void);
HOST("lunatic::message", "create_data") void create_data(int64_t tag, uint64_t capacity);
HOST("lunatic::message", "read_data") uint32_t read_data(void *to, uint32_t length);
HOST("lunatic::message", "write_data") uint32_t write_data(const void *from, uint32_t length);
HOST("lunatic::distributed", "node_id") uint64_t node_id(void);
HOST("lunatic::distributed", "send") void send_to_node(uint64_t node, uint64_t process);
HOST("lunatic::message", "send") void send(uint64_t process);

struct vector { const void *at; uint32_t length; };
#define WASI(name) HOST("wasi_snapshot_preview1", name)
WASI("fd_write") uint32_t fd_write(uint32_t fd, const struct vector *vectors, uint32_t count, uint32_t *written);
WASI("random_get") uint32_t random_get(void *to, uint32_t length);
WASI("environ_get") uint32_t environ_get(char **variables, char *bytes);
WASI("environ_sizes_get") uint32_t environ_sizes_get(uint32_t *count, uint32_t *bytes);
WASI("proc_exit") _Noreturn void proc_exit(uint32_t code);

static void panic(const char *why, uint32_t length) {
  uint32_t written;
  fd_write(2, &(struct vector){why, length}, 1, &written);
  __builtin_trap();
}
#define PANIC(why) panic(why "\n", sizeof why)

static void read_exact(uint8_t *to, uint32_t length) {
  while (length > 0) {
    uint32_t read = read_data(to, length);
    if (read == 0) PANIC("panicked: the message ended early");
    to += read;
    length -= read;
  }
}

static uint64_t number(uint32_t bytes) {
  uint8_t digits[8];
  uint64_t value = 0;
  read_exact(digits, bytes);
  for (uint32_t i = 0; i < bytes; i++) value = value << 8 | digits[i];
  return value;
}

static uint64_t unsigned_integer(void) {
  uint8_t type = number(1);
  if (type < 0x80) return type;
  if (type < 0xcc || type > 0xcf) PANIC("panicked: an integer was expected");
  return number(1 << (type - 0xcc));
}

static uint32_t bytes_length(void) {
  uint8_t type = number(1);
  if (type >= 0xa0 && type < 0xc0) return type & 31;
  if (type >= 0xd9 && type <= 0xdb) return number(1 << (type - 0xd9));
  if (type >= 0xc4 && type <= 0xc6) return number(1 << (type - 0xc4));
  PANIC("panicked: a string or binary was expected");
  return 0;
}

static uint32_t count(uint8_t small, uint8_t wide) {
  uint8_t type = number(1);
  if ((type & 0xf0) == small) return type & 15;
  if (type != wide && type != wide + 1) PANIC("panicked: a sequence was expected");
  return number(2 << (type - wide));
}

static void expect_array(uint32_t items) {
  if (count(0x90, 0xdc) != items) PANIC("panicked: invalid length");
}

// A message of its own length in memory, since it is written at once.
static uint8_t reply[1 << 20];
static uint32_t reply_length;

static void put(const void *from, uint32_t length) {
  if (length > sizeof reply - reply_length) PANIC("memory allocation failed");
  for (uint32_t i = 0; i < length; i++) reply[reply_length++] = ((const uint8_t *)from)[i];
}

static void put_integer(uint64_t value) {
  uint8_t bytes[9] = {0xcf};
  for (int i = 0; i < 8; i++) bytes[1 + i] = value >> (56 - 8 * i);
  if (value < 0x80) put(&bytes[8], 1);
  else if (value < 0x100) put((uint8_t[]){0xcc, value}, 2);
  else put(bytes, 9);
}

static void read_into(uint8_t *to, uint32_t capacity, uint32_t length) {
  if (length > capacity) PANIC("memory allocation failed");
  read_exact(to, length);
}

static void answer(void) {
  static uint8_t method[16], uri[8192], version[16], ignored[65536], body[1 << 19];
  uint32_t variables, bytes;
  environ_sizes_get(&variables, &bytes);
  if (variables > 0) {
    if (variables > 1024 || bytes > sizeof body) PANIC("memory allocation failed");
    environ_get((char **)ignored, (char *)body);
  }
  if (receive((const int64_t *)8, 0, UINT64_MAX) != 0) PANIC("panicked: a message was expected");
  get_tag();

  if (count(0x80, 0xde) != 1) PANIC("panicked: a variant was expected");
  read_into(ignored, 7, bytes_length());
  expect_array(3);
  expect_array(1);
  uint64_t id = unsigned_integer();
  expect_array(2);
  expect_array(4);
  uint32_t method_length = bytes_length();
  read_into(method, sizeof method, method_length);
  uint32_t uri_length = bytes_length();
  read_into(uri, sizeof uri, uri_length);
  uint32_t version_length = bytes_length();
  read_into(version, sizeof version, version_length);
  for (uint32_t headers = count(0x80, 0xde); headers > 0; headers--) {
    read_into(ignored, sizeof ignored, bytes_length());
    for (uint32_t values = count(0x90, 0xdc); values > 0; values--) read_into(ignored, sizeof ignored, bytes_length());
  }
  uint32_t body_length = bytes_length();
  read_into(body, sizeof body, body_length);
  expect_array(2);
  uint64_t node = unsigned_integer();
  uint64_t process = unsigned_integer();

  random_get(ignored, 16); // a HashMap of headers is made
  reply_length = 0;
  put("\x81\xaf" "CompleteRequest\x92\x91", 19);
  put_integer(id);
  put("\x92\x93\xcc\xc8", 4);
  put((uint8_t[]){0xa0 | version_length}, 1);
  put(version, version_length);
  uint32_t length = method_length + 1 + uri_length + 1 + body_length;
  put((uint8_t[]){0x80, 0xc6, length >> 24, length >> 16, length >> 8, length}, 6);
  put(method, method_length);
  put(" ", 1);
  put(uri, uri_length);
  put("\n", 1);
  put(body, body_length);
  create_data(0, 0);
  write_data(reply, reply_length);
  if (node_id() == node) send(process);
  else send_to_node(node, process);
}

__attribute__((export_name("frenezulo_main"))) void frenezulo_main(void) { answer(); }
__attribute__((export_name("_start"))) void start(void) {
  answer();
  // What the C library's start does when main fails; here it keeps proc_exit in the import section.
  if (reply_length == 0) proc_exit(1);
}
