// lunatic::networking over loopback: names, TCP, UDP, TLS, sockets in messages, what is denied. lunatic-abi.md §1.4.
//
// Allowed must be: listen 127.0.0.1:*, connect 127.0.0.1:*. Arguments: a certificate for localhost, its key, and the CA
// that signed it, each as PEM text.
#include "tap.h"

#define NETWORK(name) HOST("lunatic::networking", name)
#define OUT uint64_t *

NETWORK("resolve") uint32_t resolve(const char *name, uint32_t length, uint64_t timeout_ms, OUT iterator);
NETWORK("resolve_next") uint32_t resolve_next(uint64_t iterator, uint32_t *type, uint8_t *address, uint16_t *port,
                                              uint32_t *flow, uint32_t *scope);
NETWORK("drop_dns_iterator") void drop_iterator(uint64_t iterator);
NETWORK("tcp_bind") uint32_t tcp_bind(uint32_t type, const uint8_t *address, uint32_t port, uint32_t flow,
                                      uint32_t scope, OUT listener);
NETWORK("tcp_local_addr") uint32_t tcp_local_addr(uint64_t listener, OUT iterator);
NETWORK("tcp_accept") uint32_t tcp_accept(uint64_t listener, OUT stream, OUT peer);
NETWORK("drop_tcp_listener") void drop_tcp_listener(uint64_t listener);
NETWORK("tcp_connect") uint32_t tcp_connect(uint32_t type, const uint8_t *address, uint32_t port, uint32_t flow,
                                            uint32_t scope, uint64_t timeout_ms, OUT stream);
NETWORK("tcp_peer_addr") uint32_t tcp_peer_addr(uint64_t stream, OUT iterator);
NETWORK("clone_tcp_stream") uint64_t clone_tcp_stream(uint64_t stream);
NETWORK("drop_tcp_stream") void drop_tcp_stream(uint64_t stream);
NETWORK("tcp_read") uint32_t tcp_read(uint64_t stream, void *to, uint32_t length, OUT count);
NETWORK("tcp_peek") uint32_t tcp_peek(uint64_t stream, void *to, uint32_t length, OUT count);
NETWORK("tcp_write_vectored") uint32_t tcp_write(uint64_t stream, const struct vector *vectors, uint32_t count, OUT written);
NETWORK("tcp_flush") uint32_t tcp_flush(uint64_t stream, OUT error);
NETWORK("set_read_timeout") void set_read_timeout(uint64_t stream, uint64_t ms);
NETWORK("get_read_timeout") uint64_t get_read_timeout(uint64_t stream);
NETWORK("set_write_timeout") void set_write_timeout(uint64_t stream, uint64_t ms);
NETWORK("get_write_timeout") uint64_t get_write_timeout(uint64_t stream);
NETWORK("set_peek_timeout") void set_peek_timeout(uint64_t stream, uint64_t ms);
NETWORK("get_peek_timeout") uint64_t get_peek_timeout(uint64_t stream);
NETWORK("tls_bind") uint32_t tls_bind(uint32_t type, const uint8_t *address, uint32_t port, uint32_t flow,
                                      uint32_t scope, OUT listener, const char *certificate,
                                      uint32_t certificate_length, const char *key, uint32_t key_length);
NETWORK("tls_local_addr") uint32_t tls_local_addr(uint64_t listener, OUT iterator);
NETWORK("tls_accept") uint32_t tls_accept(uint64_t listener, OUT stream, OUT peer);
NETWORK("drop_tls_listener") void drop_tls_listener(uint64_t listener);
NETWORK("tls_connect") uint32_t tls_connect(const char *host, uint32_t length, uint32_t port, uint64_t timeout_ms,
                                            OUT stream, const struct vector *certificates, uint32_t count);
