// Keeps a ledger in its log: writes "begun ?id=" before all else, then does as ?do= says: spin or sleep (?ms=N), loop, trap, exit, memory
// (grows until that is refused, then traps), none (no reply), invalid (no answer at all); else, and after spin and sleep, replies with the id
// and returns ?after=N ms later.
#include "guest.h"

static void write_line(struct span value) {
  static char line[128] = "begun ";
  uint32_t length = 6;
  for (uint32_t i = 0; i < value.length && length < sizeof line - 1; i++) line[length++] = value.at[i];
  line[length++] = '\n';
  struct vector vector = {line, length};
  uint32_t written;
  fd_write(1, &vector, 1, &written);
}

ENTRY {
  take_request();
  struct span number = parameter("id");
  write_line(number);
  if (parameter_is("do", "spin")) spin(parameter_number("ms", 10));
  if (parameter_is("do", "sleep")) sleep_ms(parameter_number("ms", 10));
  if (parameter_is("do", "loop")) for (volatile uint32_t i = 0;; i++) {}
  if (parameter_is("do", "trap")) __builtin_trap();
  if (parameter_is("do", "exit")) proc_exit(3);
  if (parameter_is("do", "memory")) for (;;) more_memory(1 << 20);
  if (parameter_is("do", "none")) return;
  if (parameter_is("do", "invalid")) {
    create_data(0, 0);
    write_data("nothing", 7);
    send_reply();
    return;
  }
  reply(200, number.at, number.length);
  if (parameter_number("after", 0) > 0) sleep_ms(parameter_number("after", 0));
}
