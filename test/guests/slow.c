// Takes its time: ?do=spin computes ?ms=N, ?do=sleep sleeps (?naps=N times), ?do=wait waits for a message that never comes, each before the reply;
// ?do=late replies first and then computes, and ends as ?then= says: trap, exit, or a return.
#include "guest.h"

ENTRY {
  take_request();
  uint64_t ms = parameter_number("ms", 10);
  if (parameter_is("do", "late")) {
    reply_text("late\n");
    spin(ms);
    if (parameter_is("then", "trap")) __builtin_trap();
    if (parameter_is("then", "exit")) proc_exit(3);
    return;
  }
  if (parameter_is("do", "sleep")) for (uint64_t naps = parameter_number("naps", 1); naps > 0; naps--) sleep_ms(ms);
  else if (parameter_is("do", "wait")) receive(&(int64_t){77}, 1, ms);
  else spin(ms);
  reply_text("done\n");
}