NETWORK("clone_tls_stream") uint64_t clone_tls_stream(uint64_t stream);
NETWORK("drop_tls_stream") void drop_tls_stream(uint64_t stream);
NETWORK("tls_read") uint32_t tls_read(uint64_t stream, void *to, uint32_t length, OUT count);
NETWORK("tls_write_vectored") uint32_t tls_write(uint64_t stream, const struct vector *vectors, uint32_t count, OUT written);
NETWORK("tls_flush") uint32_t tls_flush(uint64_t stream, OUT error);
NETWORK("set_tls_read_timeout") void set_tls_read_timeout(uint64_t stream, uint64_t ms);
NETWORK("get_tls_read_timeout") uint64_t get_tls_read_timeout(uint64_t stream);
NETWORK("set_tls_write_timeout") void set_tls_write_timeout(uint64_t stream, uint64_t ms);
NETWORK("get_tls_write_timeout") uint64_t get_tls_write_timeout(uint64_t stream);
NETWORK("udp_bind") uint32_t udp_bind(uint32_t type, const uint8_t *address, uint32_t port, uint32_t flow,
                                      uint32_t scope, OUT socket);
NETWORK("udp_local_addr") uint32_t udp_local_addr(uint64_t socket, OUT iterator);
NETWORK("udp_peer_addr") uint32_t udp_peer_addr(uint64_t socket, OUT iterator);
NETWORK("udp_connect") uint32_t udp_connect(uint64_t socket, uint32_t type, const uint8_t *address, uint32_t port,
                                            uint32_t flow, uint32_t scope, uint64_t timeout_ms, OUT error);
NETWORK("udp_send") uint32_t udp_send(uint64_t socket, const void *from, uint32_t length, OUT sent);
NETWORK("udp_send_to") uint32_t udp_send_to(uint64_t socket, const void *from, uint32_t length, uint32_t type,
                                            const uint8_t *address, uint32_t port, uint32_t flow, uint32_t scope,
                                            OUT sent);
NETWORK("udp_receive") uint32_t udp_receive(uint64_t socket, void *to, uint32_t length, OUT count);
NETWORK("udp_receive_from") uint32_t udp_receive_from(uint64_t socket, void *to, uint32_t length, OUT count, OUT from);
NETWORK("drop_udp_socket") void drop_udp_socket(uint64_t socket);
NETWORK("clone_udp_socket") uint64_t clone_udp_socket(uint64_t socket);
NETWORK("set_udp_socket_broadcast") void set_broadcast(uint64_t socket, uint32_t on);
NETWORK("get_udp_socket_broadcast") uint32_t get_broadcast(uint64_t socket);
NETWORK("set_udp_socket_ttl") void set_ttl(uint64_t socket, uint32_t hops);
NETWORK("get_udp_socket_ttl") uint32_t get_ttl(uint64_t socket);
MESSAGE("push_tcp_stream") uint64_t push_tcp_stream(uint64_t stream);
MESSAGE("take_tcp_stream") uint64_t take_tcp_stream(uint64_t index);
MESSAGE("push_tls_stream") uint64_t push_tls_stream(uint64_t stream);
MESSAGE("take_tls_stream") uint64_t take_tls_stream(uint64_t index);
MESSAGE("push_udp_socket") uint64_t push_udp_socket(uint64_t socket);
MESSAGE("take_udp_socket") uint64_t take_udp_socket(uint64_t index);

static const uint8_t loopback[16] = {127, 0, 0, 1};
static uint64_t out, out2;
static char bytes[65536];

// The port of the only address of an iterator, which must be of loopback.
static uint32_t port_of(uint64_t iterator) {
  uint32_t type, flow, scope;
  uint8_t address[16];
  uint16_t port;
  EQUAL(resolve_next(iterator, &type, address, &port, &flow, &scope), 0);
  EQUAL(type, 4);
  for (int i = 0; i < 4; i++) EQUAL(address[i], loopback[i]);
  EQUAL(resolve_next(iterator, &type, address, &port, &flow, &scope), 1);
  drop_iterator(iterator);
  return port;
}

