// Answers every request with the same text. C without a library; the request's message is in lunatic-abi.md, section 3.5.
#include <stddef.h>
#include <stdint.h>

#define LUNATIC(name) __attribute__((import_module("lunatic::message"), import_name(name)))
LUNATIC("receive") uint32_t receive(const int64_t *tags, uint32_t tag_count, int64_t timeout_ms);
LUNATIC("data_size") uint64_t data_size(void);
LUNATIC("read_data") uint32_t read_data(void *to, uint32_t length);
LUNATIC("create_data") void create_data(int64_t tag, uint64_t capacity);
LUNATIC("write_data") uint32_t write_data(const void *from, uint32_t length);
LUNATIC("send") uint32_t send(uint64_t process);

// The big-endian number of `bytes` bytes at `at`. Traps where the message ends before them.
static uint64_t number(const uint8_t *at, const uint8_t *end, uint32_t bytes) {
  if ((size_t)(end - at) < bytes) __builtin_trap();
  uint64_t value = 0;
  while (bytes-- > 0) value = value << 8 | *at++;
  return value;
}

// The place after the MessagePack value at `at`. Traps where the message is malformed.
static const uint8_t *skip(const uint8_t *at, const uint8_t *end) {
  uint64_t values = 1;
  while (values-- > 0) {
    uint8_t type = number(at, end, 1);
    uint32_t width = 0;   // bytes of a length or number after the type
    uint64_t payload = 0; // bytes after those
    at++;
    if (type < 0x80 || type >= 0xe0) {}                                  // small integer
    else if (type < 0x90) values += 2 * (type & 15);                     // small map
    else if (type < 0xa0) values += type & 15;                           // small array
    else if (type < 0xc0) payload = type & 31;                           // short string
    else if (type >= 0xc4 && type <= 0xc6) width = 1 << (type - 0xc4);   // binary
    else if (type >= 0xcc && type <= 0xd3) payload = 1 << (type & 3);    // integer
    else if (type >= 0xd9 && type <= 0xdb) width = 1 << (type - 0xd9);   // string
    else if (type == 0xdc || type == 0xdd) values += number(at, end, width = 2 << (type - 0xdc));
    else if (type == 0xde || type == 0xdf) values += 2 * number(at, end, width = 2 << (type - 0xde));
    else __builtin_trap();
    if (width > 0 && type < 0xdc) payload = number(at, end, width);
    at += width;
    if ((size_t)(end - at) < payload) __builtin_trap();
    at += payload;
  }
  return at;
}

static uint64_t unsigned_integer(const uint8_t *at, const uint8_t *end) {
  uint8_t type = number(at, end, 1);
  if (type < 0x80) return type;
  if (type < 0xcc || type > 0xd3) __builtin_trap();
  return number(at + 1, end, 1 << (type & 3));
}

// {"CompleteRequest": [[id], [[200, "Http11", {"content-type": ["text/plain; charset=utf-8"]}], "Hello World!"]]}
static const char before_id[] = "\x81\xaf" "CompleteRequest\x92\x91";
static const char after_id[] = "\x92\x93\xcc\xc8\xa6Http11\x81\xac" "content-type\x91\xc4\x19text/plain; charset=utf-8"
                               "\xc4\x0cHello World!";

__attribute__((export_name("frenezulo_main"))) void frenezulo_main(void) {
  static uint8_t message[65536]; // a longer message is refused
  if (receive(NULL, 0, -1) != 0 || data_size() > sizeof message) __builtin_trap();
  const uint8_t *end = message + read_data(message, sizeof message);

  const uint8_t *id = message + 11;         // after map(1), "Request", array(3) and array(1)
  const uint8_t *request = skip(id, end);
  const uint8_t *process = skip(request, end);
  if (number(process, end, 2) != 0x9200) __builtin_trap(); // [node 0, process]

  create_data(0, 0);
  write_data(before_id, sizeof before_id - 1);
  write_data(id, request - id);
  write_data(after_id, sizeof after_id - 1);
  send(unsigned_integer(process + 2, end));
}
