// The TCP and TLS functions of lunatic::networking (lunatic-abi.md §1.4).
import { X509Certificate } from "node:crypto";
import {
  ADDRESS_BYTES,
  NETWORK,
  PayloadWriter,
  PEM_BYTES_MAX,
  ROOTS_BYTES_MAX,
  SLICE_BYTES_MAX,
  TIMEOUT,
} from "../../../wire/network.ts";
import { failure } from "../error.ts";
import { type Host, type HostFunctions, u64 } from "../host.ts";
import {
  addAddress,
  addressFunction,
  askOrTrap,
  askResult,
  cloneFunction,
  dropFunction,
  handleOf,
  keep,
  keepAddresses,
  payloadOf,
  type SocketTable,
  tcpListeners,
  tcpStreams,
  tlsListeners,
  tlsStreams,
} from "./sockets.ts";

/** Vectors that one write looks at, as writev(2). */
const VECTORS_MAX = 1_024;
const CERTIFICATES_MAX = 64;
const HOST_BYTES_MAX = 253;

export function tcpFunctions(host: Host): HostFunctions {
  return {
    tcp_bind: (type: number, pointer: number, port: number, flow: number, scope: number, out: number) => {
      host.enter();
      const payload = addAddress(host, new PayloadWriter(), [type, pointer, port, flow, scope]);
      return askHandle(host, NETWORK.tcpBind, payload, tcpListeners, out);
    },
    tcp_local_addr: addressFunction(host, NETWORK.localAddress, tcpListeners),
    tcp_accept: acceptFunction(host, tcpListeners, tcpStreams),
    drop_tcp_listener: dropFunction(host, tcpListeners),
    tcp_connect: (
      type: number,
      pointer: number,
      port: number,
      flow: number,
      scope: number,
      timeout: bigint,
      out: number,
    ) => {
      host.enter();
      const payload = addAddress(host, new PayloadWriter(), [type, pointer, port, flow, scope]).u64(u64(timeout));
      return askHandle(host, NETWORK.tcpConnect, payload, tcpStreams, out);
    },
    tcp_peer_addr: addressFunction(host, NETWORK.peerAddress, tcpStreams),
    clone_tcp_stream: cloneFunction(host, tcpStreams),
    drop_tcp_stream: dropFunction(host, tcpStreams),
    tcp_read: readFunction(host, NETWORK.read, tcpStreams),
    tcp_peek: readFunction(host, NETWORK.peek, tcpStreams),
    tcp_write_vectored: writeFunction(host, tcpStreams),
    tcp_flush: flushFunction(host, tcpStreams),
    set_read_timeout: setTimeoutFunction(host, tcpStreams, TIMEOUT.read),
    set_write_timeout: setTimeoutFunction(host, tcpStreams, TIMEOUT.write),
    set_peek_timeout: setTimeoutFunction(host, tcpStreams, TIMEOUT.peek),
    get_read_timeout: getTimeoutFunction(host, tcpStreams, TIMEOUT.read),
    get_write_timeout: getTimeoutFunction(host, tcpStreams, TIMEOUT.write),
    get_peek_timeout: getTimeoutFunction(host, tcpStreams, TIMEOUT.peek),
  };
}

export function tlsFunctions(host: Host): HostFunctions {
  /** PEM text with exactly one item of a kind, as lunatic wants it. */
  const pem = (pointer: number, length: number, label: string): Buffer => {
    if (length >>> 0 > PEM_BYTES_MAX) host.trap(`a ${label} of more than ${PEM_BYTES_MAX} bytes`);
    const bytes = host.slice(pointer, length);
    const items = bytes.toString("latin1").split(`-----BEGIN ${label}-----`).length - 1;
    if (items !== 1) host.trap(`tls_bind needs PEM text with one ${label}, and this has ${items}`);
    return bytes;
  };

  return {
    tls_bind: (
      type: number,
      pointer: number,
      port: number,
      flow: number,
      scope: number,
      out: number,
      certificatePointer: number,
      certificateLength: number,
      keyPointer: number,
      keyLength: number,
    ) => {
      host.enter();
      const certificate = pem(certificatePointer, certificateLength, "CERTIFICATE");
      const key = pem(keyPointer, keyLength, "PRIVATE KEY");
      const payload = addAddress(host, new PayloadWriter(4096), [type, pointer, port, flow, scope]);
      payload.u32(certificate.length).raw(certificate).raw(key);
      return askHandle(host, NETWORK.tlsBind, payload, tlsListeners, out);
    },
    tls_local_addr: addressFunction(host, NETWORK.localAddress, tlsListeners),
    // A failed handshake is result 1 here; in lunatic it traps, so that one bad client ends the process.
    tls_accept: acceptFunction(host, tlsListeners, tlsStreams),
    drop_tls_listener: dropFunction(host, tlsListeners),
    tls_connect: (
      hostPointer: number,
      hostLength: number,
      port: number,
      timeout: bigint,
      out: number,
      certificates: number,
      count: number,
    ) => {
      host.enter();
      if (hostLength >>> 0 > HOST_BYTES_MAX) host.trap(`a host name of more than ${HOST_BYTES_MAX} bytes`);
      if (count >>> 0 > CERTIFICATES_MAX) host.trap(`more than ${CERTIFICATES_MAX} root certificates`);
      const name = Buffer.from(host.text(hostPointer, hostLength));
      host.range(out, 8);
      const payload = new PayloadWriter(512).u16(port).u64(u64(timeout)).u16(name.length).raw(name);
      let room = ROOTS_BYTES_MAX;
      for (const [pointer, length] of vectors(host, certificates, count)) {
        if (length > PEM_BYTES_MAX) host.trap(`a root certificate of more than ${PEM_BYTES_MAX} bytes`);
        const root = derOf(host.slice(pointer, length));
        if (typeof root === "string") return failure(host, out, root);
        room -= root.length;
        if (room < 0) return failure(host, out, `the root certificates have more than ${ROOTS_BYTES_MAX} bytes in all`);
        payload.u32(root.length).raw(root);
      }
      return askHandle(host, NETWORK.tlsConnect, payload, tlsStreams, out);
    },
    clone_tls_stream: cloneFunction(host, tlsStreams),
    drop_tls_stream: dropFunction(host, tlsStreams),
    tls_read: readFunction(host, NETWORK.read, tlsStreams),
    tls_write_vectored: writeFunction(host, tlsStreams),
    tls_flush: flushFunction(host, tlsStreams),
    set_tls_read_timeout: setTimeoutFunction(host, tlsStreams, TIMEOUT.read),
    set_tls_write_timeout: setTimeoutFunction(host, tlsStreams, TIMEOUT.write),
    get_tls_read_timeout: getTimeoutFunction(host, tlsStreams, TIMEOUT.read),
    get_tls_write_timeout: getTimeoutFunction(host, tlsStreams, TIMEOUT.write),
  };
}