static uint64_t listener;
static uint32_t listen_tcp(void) {
  EQUAL(tcp_bind(4, loopback, 0, 0, 0, &listener), 0);
  EQUAL(tcp_local_addr(listener, &out), 0);
  return port_of(out);
}

static uint64_t connect_tcp(uint32_t port) {
  EQUAL(tcp_connect(4, loopback, port, 0, 0, 5000, &out), 0);
  return out;
}

static uint64_t accept_tcp(void) {
  EQUAL(tcp_accept(listener, &out, &out2), 0);
  EXPECT(port_of(out2) > 0);
  return out;
}

static void write_text(uint64_t stream, const char *said) {
  struct vector vectors[] = {{said, 1}, {said + 1, length_of(said) - 1}};
  EQUAL(tcp_write(stream, vectors, 2, &out), 0);
  EQUAL(out, length_of(said));
}

static void read_text(uint64_t stream, const char *wanted) {
  uint32_t got = 0;
  while (got < length_of(wanted)) {
    EQUAL(tcp_read(stream, bytes + got, length_of(wanted) - got, &out), 0);
    EXPECT(out > 0);
    got += out;
  }
  bytes[got] = 0;
  EXPECT(same_text(bytes, wanted));
}

// True if the error's text has a part; the error is dropped.
static int error_says(uint64_t error, const char *part) {
  static char said[1024];
  uint32_t size = error_size(error);
  if (size > sizeof said - 1) return 0;
  error_text(error, said);
  error_drop(error);
  said[size] = 0;
  for (const char *at = said; *at != 0; at++) {
    uint32_t i = 0;
    while (part[i] != 0 && at[i] == part[i]) i++;
    if (part[i] == 0) return 1;
  }
  return 0;
}

static void resolves(void) {
  EQUAL(resolve("127.0.0.1:80", 12, NEVER, &out), 0);
  EQUAL(port_of(out), 80);
  uint32_t type, flow, scope;
  uint8_t address[16];
  uint16_t slots[2] = {0, 0xeeee};
  EQUAL(resolve("localhost:443", 13, NEVER, &out), 0);
  EQUAL(resolve_next(out, &type, address, slots, &flow, &scope), 0);
  EQUAL(type, 4);
  EQUAL(slots[0], 443);
  EQUAL(slots[1], 0xeeee); // the port's slot has two bytes
  EQUAL(resolve_next(out, &type, address, slots, &flow, &scope), 0);
  EQUAL(type, 6);
  EQUAL(address[15], 1);
  EQUAL(resolve("nowhere", 7, NEVER, &out), 1);
  EXPECT(error_says(out, "host:port"));
}

static void talks(void) {
  uint32_t port = listen_tcp();
  uint64_t client = connect_tcp(port), server = accept_tcp();
  EQUAL(tcp_peer_addr(client, &out), 0);
  EQUAL(port_of(out), port);
  write_text(client, "question");
  read_text(server, "question");
  write_text(server, "answer");
  EQUAL(tcp_flush(server, &out), 0);
  EQUAL(out, 0);
  EQUAL(tcp_peek(client, bytes, 3, &out), 0);
  EQUAL(out, 3);
  read_text(client, "answer");
  uint64_t clone = clone_tcp_stream(server);
  drop_tcp_stream(server);
  write_text(clone, "more");
  read_text(client, "more");
  drop_tcp_stream(clone);
  EQUAL(tcp_read(client, bytes, 10, &out), 0);
  EQUAL(out, 0); // the end
}

static void times_out(void) {
  uint64_t client = connect_tcp(listen_tcp()), server = accept_tcp();
  EQUAL(get_read_timeout(client), NEVER);
  set_read_timeout(client, 20);
  set_write_timeout(client, 30);
  set_peek_timeout(client, 40);
  uint64_t clone = clone_tcp_stream(client);
  EQUAL(get_read_timeout(clone), 20);
  EQUAL(get_write_timeout(clone), 30);
  EQUAL(get_peek_timeout(clone), 40);
  uint64_t before = now_ms();
  EQUAL(tcp_read(clone, bytes, 10, &out), TIMED_OUT);
  EXPECT(now_ms() - before >= 19);
  EQUAL(tcp_peek(client, bytes, 10, &out), TIMED_OUT);
  write_text(server, "late");
  set_read_timeout(client, NEVER);
  read_text(client, "late");
}

