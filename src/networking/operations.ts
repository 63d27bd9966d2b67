// What each operation of a guest does: an ask's payload to its answer (wire/network.ts has both).
import type { Socket } from "node:net";
import { isIP } from "node:net";
import type { SecureContext } from "node:tls";
import {
  NETWORK,
  OPTION,
  type PayloadReader,
  ROOTS_BYTES_MAX,
  SLICE_BYTES_MAX,
  STATUS,
  TIMEOUT,
} from "../../wire/network.ts";
import { nobodyOf, type Slices } from "../carriers/slices.ts";
import { type Endpoint, octetsOf, textOf } from "./address-text.ts";
import { Abandoned, type Call, millisecondsOf, NetworkError, ok, orAborted, within } from "./call.ts";
import { openTcp, openTls, serverContext } from "./connect.ts";
import { Connection, type Timeouts } from "./connection.ts";
import { Datagrams } from "./datagrams.ts";
import type { Handles, Held } from "./handles.ts";
import type { Handshakes } from "./handshakes.ts";
import { Listener } from "./listener.ts";
import type { NetworkPolicy } from "./policy.ts";
import type { Resolver } from "./resolver.ts";
import type { Roots } from "./roots.ts";

/** What all operations have in common. */
export interface Parts {
  readonly slices: Slices;
  readonly handles: Handles;
  readonly resolver: Resolver;
  readonly roots: Roots;
  readonly handshakes: Handshakes;
}

/** What an operation works with. */
export interface Scope extends Parts {
  readonly call: Call;
  readonly payload: PayloadReader;
  readonly policy: NetworkPolicy;
}

type Operation = (scope: Scope) => Buffer | Promise<Buffer>;

const DONE = Buffer.of(STATUS.ok);
/** Root certificates of one connection, and their bytes in all. */
const ROOTS_MAX = 64;

/** By operation number. */
export const operations: ReadonlyMap<number, Operation> = new Map<number, Operation>([
  [NETWORK.resolve, resolve],
  [NETWORK.tcpBind, (scope) => bind(scope, endpointOf(scope.payload))],
  [NETWORK.tlsBind, tlsBind],
  [NETWORK.accept, (scope) => listener(scope).accept(scope.call)],
  [NETWORK.tcpConnect, tcpConnect],
  [NETWORK.tlsConnect, tlsConnect],
  [NETWORK.localAddress, (scope) => addressAnswer(held(scope).localAddress)],
  [NETWORK.peerAddress, peerAddress],
  [NETWORK.read, (scope) => connection(scope).read(scope.call, scope.payload.u32())],
  [NETWORK.peek, (scope) => connection(scope).peek(scope.call, scope.payload.u32())],
  [NETWORK.write, (scope) => connection(scope).write(scope.call, scope.payload.raw().subarray(0, SLICE_BYTES_MAX))],
  [NETWORK.flush, (scope) => connection(scope).flush(scope.call)],
  [NETWORK.setTimeout, setTimeoutOf],
  [NETWORK.getTimeout, (scope) => ok().u64(connection(scope).timeouts[timeoutName(scope.payload.u32())]).bytes],
  [NETWORK.udpBind, (scope) => open(scope, () => Datagrams.bind(scope.policy, endpointOf(scope.payload)))],
  [NETWORK.udpConnect, udpConnect],
  [NETWORK.udpSend, async (scope) => ok().u32(await datagrams(scope).send(scope.payload.raw(), null)).bytes],
  [NETWORK.udpSendTo, udpSendTo],
  [NETWORK.udpReceive, (scope) => datagrams(scope).receive(scope.call, scope.payload.u32())],
  [NETWORK.setOption, setOption],
  [NETWORK.getOption, getOption],
  [NETWORK.clone, ({ call, payload, handles }) => ok().u32(handles.clone(call, payload.u32())).bytes],
  [NETWORK.drop, onHandle((handles, call, handle) => handles.drop(call, handle))],
  [NETWORK.give, onHandle((handles, call, handle) => handles.give(call, handle))],
  [NETWORK.take, onHandle((handles, call, handle) => handles.take(call, handle))],
]);

