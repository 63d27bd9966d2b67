// Replies where or as often as it should not: ?do=twice; ?do=next to the next process and then rightly; ?do=wrong only to the next;
// ?do=foreign&pid=N only to N; ?do=node only to node 9; ?do=none not at all; ?do=unsent a message, not sent.
#include "guest.h"

ENTRY {
  take_request();
  if (parameter_is("do", "none")) return;
  write_reply(200, "first\n", 6);
  if (parameter_is("do", "unsent")) return;
  if (parameter_is("do", "wrong")) {
    send(reply_to + 1);
  } else if (parameter_is("do", "next")) {
    send(reply_to + 1);
    reply_text("second\n");
  } else if (parameter_is("do", "foreign")) {
    send(parameter_number("pid", 0));
  } else if (parameter_is("do", "node")) {
    send_to_node(9, reply_to);
  } else {
    send_reply();
    if (parameter_is("do", "twice")) reply_text("second\n");
  }
}