// Sends what it gets back, until the end.
CHILD(echo_once) {
  send_number(parent, 1, listen_tcp());
  uint64_t stream = accept_tcp();
  for (;;) {
    EQUAL(tcp_read(stream, bytes, sizeof bytes, &out), 0);
    uint64_t got = out;
    if (got == 0) return;
    for (uint64_t sent = 0; sent < got; sent += out) {
      struct vector rest = {bytes + sent, got - sent};
      EQUAL(tcp_write(stream, &rest, 1, &out), 0);
    }
  }
}

// Writes a megabyte to a stream that it is sent.
CHILD(write_much) {
  receive(NULL, 0, NEVER);
  uint64_t stream = take_tcp_stream(read_number());
  for (uint32_t i = 0; i < sizeof bytes; i++) bytes[i] = i * 7;
  for (uint32_t sent = 0; sent < 1 << 20;) {
    struct vector rest = {bytes + sent % sizeof bytes, sizeof bytes - sent % sizeof bytes};
    EQUAL(tcp_write(stream, &rest, 1, &out), 0);
    sent += out;
  }
}

static void echoes_much(void) {
  start_linked(1, "echo_once", 0);
  uint64_t stream = connect_tcp(receive_number(1));
  uint64_t writer = start_linked(2, "write_much", 0);
  create_data(0, 0);
  int64_t index = push_tcp_stream(clone_tcp_stream(stream));
  write_data(&index, 8);
  send(writer);
  static uint8_t got[65536];
  for (uint32_t at = 0; at < 1 << 20; at += out) {
    EQUAL(tcp_read(stream, got, sizeof got, &out), 0);
    EXPECT(out > 0);
    for (uint32_t i = 0; i < out; i++) EXPECT(got[i] == (uint8_t)((at + i) % sizeof bytes * 7));
  }
}

CHILD(serve_stream) {
  receive(NULL, 0, NEVER);
  uint64_t stream = take_tcp_stream(read_number());
  read_text(stream, "ping");
  write_text(stream, "pong");
}

static void hands_streams_to_children(void) {
  uint32_t port = listen_tcp();
  for (int i = 0; i < 10; i++) {
    uint64_t client = connect_tcp(port);
    uint64_t server = accept_tcp(), child = start_linked(i + 1, "serve_stream", 0);
    create_data(0, 0);
    int64_t index = push_tcp_stream(server);
    write_data(&index, 8);
    send(child);
    write_text(client, "ping");
    read_text(client, "pong");
    EQUAL(tcp_read(client, bytes, 1, &out), 0);
    EQUAL(out, 0); // it went with the child
  }
}

CHILD(use_pushed_stream) {
  uint64_t stream = connect_tcp(argument);
  create_data(0, 0);
  push_tcp_stream(stream);
  drop_tcp_stream(stream);
}

static void loses_pushed_streams(void) { EXPECT(fails("use_pushed_stream", listen_tcp())); }

CHILD(wait_for_accept) {
  EQUAL(tcp_bind(4, loopback, argument, 0, 0, &listener), 0);
  send_number(parent, 1, 0);
  tcp_accept(listener, &out, &out2);
}

static void frees_ports_of_the_killed(void) {
  uint32_t port = listen_tcp();
  EQUAL(tcp_bind(4, loopback, port, 0, 0, &out), 1);
  EXPECT(error_says(out, "EADDRINUSE"));
  drop_tcp_listener(listener);
  uint64_t child = start("wait_for_accept", port);
  receive_number(1);
  EQUAL(tcp_bind(4, loopback, port, 0, 0, &out), 1);
  kill(child);
  await_end(child);
  for (int i = 0; tcp_bind(4, loopback, port, 0, 0, &out) != 0; i++) {
    EXPECT(i < 100000);
    sleep_ms(1);
  }
}

