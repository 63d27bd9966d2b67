// Replies with ?n=N bytes, of which byte i is i mod 251, in pieces of ?piece=N (default 4096) bytes.
#include "guest.h"

ENTRY {
  static uint8_t piece[251 * 256];
  take_request();
  uint32_t left = parameter_number("n", 1);
  uint32_t size = parameter_number("piece", 4096) / 251 * 251;
  if (size == 0) size = 251;
  if (size > sizeof piece) size = sizeof piece;
  for (uint32_t i = 0; i < size; i++) piece[i] = i % 251;
  begin_reply();
  write_data("\x92\x93\xcc\xc8\xa6Http11\x80\xc6", 13);
  write_be32(left);
  for (; left > size; left -= size) write_data(piece, size);
  write_data(piece, left);
  send_reply();
}