async function resolve({ call, payload, policy, resolver }: Scope): Promise<Buffer> {
  const ms = millisecondsOf(payload.u64());
  const text = payload.raw().toString();
  const found = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const host = found?.[1] ?? found?.[2] ?? "";
  const port = Number(found?.[3]);
  if (found === null || port > 65_535) throw new NetworkError(`${JSON.stringify(text.slice(0, 256))} is not host:port`);
  const addresses = isIP(host) === 0 ? await lookUp(call, policy, resolver, { host, port, ms }) : [host];
  const answer = ok();
  for (const address of addresses) answer.address(octetsOf(address), port);
  return answer.bytes;
}

/** Addresses of a name that may be connected to. */
async function lookUp(
  call: Call,
  policy: NetworkPolicy,
  resolver: Resolver,
  { host, port, ms }: { readonly host: string; readonly port: number; readonly ms: number },
): Promise<string[]> {
  const name = policy.checkName(host, port);
  const addresses = await within(call, ms, (signal) => resolver.resolve(call.environment, name, signal));
  // They are this machine's own: resolved without asking, and refused when they are connected to.
  return name === "localhost" ? addresses : policy.admit(name, port, addresses);
}

function tlsBind(scope: Scope): Promise<Buffer> {
  const at = endpointOf(scope.payload);
  const certificate = scope.payload.raw(scope.payload.u32());
  return bind(scope, at, { certificate, key: scope.payload.raw() });
}

async function bind(
  scope: Scope,
  at: Endpoint,
  tls?: { readonly certificate: Buffer; readonly key: Buffer },
): Promise<Buffer> {
  const { call, policy, handles, handshakes } = scope;
  policy.checkListen(at);
  const context = tls === undefined ? null : serverContext(tls.certificate, tls.key);
  const secure = context === null ? null : { context, handshakes };
  return open(scope, () => Listener.bind(call.environment, handles, at, secure));
}

async function tcpConnect(scope: Scope): Promise<Buffer> {
  const { call, payload, policy } = scope;
  const to = endpointOf(payload);
  const ms = millisecondsOf(payload.u64());
  policy.checkConnect(to);
  return open(scope, async () => new Connection(await openTcp(call, to, ms)));
}

/** The time covers names, connection and handshake. Each address is tried in turn. */
async function tlsConnect(scope: Scope): Promise<Buffer> {
  const { call, payload, policy, resolver, roots } = scope;
  const port = payload.u16();
  const ms = millisecondsOf(payload.u64());
  const host = payload.raw(payload.u16()).toString();
  const trusted = rootsOf(payload);
  const until = performance.now() + ms;
  const left = (): number => Math.max(0, until - performance.now());
  return open(scope, async () => {
    const addresses =
      isIP(host) === 0 ? await lookUp(call, policy, resolver, { host, port, ms }) : [textOf(octetsOf(host))];
    const allowed = addresses.filter((address) => policy.mayConnect({ address, port }));
    if (allowed.length === 0) policy.checkConnect({ address: addresses[0] ?? "", port });
    // Before the other side waits for it: the first use of a set takes several turns.
    const context = await within(call, left(), (signal) => orAborted(roots.of(call.environment, trusted), signal));
    const socket = await firstOpen(allowed, (address) => openTcp(call, { address, port }, left()));
    // It may be reset while it waits for its turn.
    socket.on("error", () => {});
    try {
      return new Connection(await shakeHands(scope, socket, { host, context, left }));
    } catch (thrown) {
      socket.destroy();
      if (thrown instanceof NetworkError) throw new NetworkError(`TLS with ${host}: ${thrown.message}`);
      throw thrown;
    }
  });
}

/** Certificates in DER. @throws NetworkError for too many bytes */
function rootsOf(payload: PayloadReader): Buffer[] {
  if (payload.remaining > ROOTS_BYTES_MAX + 4 * ROOTS_MAX) {
    throw new NetworkError(`the root certificates have more than ${ROOTS_BYTES_MAX} bytes in all`);
  }
  const roots: Buffer[] = [];
  while (payload.remaining > 0 && roots.length < ROOTS_MAX) roots.push(Buffer.from(payload.raw(payload.u32())));
  return roots;
}

interface TlsTarget {
  readonly host: string;
  readonly context: SecureContext;
  /** ms */
  readonly left: () => number;
}