static void denies(void) {
  const uint8_t private[4] = {10, 0, 0, 1}, metadata[4] = {169, 254, 169, 254}, any[4] = {0};
  EQUAL(tcp_connect(4, private, 80, 0, 0, 1000, &out), 1);
  EXPECT(error_says(out, "network.connect does not name it, like \"10.0.0.1:80\""));
  EQUAL(tcp_connect(4, metadata, 80, 0, 0, 1000, &out), 1);
  EXPECT(error_says(out, "not a public address"));
  EQUAL(tcp_bind(4, any, 0, 0, 0, &out), 1);
  EXPECT(error_says(out, "network.listen has no entry for this, like \"0.0.0.0:*\""));
  EQUAL(resolve("example.com:80", 14, NEVER, &out), 1);
  EXPECT(error_says(out, "like \"example.com:80\""));
}

static void refuses(void) {
  uint32_t port = listen_tcp();
  drop_tcp_listener(listener);
  EQUAL(tcp_connect(4, loopback, port, 0, 0, NEVER, &out), 1);
  EXPECT(error_says(out, "ECONNREFUSED"));
}

CHILD(drop_unknown) {
  switch (argument) {
    case 0: drop_tcp_listener(0); break;
    case 1: drop_tcp_stream(0); break;
    case 2: drop_tls_stream(0); break;
    case 3: drop_udp_socket(0); break;
    case 4: drop_iterator(0); break;
    case 5: tcp_connect(5, loopback, 80, 0, 0, 0, &out);
  }
}

static void traps_on_unknown(void) {
  for (int i = 0; i < 6; i++) EXPECT(fails("drop_unknown", i));
  EXPECT(!fails("drop_unknown", 6));
}

static uint64_t bind_udp(void) {
  EQUAL(udp_bind(4, loopback, 0, 0, 0, &out), 0);
  return out;
}

static uint32_t udp_port(uint64_t socket) {
  EQUAL(udp_local_addr(socket, &out), 0);
  return port_of(out);
}

CHILD(answer_datagram) {
  receive(NULL, 0, NEVER);
  uint64_t socket = take_udp_socket(read_number());
  EQUAL(udp_receive_from(socket, bytes, sizeof bytes, &out, &out2), 0);
  uint32_t type, flow, scope;
  uint8_t address[16];
  uint16_t port;
  uint64_t length = out;
  EQUAL(resolve_next(out2, &type, address, &port, &flow, &scope), 0);
  EQUAL(udp_send_to(socket, bytes, length, type, address, port, flow, scope, &out), 0);
  EQUAL(out, length);
}

static void sends_datagrams(void) {
  uint64_t one = bind_udp(), other = bind_udp();
  uint32_t port = udp_port(other);
  uint64_t child = start_linked(1, "answer_datagram", 0);
  create_data(0, 0);
  int64_t index = push_udp_socket(other);
  write_data(&index, 8);
  send(child);
  EQUAL(udp_peer_addr(one, &out), 1);
  EXPECT(error_says(out, "not connected"));
  EQUAL(udp_connect(one, 4, loopback, port, 0, 0, NEVER, &out), 0);
  EQUAL(udp_peer_addr(one, &out), 0);
  EQUAL(port_of(out), port);
  EQUAL(udp_send(one, "datagram", 8, &out), 0);
  uint64_t clone = clone_udp_socket(one);
  drop_udp_socket(one);
  EQUAL(udp_receive(clone, bytes, 4, &out), 0);
  EQUAL(out, 4);
  EXPECT(bytes[0] == 'd' && bytes[3] == 'a');
  EQUAL(get_broadcast(clone), 0);
  set_broadcast(clone, 1);
  EQUAL(get_broadcast(clone), 1);
  set_ttl(clone, 9);
  EQUAL(get_ttl(clone), 9);
}

