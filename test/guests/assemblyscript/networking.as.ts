// lunatic::networking over loopback: names, TCP, UDP, TLS, and sockets in messages. lunatic-abi.md §1.4.
//
// Allowed must be: listen 127.0.0.1:*, connect 127.0.0.1:*. Arguments: a certificate for localhost, its key, and the CA
// that signed it, each as PEM text. Run by test/integration/networking.test.ts.
import { Mailbox, spawn } from "frenezulo";
import * as host from "./lib/host.as";
import * as net from "./lib/network.as";
import { done, equal, expect, fails, NEVER, out, TIMED_OUT, Text, takeError, test, textAt } from "./lib/tap.as";
import { argsGet, argsSizesGet } from "./lib/wasi.as";

const WAIT_MS: u64 = 20_000;
const loopback = memory.data<u8>([127, 0, 0, 1]);
/** What resolve_next writes: type at 0, port at 4, flow at 8, scope at 12, the address from 16 on. */
const address = memory.data(32, 8);
const buffer = memory.data(1024, 8);
const vector = memory.data(16, 8);

function ok(result: u32, what: string): u64 {
  if (result == 1) expect(false, `${what}: ${takeError(load<u64>(out))}`);
  else equal(result, 0, what);
  return load<u64>(out);
}

function resolve(name: string): u32 {
  const text = new Text(name);
  return net.resolve(text.at, text.length, WAIT_MS, out);
}

function next(iterator: u64): u32 {
  store<u32>(address, 0xeeeeeeee, 4);
  return net.resolveNext(iterator, address, address + 16, address + 4, address + 8, address + 12);
}

/** The port of the only address of an iterator, which is of loopback. */
function portOf(iterator: u64): u32 {
  equal(next(iterator), 0, "resolve_next");
  equal(load<u32>(address), 4, "the address's type");
  equal(load<u32>(address, 16), load<u32>(loopback), "the address");
  equal(load<u16>(address, 6), 0xeeee, "what follows the port");
  const port = load<u16>(address, 4);
  equal(next(iterator), 1, "a second resolve_next");
  net.dropIterator(iterator);
  return port;
}

function connect(port: u32): u64 {
  return ok(net.tcpConnect(4, loopback, port, 0, 0, WAIT_MS, out), "tcp_connect");
}

/** A connection, both ends of it. */
class Pair {
  readonly client: u64;
  readonly server: u64;
  readonly port: u32;

  constructor() {
    const listener = ok(net.tcpBind(4, loopback, 0, 0, 0, out), "tcp_bind");
    this.port = portOf(ok(net.tcpLocalAddr(listener, out), "tcp_local_addr"));
    this.client = connect(this.port);
    this.server = ok(net.tcpAccept(listener, out, out + 8), "tcp_accept");
    expect(portOf(load<u64>(out, 8)) != this.port, "the peer's port");
    net.dropTcpListener(listener);
  }
}

/** Two vectors: the first byte, and the others. */
function vectors(text: Text): usize {
  store<u32>(vector, <u32>text.at);
  store<u32>(vector, 1, 4);
  store<u32>(vector, <u32>text.at + 1, 8);
  store<u32>(vector, text.length - 1, 12);
  return vector;
}

function write(stream: u64, said: string): void {
  const text = new Text(said);
  equal(ok(net.tcpWrite(stream, vectors(text), 2, out), "tcp_write_vectored"), text.length, "the bytes written");
}

function read(stream: u64): string {
  return textAt(buffer, ok(net.tcpRead(stream, buffer, 1024, out), "tcp_read"));
}

/** Answers what comes on the stream that it is sent. */
function servesStream(_unused: bool): void {
  host.receive(0, 0, WAIT_MS);
  const stream = host.takeTcpStream(0);
  write(stream, `${read(stream)}!`);
}

/** Sends one datagram of the socket that it is sent back to where it came from. */
function answersDatagram(_unused: bool): void {
  host.receive(0, 0, WAIT_MS);
  const socket = host.takeUdpSocket(0);
  const length = <u32>ok(net.udpReceiveFrom(socket, buffer, 1024, out, out + 8), "udp_receive_from");
  next(load<u64>(out, 8));
  net.udpSendTo(socket, buffer, length, 4, address + 16, load<u16>(address, 4), 0, 0, out);
}

