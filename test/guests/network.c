// Uses the network while it serves a request: ?do=fetch&port=N sends "hello" to 127.0.0.1:N and replies what comes back until the
// end, or the error's text; ?do=hang&port=N connects and reads for ever; ?do=accept&port=N listens there and accepts for ever;
// ?do=resolve&name=HOST:PORT replies "resolved"; ?do=tls&port=N&roots=N shakes hands with localhost, trusting the certificate that
// is the body so many times, and replies "connected".
#include "guest.h"

#define NETWORK(name) HOST("lunatic::networking", name)
NETWORK("tcp_bind") uint32_t tcp_bind(uint32_t type, const uint8_t *address, uint32_t port, uint32_t flow,
                                      uint32_t scope, uint64_t *listener);
NETWORK("tcp_accept") uint32_t tcp_accept(uint64_t listener, uint64_t *stream, uint64_t *peer);
NETWORK("tcp_connect") uint32_t tcp_connect(uint32_t type, const uint8_t *address, uint32_t port, uint32_t flow,
                                            uint32_t scope, uint64_t timeout_ms, uint64_t *stream);
NETWORK("tcp_read") uint32_t tcp_read(uint64_t stream, void *to, uint32_t length, uint64_t *count);
NETWORK("tcp_write_vectored") uint32_t tcp_write(uint64_t stream, const struct vector *vectors, uint32_t count, uint64_t *written);
NETWORK("resolve") uint32_t resolve(const void *name, uint32_t length, uint64_t timeout_ms, uint64_t *iterator);
NETWORK("tls_connect") uint32_t tls_connect(const char *host, uint32_t length, uint32_t port, uint64_t timeout_ms, uint64_t *stream,
                                            const struct vector *roots, uint32_t count);
HOST("lunatic::error", "string_size") uint32_t error_size(uint64_t error);
HOST("lunatic::error", "to_string") void error_text(uint64_t error, void *to);

static const uint8_t loopback[4] = {127, 0, 0, 1};
static uint64_t out, peer;

static void reply_error(uint64_t error) {
  static char said[1024];
  uint32_t size = error_size(error);
  if (size > sizeof said) __builtin_trap();
  error_text(error, said);
  reply(200, said, size);
}

ENTRY {
  static char read[4096];
  take_request();
  text_length = 0;
  uint32_t port = parameter_number("port", 0);
  if (parameter_is("do", "accept")) {
    if (tcp_bind(4, loopback, port, 0, 0, &out) != 0) return reply_error(out);
    for (uint64_t listener = out;;) tcp_accept(listener, &out, &peer);
  }
  if (parameter_is("do", "resolve")) {
    struct span name = parameter("name");
    if (resolve(name.at, name.length, -1, &out) != 0) return reply_error(out);
    return reply_text("resolved");
  }
  if (parameter_is("do", "tls")) {
    static struct vector roots[64];
    uint32_t count = parameter_number("roots", 0);
    if (count > 64) __builtin_trap();
    for (uint32_t i = 0; i < count; i++) roots[i] = (struct vector){body.at, body.length};
    if (tls_connect("localhost", 9, port, -1, &out, roots, count) != 0) return reply_error(out);
    return reply_text("connected");
  }
  if (tcp_connect(4, loopback, port, 0, 0, -1, &out) != 0) return reply_error(out);
  uint64_t stream = out;
  struct vector hello = {"hello", 5};
  if (tcp_write(stream, &hello, 1, &out) != 0) return reply_error(out);
  do {
    if (tcp_read(stream, read, sizeof read, &out) != 0) return reply_error(out);
    add_bytes(read, out);
  } while (out > 0);
  reply(200, text, text_length);
}