// The arguments of the program after its own name: certificate, key, CA.
static char *argument_at(uint32_t at) {
  static char *arguments[8];
  static char memory[16384];
  uint32_t count, size;
  args_sizes_get(&count, &size);
  EXPECT(count > at && count <= 8 && size <= sizeof memory);
  args_get(arguments, memory);
  return arguments[at];
}

static uint32_t listen_tls(void) {
  const char *certificate = argument_at(1), *key = argument_at(2);
  EQUAL(tls_bind(4, loopback, 0, 0, 0, &listener, certificate, length_of(certificate), key, length_of(key)), 0);
  EQUAL(tls_local_addr(listener, &out), 0);
  return port_of(out);
}

CHILD(connect_tls) {
  const char *ca = argument_at(3);
  struct vector certificates = {ca, length_of(ca)};
  EQUAL(tls_connect("localhost", 9, argument, 10000, &out, &certificates, 1), 0);
  uint64_t stream = out;
  struct vector vector = {"secret", 6};
  EQUAL(tls_write(stream, &vector, 1, &out), 0);
  EQUAL(tls_flush(stream, &out), 0);
  EQUAL(tls_read(stream, bytes, sizeof bytes, &out), 0);
  send_number(parent, 2, out);
}

static void talks_tls(void) {
  start_linked(1, "connect_tls", listen_tls());
  EQUAL(tls_accept(listener, &out, &out2), 0);
  EXPECT(port_of(out2) > 0);
  uint64_t stream = out;
  set_tls_read_timeout(stream, 10000);
  set_tls_write_timeout(stream, 10001);
  uint64_t clone = clone_tls_stream(stream);
  drop_tls_stream(stream);
  EQUAL(get_tls_read_timeout(clone), 10000);
  EQUAL(get_tls_write_timeout(clone), 10001);
  EQUAL(tls_read(clone, bytes, sizeof bytes, &out), 0);
  EQUAL(out, 6);
  EXPECT(bytes[0] == 's' && bytes[5] == 't');
  create_data(0, 0);
  clone = take_tls_stream(push_tls_stream(clone));
  struct vector vector = {"back", 4};
  EQUAL(tls_write(clone, &vector, 1, &out), 0);
  EQUAL(receive_number(2), 4);
}

static void fails_bad_handshakes(void) {
  uint32_t port = listen_tls();
  uint64_t client = connect_tcp(port);
  write_text(client, "this is no TLS at all");
  EQUAL(tls_accept(listener, &out, &out2), 1);
  EQUAL(out2, 0);
  EXPECT(error_says(out, "handshake"));
  start_linked(1, "connect_tls", port);
  EQUAL(tls_accept(listener, &out, &out2), 0);
  EQUAL(tls_connect("localhost", 9, port, 10000, &out, NULL, 0), 1); // nobody knows this CA
  EXPECT(error_says(out, "TLS with localhost"));
  drop_tls_listener(listener);
}

TESTS(
  TEST("names resolve to addresses", resolves),
  TEST("TCP goes both ways, is peeked at, cloned and ends", talks),
  TEST("time-outs belong to the connection", times_out),
  TEST("a megabyte is echoed", echoes_much),
  TEST("accepted streams go to children in messages", hands_streams_to_children),
  TEST("a stream that is in a message is not the sender's any more", loses_pushed_streams),
  TEST("a process that is killed gives its port back", frees_ports_of_the_killed),
  TEST("what the policy does not allow is result 1 with the entry that is missing", denies),
  TEST("a refused connection is result 1", refuses),
  TEST("unknown ids and address types trap", traps_on_unknown),
  TEST("UDP with and without an address, and its options", sends_datagrams),
  TEST("TLS from process to process", talks_tls),
  TEST("bad TLS handshakes fail an accept or a connect, and no process", fails_bad_handshakes)
)