/** A certificate, given in PEM or DER, as DER; or why it is none. It is read here, where the guest pays for it. */
function derOf(bytes: Buffer): Buffer | string {
  try {
    return new X509Certificate(bytes).raw;
  } catch (thrown) {
    return `a root certificate cannot be used: ${(thrown as Error).message}`;
  }
}

/** Asks for a socket and writes its id. */
export function askHandle(host: Host, op: number, payload: PayloadWriter, table: SocketTable, out: number): number {
  return askResult(host, op, payload, out, (answer) => host.writeU64(out, keep(host, table, answer.u32())));
}

function acceptFunction(host: Host, listeners: SocketTable, streams: SocketTable) {
  return (id: bigint, out: number, peerOut: number): number => {
    const handle = handleOf(host, listeners, id);
    host.writeU64(peerOut, 0n); // stays on an error
    return askResult(host, NETWORK.accept, payloadOf(handle), out, (answer) => {
      host.writeU64(out, keep(host, streams, answer.u32()));
      host.writeU64(peerOut, keepAddresses(host, answer.raw(ADDRESS_BYTES)));
    });
  };
}

function readFunction(host: Host, op: number, streams: SocketTable) {
  return (id: bigint, pointer: number, length: number, out: number): number => {
    const handle = handleOf(host, streams, id);
    host.range(pointer, length);
    const payload = payloadOf(handle).u32(Math.min(length >>> 0, SLICE_BYTES_MAX));
    return askResult(host, op, payload, out, (answer) => {
      const bytes = answer.raw();
      host.slice(pointer, bytes.length).set(bytes);
      host.writeU64(out, BigInt(bytes.length));
    });
  };
}

/** Takes at most 64 KiB a call, as a system call may take less than it is given. */
function writeFunction(host: Host, streams: SocketTable) {
  return (id: bigint, pointer: number, count: number, out: number): number => {
    const payload = payloadOf(handleOf(host, streams, id), 1024);
    let room = SLICE_BYTES_MAX;
    for (const [at, length] of vectors(host, pointer, Math.min(count >>> 0, VECTORS_MAX))) {
      const taken = Math.min(length, room);
      payload.raw(host.slice(at, taken));
      room -= taken;
      if (room === 0) break;
    }
    return askResult(host, NETWORK.write, payload, out, (answer) => host.writeU64(out, BigInt(answer.u32())));
  };
}

function flushFunction(host: Host, streams: SocketTable) {
  return (id: bigint, out: number): number =>
    askResult(host, NETWORK.flush, payloadOf(handleOf(host, streams, id)), out, () => host.writeU64(out, 0n));
}

function setTimeoutFunction(host: Host, streams: SocketTable, which: number) {
  return (id: bigint, ms: bigint): undefined => {
    const payload = payloadOf(handleOf(host, streams, id))
      .u32(which)
      .u64(u64(ms));
    return askOrTrap(host, NETWORK.setTimeout, payload, () => undefined);
  };
}

function getTimeoutFunction(host: Host, streams: SocketTable, which: number) {
  return (id: bigint): bigint =>
    askOrTrap(host, NETWORK.getTimeout, payloadOf(handleOf(host, streams, id)).u32(which), (answer) => answer.u64());
}

/** Pairs of pointer and length (u32 each) in guest memory. */
function* vectors(host: Host, pointer: number, count: number): Iterable<[pointer: number, length: number]> {
  const start = host.range(pointer, (count >>> 0) * 8);
  for (let at = start; at < start + (count >>> 0) * 8; at += 8) {
    yield [host.view().getUint32(at, true), host.view().getUint32(at + 4, true)];
  }
}
