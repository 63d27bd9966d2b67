// Sends itself messages with the tags 5, 9, 0 and 5 and receives them selectively; replies "nine:9 five:5 zero:0 more:5 9027 9027".
#include "guest.h"

static void note(int64_t tag, const char *content) {
  create_data(tag, 0);
  write_data(content, length_of(content));
  send(process_id());
}

// Waits for one of the tags, at most `ms`, and adds what came, or the code.
static void take(const int64_t *tags, uint32_t count, int64_t ms) {
  uint32_t code = receive(tags, count, ms);
  if (text_length > 0) add(" ");
  if (code != 0) {
    add_number(code);
    return;
  }
  uint8_t content[16];
  add_bytes(content, read_data(content, sizeof content));
  add(":");
  add_number(get_tag());
}

ENTRY {
  take_request();
  text_length = 0;
  note(5, "five");
  note(9, "nine");
  note(0, "zero");
  note(5, "more");
  take((int64_t[]){9}, 1, -1);
  take((int64_t[]){77, 5}, 2, -1);
  take(NULL, 0, -1);
  take(NULL, 0, 1000);
  take((int64_t[]){77}, 1, 20);
  take(NULL, 0, 0);
  reply(200, text, text_length);
}
