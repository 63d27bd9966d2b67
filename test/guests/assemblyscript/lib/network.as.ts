// lunatic::networking. lunatic-abi.md §1.4.

@external("lunatic::networking", "resolve")
export declare function resolve(name: usize, length: u32, timeoutMs: u64, iterator: usize): u32;

@external("lunatic::networking", "resolve_next")
export declare function resolveNext(
  iterator: u64,
  type: usize,
  address: usize,
  port: usize,
  flow: usize,
  scope: usize,
): u32;

@external("lunatic::networking", "drop_dns_iterator")
export declare function dropIterator(iterator: u64): void;

@external("lunatic::networking", "tcp_bind")
export declare function tcpBind(type: u32, address: usize, port: u32, flow: u32, scope: u32, listener: usize): u32;

@external("lunatic::networking", "tcp_local_addr")
export declare function tcpLocalAddr(listener: u64, iterator: usize): u32;

@external("lunatic::networking", "tcp_accept")
export declare function tcpAccept(listener: u64, stream: usize, peer: usize): u32;

@external("lunatic::networking", "drop_tcp_listener")
export declare function dropTcpListener(listener: u64): void;

@external("lunatic::networking", "tcp_connect")
export declare function tcpConnect(
  type: u32,
  address: usize,
  port: u32,
  flow: u32,
  scope: u32,
  timeoutMs: u64,
  stream: usize,
): u32;

@external("lunatic::networking", "tcp_peer_addr")
export declare function tcpPeerAddr(stream: u64, iterator: usize): u32;

@external("lunatic::networking", "clone_tcp_stream")
export declare function cloneTcpStream(stream: u64): u64;

@external("lunatic::networking", "drop_tcp_stream")
export declare function dropTcpStream(stream: u64): void;

@external("lunatic::networking", "tcp_read")
export declare function tcpRead(stream: u64, to: usize, length: u32, count: usize): u32;

@external("lunatic::networking", "tcp_peek")
export declare function tcpPeek(stream: u64, to: usize, length: u32, count: usize): u32;

@external("lunatic::networking", "tcp_write_vectored")
export declare function tcpWrite(stream: u64, vectors: usize, count: u32, written: usize): u32;

@external("lunatic::networking", "tcp_flush")
export declare function tcpFlush(stream: u64, error: usize): u32;

@external("lunatic::networking", "set_read_timeout")
export declare function setReadTimeout(stream: u64, ms: u64): void;

@external("lunatic::networking", "get_read_timeout")
export declare function getReadTimeout(stream: u64): u64;

@external("lunatic::networking", "set_write_timeout")
export declare function setWriteTimeout(stream: u64, ms: u64): void;

@external("lunatic::networking", "get_write_timeout")
export declare function getWriteTimeout(stream: u64): u64;

@external("lunatic::networking", "set_peek_timeout")
export declare function setPeekTimeout(stream: u64, ms: u64): void;

@external("lunatic::networking", "get_peek_timeout")
export declare function getPeekTimeout(stream: u64): u64;

@external("lunatic::networking", "tls_bind")
export declare function tlsBind(
  type: u32,
  address: usize,
  port: u32,
  flow: u32,
  scope: u32,
  listener: usize,
  certificate: usize,
  certificateLength: u32,
  key: usize,
  keyLength: u32,
): u32;

@external("lunatic::networking", "tls_local_addr")
export declare function tlsLocalAddr(listener: u64, iterator: usize): u32;

@external("lunatic::networking", "tls_accept")
export declare function tlsAccept(listener: u64, stream: usize, peer: usize): u32;

@external("lunatic::networking", "drop_tls_listener")
export declare function dropTlsListener(listener: u64): void;

@external("lunatic::networking", "tls_connect")
export declare function tlsConnect(
  host: usize,
  length: u32,
  port: u32,
  timeoutMs: u64,
  stream: usize,
  certificates: usize,
  count: u32,
): u32;

@external("lunatic::networking", "clone_tls_stream")
export declare function cloneTlsStream(stream: u64): u64;

@external("lunatic::networking", "drop_tls_stream")
export declare function dropTlsStream(stream: u64): void;

@external("lunatic::networking", "tls_read")
export declare function tlsRead(stream: u64, to: usize, length: u32, count: usize): u32;

@external("lunatic::networking", "tls_write_vectored")
export declare function tlsWrite(stream: u64, vectors: usize, count: u32, written: usize): u32;

@external("lunatic::networking", "tls_flush")
export declare function tlsFlush(stream: u64, error: usize): u32;

@external("lunatic::networking", "set_tls_read_timeout")
export declare function setTlsReadTimeout(stream: u64, ms: u64): void;

@external("lunatic::networking", "get_tls_read_timeout")
export declare function getTlsReadTimeout(stream: u64): u64;

@external("lunatic::networking", "set_tls_write_timeout")
export declare function setTlsWriteTimeout(stream: u64, ms: u64): void;

@external("lunatic::networking", "get_tls_write_timeout")
export declare function getTlsWriteTimeout(stream: u64): u64;

@external("lunatic::networking", "udp_bind")
export declare function udpBind(type: u32, address: usize, port: u32, flow: u32, scope: u32, socket: usize): u32;

@external("lunatic::networking", "udp_local_addr")
export declare function udpLocalAddr(socket: u64, iterator: usize): u32;

@external("lunatic::networking", "udp_peer_addr")
export declare function udpPeerAddr(socket: u64, iterator: usize): u32;

@external("lunatic::networking", "udp_connect")
export declare function udpConnect(
  socket: u64,
  type: u32,
  address: usize,
  port: u32,
  flow: u32,
  scope: u32,
  timeoutMs: u64,
  error: usize,
): u32;

@external("lunatic::networking", "udp_send")
export declare function udpSend(socket: u64, from: usize, length: u32, sent: usize): u32;

@external("lunatic::networking", "udp_send_to")
export declare function udpSendTo(
  socket: u64,
  from: usize,
  length: u32,
  type: u32,
  address: usize,
  port: u32,
  flow: u32,
  scope: u32,
  sent: usize,
): u32;

@external("lunatic::networking", "udp_receive")
export declare function udpReceive(socket: u64, to: usize, length: u32, count: usize): u32;

@external("lunatic::networking", "udp_receive_from")
export declare function udpReceiveFrom(socket: u64, to: usize, length: u32, count: usize, from: usize): u32;

@external("lunatic::networking", "drop_udp_socket")
export declare function dropUdpSocket(socket: u64): void;

@external("lunatic::networking", "clone_udp_socket")
export declare function cloneUdpSocket(socket: u64): u64;

@external("lunatic::networking", "set_udp_socket_broadcast")
export declare function setBroadcast(socket: u64, on: u32): void;

@external("lunatic::networking", "get_udp_socket_broadcast")
export declare function getBroadcast(socket: u64): u32;

@external("lunatic::networking", "set_udp_socket_ttl")
export declare function setTtl(socket: u64, hops: u32): void;

@external("lunatic::networking", "get_udp_socket_ttl")
export declare function getTtl(socket: u64): u32;
