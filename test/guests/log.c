// Writes to its log before it replies: ?lines=N lines of ?bytes=N letters to descriptor ?fd=N; ?do=control one line with every control
// character and broken UTF-8; ?do=body the request's body; ?do=pieces one line in single bytes. Replies with the bytes accepted.
#include "guest.h"

static uint64_t accepted;

static void out(uint32_t fd, const void *at, uint32_t length) {
  uint32_t written = 0;
  struct vector vector = {at, length};
  if (fd_write(fd, &vector, 1, &written) == 0) accepted += written;
}

ENTRY {
  static char line[65536];
  take_request();
  accepted = 0;
  uint32_t fd = parameter_number("fd", 1);
  if (parameter_is("do", "control")) {
    for (int i = 0; i < 33; i++) line[i] = i == 10 ? 'n' : i; // a line feed would end the line
    static const char rest[] = "\x7f\xc2\x85\xff\xc3(\xe2\x80\xa8\x1b[31mred\x1b[0m\n";
    for (uint32_t i = 0; i < sizeof rest - 1; i++) line[33 + i] = rest[i];
    out(fd, line, 33 + sizeof rest - 1);
  } else if (parameter_is("do", "body")) {
    out(fd, body.at, body.length);
  } else if (parameter_is("do", "pieces")) {
    static const char whole[] = "in pieces: \xc3\xa4\n";
    for (uint32_t i = 0; i < sizeof whole - 1; i++) out(fd, whole + i, 1);
  } else {
    uint32_t bytes = parameter_number("bytes", 10);
    if (bytes > sizeof line - 1) bytes = sizeof line - 1;
    for (uint32_t i = 0; i < bytes; i++) line[i] = 'a' + i % 26;
    line[bytes] = '\n';
    for (uint64_t lines = parameter_number("lines", 1); lines > 0; lines--) out(fd, line, bytes + 1);
  }
  text_length = 0;
  add_number(accepted);
  reply(200, text, text_length);
}