function usesGone(way: i32): void {
  if (way == 0) net.dropTcpListener(5);
  if (way == 1) net.dropTcpStream(5);
  if (way == 2) net.dropTlsListener(5);
  if (way == 3) net.dropTlsStream(5);
  if (way == 4) net.dropUdpSocket(5);
  if (way == 5) net.dropIterator(5);
  if (way == 6) net.tcpConnect(5, loopback, 80, 0, 0, 0, out);
  if (way == 7) {
    const stream = new Pair().client;
    host.createData(0, 0);
    host.pushTcpStream(stream);
    net.dropTcpStream(stream);
  }
}

/** The argument at this place, as it lies in memory: the program's file is the first. */
function argument(place: u32): Text {
  argsSizesGet(out, out + 4);
  const room = new ArrayBuffer(load<u32>(out) * 4 + load<u32>(out, 4));
  const start = changetype<usize>(room);
  argsGet(start, start + load<u32>(out) * 4);
  const from = load<u32>(start + place * 4);
  let length: u32 = 0;
  while (load<u8>(from + length) != 0) length++;
  return new Text(textAt(from, length));
}

function connectTls(port: u32, hasCa: bool): u32 {
  const name = new Text("localhost");
  const ca = argument(3);
  store<u32>(vector, <u32>ca.at);
  store<u32>(vector, ca.length, 4);
  return net.tlsConnect(name.at, name.length, port, WAIT_MS, out, vector, u32(hasCa));
}

function writeTls(stream: u64, said: string): void {
  const text = new Text(said);
  equal(ok(net.tlsWrite(stream, vectors(text), 2, out), "tls_write_vectored"), text.length, "the bytes written");
  equal(ok(net.tlsFlush(stream, out), "tls_flush"), 0, "what tls_flush writes");
}

function readTls(stream: u64): string {
  return textAt(buffer, ok(net.tlsRead(stream, buffer, 1024, out), "tls_read"));
}

/** A client, first of an unknown CA and then of the right one. */
function asksByTls(port: u32): void {
  connectTls(port, false); // fails: nobody knows this CA
  takeError(load<u64>(out));
  if (connectTls(port, true) != 0) return;
  const stream = load<u64>(out);
  writeTls(stream, "secret");
  assert(readTls(stream) == "back");
  writeTls(stream, "thanks");
}

