// What the functions of lunatic::networking share: a process's tables of sockets, addresses in and out, asks and result
// codes (lunatic-abi.md §1.4).

import { COST } from "../../../wire/cost.ts";
import { ADDRESS_BYTES, NETWORK, PayloadReader, PayloadWriter, STATUS } from "../../../wire/network.ts";
import type { Process } from "../../processes/process.ts";
import { type Keep, ResourceTable } from "../../processes/resources.ts";
import { failure } from "../error.ts";
import { type Host, TIMED_OUT, u64 } from "../host.ts";

/** Addresses that came out of a call, and which of them is the next. */
export interface AddressIterator {
  /** As on the wire, one after the other. */
  readonly bytes: Buffer;
  at: number;
}

/** The sockets of one process by its ids: the main thread's handles. */
export class Sockets {
  readonly iterators: ResourceTable<AddressIterator>;
  readonly tcpListeners: ResourceTable<number>;
  readonly tlsListeners: ResourceTable<number>;
  readonly tcpStreams: ResourceTable<number>;
  readonly tlsStreams: ResourceTable<number>;
  readonly udpSockets: ResourceTable<number>;

  constructor(limit: number, keep: Keep) {
    this.iterators = new ResourceTable<AddressIterator>(limit, keep, 0n, ({ bytes }) => COST.buffer + bytes.length);
    this.tcpListeners = new ResourceTable(limit, keep);
    this.tlsListeners = new ResourceTable(limit, keep);
    this.tcpStreams = new ResourceTable(limit, keep);
    this.tlsStreams = new ResourceTable(limit, keep);
    this.udpSockets = new ResourceTable(limit, keep);
  }
}

/** Made when a process first uses the network: few do. They go with it. */
const sockets = new WeakMap<Process, Sockets>();

export function socketsOf(process: Process): Sockets {
  const known = sockets.get(process);
  if (known !== undefined) return known;
  const made = new Sockets(process.limits.resourcesMax, (change) => process.keep(change));
  sockets.set(process, made);
  return made;
}

/** A table of handles, and what an entry is called in a trap's text. */
export interface SocketTable {
  readonly of: (process: Process) => ResourceTable<number>;
  readonly what: string;
}

export const tcpListeners: SocketTable = { of: (process) => socketsOf(process).tcpListeners, what: "TCP listener" };
export const tlsListeners: SocketTable = { of: (process) => socketsOf(process).tlsListeners, what: "TLS listener" };
export const tcpStreams: SocketTable = { of: (process) => socketsOf(process).tcpStreams, what: "TCP stream" };
export const tlsStreams: SocketTable = { of: (process) => socketsOf(process).tlsStreams, what: "TLS stream" };
export const udpSockets: SocketTable = { of: (process) => socketsOf(process).udpSockets, what: "UDP socket" };

/** The main thread's handle of a socket. Traps on an unknown id. First call of a function that takes one. */
export function handleOf(host: Host, { of, what }: SocketTable, id: bigint): number {
  const process = host.enter();
  return of(process).get(u64(id)) ?? host.trap(`there is no ${what} ${u64(id)}`);
}

/** Gives a handle an id. Traps if the process has too many: what it holds is closed with it. */
export function keep(host: Host, { of, what }: SocketTable, handle: number): bigint {
  return of(host.process).add(handle) ?? host.trap(`it has too many entries of the kind ${what}`);
}

/** Keeps addresses as an iterator and gives its id. Traps if the process has too many. */
export function keepAddresses(host: Host, bytes: Uint8Array): bigint {
  const iterator = { bytes: Buffer.from(bytes), at: 0 };
  return socketsOf(host.process).iterators.add(iterator) ?? host.trap("it has too many DNS iterators");
}

/** A payload that begins with a handle. */
export function payloadOf(handle: number, bytes?: number): PayloadWriter {
  return new PayloadWriter(bytes).u32(handle);
}

/** Adds an address to a payload. Traps if the type is neither 4 nor 6. */
export function addAddress(
  host: Host,
  payload: PayloadWriter,
  [type, pointer, port, flow, scope]: readonly [
    type: number,
    pointer: number,
    port: number,
    flow: number,
    scope: number,
  ],
): PayloadWriter {
  if (type !== 4 && type !== 6) host.trap(`an address of type ${type >>> 0}: it is 4 or 6`);
  return payload.address(host.slice(pointer, type === 4 ? 4 : 16), port, flow, scope);
}

/**
 * Asks, and gives lunatic's result code: 0 after `done`, 1 with an error's id at `out`, 9027 with nothing written.
 * @param out where a u64 is written; checked before anything is asked
 */
export function askResult(
  host: Host,
  op: number,
  payload: PayloadWriter,
  out: number,
  done: (answer: PayloadReader) => void,
): number {
  host.range(out, 8);
  return host.ask(op, payload.bytes, (bytes) => {
    const answer = new PayloadReader(bytes as Uint8Array);
    const status = answer.u8();
    if (status === STATUS.timedOut) return TIMED_OUT;
    if (status === STATUS.failed) return failure(host, out, answer.raw().toString());
    done(answer);
    return 0;
  });
}

/** Asks for what has no result code: traps with the error's text. */
export function askOrTrap<R>(host: Host, op: number, payload: PayloadWriter, done: (answer: PayloadReader) => R): R {
  return host.ask(op, payload.bytes, (bytes) => {
    const answer = new PayloadReader(bytes as Uint8Array);
    if (answer.u8() !== STATUS.ok) host.trap(answer.raw().toString());
    return done(answer);
  });
}

/** An address of a socket as an iterator with one element. */
export function addressFunction(host: Host, op: number, table: SocketTable) {
  return (id: bigint, out: number): number =>
    askResult(host, op, payloadOf(handleOf(host, table, id)), out, (answer) =>
      host.writeU64(out, keepAddresses(host, answer.raw(ADDRESS_BYTES))),
    );
}

/** Forgets an id; the socket closes with its last one. The answer is waited for: the port is free after the call. */
export function dropFunction(host: Host, table: SocketTable) {
  return (id: bigint): undefined => {
    const handle = handleOf(host, table, id);
    table.of(host.process).remove(u64(id));
    return askOrTrap(host, NETWORK.drop, payloadOf(handle), () => undefined);
  };
}

/** Another id for the same socket. */
export function cloneFunction(host: Host, table: SocketTable) {
  return (id: bigint): bigint =>
    askOrTrap(host, NETWORK.clone, payloadOf(handleOf(host, table, id)), (answer) => keep(host, table, answer.u32()));
}