async function shakeHands(scope: Scope, socket: Socket, { host, context, left }: TlsTarget): Promise<Socket> {
  const { call, slices, handshakes } = scope;
  const release = await within(call, left(), (signal) => handshakes.take(call.environment, signal));
  try {
    // Whoever ends, there is a slot to give back.
    return await slices.run(nobodyOf(call.environment), () => {
      if (socket.destroyed) throw new NetworkError("the connection was closed");
      return openTls(call, socket, { host, context, ms: left() });
    });
  } finally {
    release();
  }
}

async function firstOpen(addresses: readonly string[], connect: (address: string) => Promise<Socket>): Promise<Socket> {
  let last: unknown = new NetworkError("there is no address to connect to");
  for (const address of addresses) {
    try {
      return await connect(address);
    } catch (thrown) {
      if (!(thrown instanceof NetworkError)) throw thrown;
      last = thrown;
    }
  }
  throw last;
}

function peerAddress(scope: Scope): Buffer {
  const socket = held(scope);
  if (socket instanceof Listener) throw new NetworkError("a listener has no peer");
  if (socket instanceof Datagrams && socket.peerAddress === null) return DONE;
  return addressAnswer(socket.peerAddress);
}

function setTimeoutOf(scope: Scope): Buffer {
  const { timeouts } = connection(scope);
  timeouts[timeoutName(scope.payload.u32())] = scope.payload.u64();
  return DONE;
}

function udpConnect(scope: Scope): Buffer {
  datagrams(scope).connect(endpointOf(scope.payload));
  return DONE;
}

async function udpSendTo(scope: Scope): Promise<Buffer> {
  const socket = datagrams(scope);
  const to = endpointOf(scope.payload);
  return ok().u32(await socket.send(scope.payload.raw(), to)).bytes;
}

function setOption(scope: Scope): Buffer {
  const socket = datagrams(scope);
  const option = scope.payload.u32();
  const value = scope.payload.u32();
  if (option === OPTION.ttl) socket.ttl = value;
  else socket.broadcast = value !== 0;
  return DONE;
}

function getOption(scope: Scope): Buffer {
  const socket = datagrams(scope);
  return ok().u32(scope.payload.u32() === OPTION.ttl ? socket.ttl : Number(socket.broadcast)).bytes;
}

/** Makes a socket for the caller, if there may be another one and the caller still lives when it is there. */
async function open({ call, handles }: Scope, make: () => Promise<Held>): Promise<Buffer> {
  handles.reserveOrThrow(call.environment);
  let made: Held | null = null;
  try {
    made = await make();
    if (call.hasEnded) throw new Abandoned();
    return ok().u32(handles.add(call, made)).bytes;
  } catch (thrown) {
    handles.release(call.environment);
    made?.close();
    throw thrown;
  }
}

function endpointOf(payload: PayloadReader): Endpoint {
  const { octets, port } = payload.address();
  return { address: textOf(octets), port };
}

function addressAnswer(endpoint: Endpoint | null): Buffer {
  if (endpoint === null) throw new NetworkError("the socket is closed");
  return ok().address(octetsOf(endpoint.address), endpoint.port).bytes;
}

function timeoutName(which: number): keyof Timeouts {
  return which === TIMEOUT.read ? "read" : which === TIMEOUT.write ? "write" : "peek";
}

function held({ call, payload, handles }: Scope): Connection | Listener | Datagrams {
  const socket = handles.get(call, payload.u32());
  if (socket instanceof Connection || socket instanceof Listener || socket instanceof Datagrams) return socket;
  throw new NetworkError("the socket is closed");
}

function connection(scope: Scope): Connection {
  const socket = held(scope);
  if (socket instanceof Connection) return socket;
  throw new NetworkError("it is not a stream");
}

function listener(scope: Scope): Listener {
  const socket = held(scope);
  if (socket instanceof Listener) return socket;
  throw new NetworkError("it is not a listener");
}

function datagrams(scope: Scope): Datagrams {
  const socket = held(scope);
  if (socket instanceof Datagrams) return socket;
  throw new NetworkError("it is not a UDP socket");
}

function onHandle(action: (handles: Handles, call: Call, handle: number) => void): Operation {
  return ({ call, payload, handles }) => {
    action(handles, call, payload.u32());
    return DONE;
  };
}
