// Replies what it is told: ?status=N with the request's body; ?do=fields the body is what follows the id in the message;
// ?do=raw the body is the whole message; ?do=wrong-id the id is one too high; ?do=empty an empty message.
#include "guest.h"

ENTRY {
  take_request();
  if (parameter_is("do", "raw")) {
    create_data(0, 0);
    write_data(body.at, body.length);
  } else if (parameter_is("do", "fields")) {
    begin_reply();
    write_data(body.at, body.length);
  } else if (parameter_is("do", "empty")) {
    create_data(0, 0);
  } else if (parameter_is("do", "wrong-id")) {
    cursor = id.at;
    uint64_t wrong = __builtin_bswap64(unsigned_integer() + 1);
    uint8_t bytes[9] = {0xcf};
    for (int i = 0; i < 8; i++) bytes[i + 1] = ((uint8_t *)&wrong)[i];
    id = (struct span){bytes, 9};
    write_reply(200, body.at, body.length);
  } else {
    write_reply(parameter_number("status", 200), body.at, body.length);
  }
  send_reply();
}