export function _start(): void {
  test("names resolve to addresses", () => {
    ok(resolve("127.0.0.1:80"), "resolve");
    equal(portOf(load<u64>(out)), 80, "the port");
    ok(resolve("localhost:443"), "resolve");
    equal(next(load<u64>(out)), 0, "an address of localhost");
    equal(load<u16>(address, 4), 443, "its port");
    equal(resolve("nowhere"), 1, "a name without a port");
    expect(takeError(load<u64>(out)).includes("host:port"), "its text");
  });
  test("TCP goes both ways, is peeked at, and ends", () => {
    const pair = new Pair();
    equal(portOf(ok(net.tcpPeerAddr(pair.client, out), "tcp_peer_addr")), pair.port, "the peer's port");
    write(pair.client, "question");
    equal(read(pair.server), "question", "what came");
    write(pair.server, "answer");
    equal(ok(net.tcpFlush(pair.server, out), "tcp_flush"), 0, "what tcp_flush writes");
    net.setPeekTimeout(pair.client, WAIT_MS);
    equal(ok(net.tcpPeek(pair.client, buffer, 3, out), "tcp_peek"), 3, "its count");
    equal(read(pair.client), "answer", "what came back");
    const clone = net.cloneTcpStream(pair.server);
    net.dropTcpStream(pair.server);
    write(clone, "more");
    equal(read(pair.client), "more", "what the clone wrote");
    net.dropTcpStream(clone);
    equal(read(pair.client), "", "the end");
  });
  test("time-outs are kept, and end a read and a peek", () => {
    const pair = new Pair();
    equal(net.getReadTimeout(pair.client), NEVER, "at first");
    net.setReadTimeout(pair.client, 20);
    net.setWriteTimeout(pair.client, 30);
    net.setPeekTimeout(pair.client, 40);
    const clone = net.cloneTcpStream(pair.client);
    equal(net.getReadTimeout(clone), 20, "of reads");
    equal(net.getWriteTimeout(clone), 30, "of writes");
    equal(net.getPeekTimeout(clone), 40, "of peeks");
    equal(net.tcpRead(clone, buffer, 1, out), TIMED_OUT, "a read");
    equal(net.tcpPeek(clone, buffer, 1, out), TIMED_OUT, "a peek");
  });
  test("a stream goes to another process in a message", () => {
    const pair = new Pair();
    const child = spawn<bool, bool>(servesStream, true);
    host.createData(0, 0);
    equal(host.pushTcpStream(pair.server), 0, "its place");
    host.send(child.pid);
    write(pair.client, "ping");
    equal(read(pair.client), "ping!", "the answer");
    equal(read(pair.client), "", "the end, with the process's");
  });
  test("refused and forbidden addresses are errors with a text", () => {
    const port = new Pair().port;
    equal(net.tcpConnect(4, loopback, port, 0, 0, WAIT_MS, out), 1, "a port where nobody listens");
    expect(takeError(load<u64>(out)).includes("ECONNREFUSED"), "its text");
    const other = memory.data<u8>([10, 0, 0, 1]);
    equal(net.tcpConnect(4, other, 80, 0, 0, WAIT_MS, out), 1, "an address outside the policy");
    expect(takeError(load<u64>(out)).includes("network.connect"), "its text");
    equal(net.tcpBind(4, other, 0, 0, 0, out), 1, "an address to listen at");
    expect(takeError(load<u64>(out)).includes("network.listen"), "its text");
  });
  test("ids and types that are none trap", () => {
    for (let way = 0; way < 9; way++) equal(fails<i32>(usesGone, way), way < 8, `way ${way}`);
  });
  test("datagrams go to a peer and back, and sockets keep options", () => {
    const one = ok(net.udpBind(4, loopback, 0, 0, 0, out), "udp_bind");
    const other = ok(net.udpBind(4, loopback, 0, 0, 0, out), "udp_bind");
    const port = portOf(ok(net.udpLocalAddr(other, out), "udp_local_addr"));
    const child = spawn<bool, bool>(answersDatagram, true);
    host.createData(0, 0);
    equal(host.pushUdpSocket(other), 0, "its place");
    host.send(child.pid);
    equal(net.udpPeerAddr(one, out), 1, "udp_peer_addr before");
    expect(takeError(load<u64>(out)).includes("not connected"), "its text");
    ok(net.udpConnect(one, 4, loopback, port, 0, 0, WAIT_MS, out), "udp_connect");
    equal(portOf(ok(net.udpPeerAddr(one, out), "udp_peer_addr")), port, "the peer's port");
    const text = new Text("datagram");
    equal(ok(net.udpSend(one, text.at, text.length, out), "udp_send"), 8, "its count");
    const clone = net.cloneUdpSocket(one);
    net.dropUdpSocket(one);
    equal(textAt(buffer, ok(net.udpReceive(clone, buffer, 4, out), "udp_receive")), "data", "what came back");
    equal(net.getBroadcast(clone), 0, "broadcast at first");
    net.setBroadcast(clone, 1);
    equal(net.getBroadcast(clone), 1, "broadcast");
    net.setTtl(clone, 9);
    equal(net.getTtl(clone), 9, "hops");
  });
  test("TLS with a CA of one's own, and not with an unknown one", () => {
    const certificate = argument(1);
    const key = argument(2);
    const bound = net.tlsBind(
      4,
      loopback,
      0,
      0,
      0,
      out,
      certificate.at,
      certificate.length,
      key.at,
      key.length,
    );
    const listener = ok(bound, "tls_bind");
    const port = portOf(ok(net.tlsLocalAddr(listener, out), "tls_local_addr"));
    const child = spawn<bool, u32>(asksByTls, port);
    child.monitor();
    equal(net.tlsAccept(listener, out, out + 8), 1, "a client that knows no such CA");
    expect(takeError(load<u64>(out)).includes("handshake"), "its text");
    const stream = ok(net.tlsAccept(listener, out, out + 8), "tls_accept");
    expect(portOf(load<u64>(out, 8)) > 0, "the peer's port");
    net.setTlsReadTimeout(stream, WAIT_MS);
    net.setTlsWriteTimeout(stream, WAIT_MS + 1);
    const clone = net.cloneTlsStream(stream);
    net.dropTlsStream(stream);
    equal(net.getTlsReadTimeout(clone), WAIT_MS, "of reads");
    equal(net.getTlsWriteTimeout(clone), WAIT_MS + 1, "of writes");
    equal(readTls(clone), "secret", "what came");
    host.createData(0, 0);
    const taken = host.takeTlsStream(host.pushTlsStream(clone));
    writeTls(taken, "back");
    equal(readTls(taken), "thanks", "what came then");
    net.dropTlsListener(listener);
    equal(new Mailbox<bool>().next(20_000).pid, child.pid, "the client's end");
  });
  done();
}
