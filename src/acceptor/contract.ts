// The contract between an acceptor (socket ↔ records) and the front of the node.
//
// The acceptor calls `front.head` once a request, inside its own handler; the front must not answer before that call
// has returned (a synchronous answer would let a smuggled second request be dispatched, reliability.md §3.4).
// An exchange is answered exactly once, or its client goes first (`front.gone`), never both.
import type { ErrorCode, ErrorDetails } from "../errors.ts";
import type { Arrivals, Share } from "./arrivals.ts";
import type { PaceLimits } from "./pace.ts";
import type { Unsent, UnsentAnswers } from "./unsent.ts";

export const HEADERS_MAX = 64;
export const HEAD_BYTES_MAX = 16 * 1024;

/** Head of a request, filled by an acceptor and judged by the gate. Reused: read it before the handler returns. */
export class Head {
  /** As received, e.g. "GET". */
  method = "";
  /** Path as received, without the query, e.g. "/hello/a%20b". */
  path = "";
  /** Query without its "?", or "" where there is none: "/x?" and "/x" are the same. */
  query = "";
  /** Header names in lower case and values with surrounding blanks removed, in order, repeated ones included. */
  readonly names: string[] = [];
  readonly values: string[] = [];
  count = 0;

  /** True if every byte of path, query, names and values is ASCII (the gate saw each); lets the encoder copy bytes. */
  isAscii = false;

  // Set by the gate when it accepts:
  /** Body bytes that Content-Length announces; -1 if chunked; 0 if there is no body. */
  bodyBytes = 0;
  /** Index of X-Request-Id if it came once and is sane, else -1. */
  requestIdIndex = -1;
  /** True if the client asked for `Connection: close`. */
  wantsClose = false;

  reset(): void {
    this.count = 0;
    this.bodyBytes = 0;
    this.requestIdIndex = -1;
    this.wantsClose = false;
    this.isAscii = false;
  }

  add(name: string, value: string): void {
    this.names[this.count] = name;
    this.values[this.count++] = value;
  }

  /** The first value of a header by its lower-case name, or undefined. */
  get(name: string): string | undefined {
    for (let i = 0; i < this.count; i++) if (this.names[i] === name) return this.values[i];
    return undefined;
  }
}

/** What the gate says of a head it does not accept. The connection is closed after the answer. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;
}

/** An answer, ready to be written. Reused by its maker: an acceptor copies what it cannot write at once. */
export class Answer {
  status = 200;
  /** Header names and values in order; bytes are written verbatim (already validated). */
  readonly names: (string | Uint8Array)[] = [];
  readonly values: (string | Uint8Array)[] = [];
  count = 0;
  /** Bytes outside of shared memory must not change any more: they are not copied. */
  body: Uint8Array | string = "";
  /**
   * Close the connection after this answer (adds `Connection: close`). The acceptor does so by itself where the client
   * asked for it, after a chunked request, and when the body has not arrived whole.
   */
  close = false;
  /** Where what its client does not take at once is counted; null for the admin routes. */
  unsent: UnsentAnswers | null = null;

  reset(status: number): this {
    this.status = status;
    this.count = 0;
    this.body = "";
    this.close = false;
    this.unsent = null;
    return this;
  }

  add(name: string | Uint8Array, value: string | Uint8Array): this {
    this.names[this.count] = name;
    this.values[this.count++] = value;
    return this;
  }

  /** A copy that shares no bytes with this one, for an answer that cannot be written at once. */
  copy(): Answer {
    const copy = new Answer().reset(this.status);
    for (let i = 0; i < this.count; i++) copy.add(ownBytes(this.names[i]!), ownBytes(this.values[i]!));
    copy.body = ownBytes(this.body);
    copy.close = this.close;
    copy.unsent = this.unsent;
    return copy;
  }
}

/**
 * Bytes that stay as they are: a copy of those in shared memory, which are a ring's. Others never change once they are
 * in an answer; copying hundreds of MiB of them would hold up everybody.
 */
export function ownBytes<T extends string | Uint8Array>(bytes: T): T | Uint8Array {
  return typeof bytes !== "string" && bytes.buffer instanceof SharedArrayBuffer ? new Uint8Array(bytes) : bytes;
}

/** One request on the wire, made by the acceptor. */
export interface Exchange {
  /** False once answered or once the client has gone. */
  readonly open: boolean;
  /** Remote address as text, "" for a unix socket. Made when asked for: ask only where it is needed, and while open. */
  readonly remoteAddress: string;
  /** For the front's own record of this request. The acceptor never reads it. */
  owner: unknown;
  /**
   * Starts reading the body; call it inside `front.head`. When it is complete, `front.body` is called; when it exceeds
   * `bytesMax`, arrives too slowly or is one too many, `front.bodyFailed`. Never called where the gate found no body.
   * @param service what it has of all bodies; null for the admin routes
   */
  readBody(bytesMax: number, service: Share | null): void;
  /**
   * Writes the answer under one cork, never inside a handler of the acceptor. Does nothing if the client has gone.
   * HEAD, 204 and 304 go without their body. What the socket does not take at once is copied and written later; a
   * client that makes too little progress with it is cut off.
   */
  answer(answer: Answer): void;
  /** Cuts the connection without an answer. */
  cut(): void;
}

/** The node's side. Each method is called from the acceptor's handlers and must not throw or block. */
export interface Front {
  /** A head has arrived. `head` is valid only during the call. */
  head(head: Head, exchange: Exchange): void;
  /** The acceptor or gate refuses the head; answer with the table's status and close. */
  refuse(refusal: Refusal, exchange: Exchange): void;
  /** The body is complete. `body` belongs to the front from now on. */
  body(exchange: Exchange, body: Uint8Array): void;
  /**
   * The body will not be complete: `body_too_large`, `request_timeout`, `bad_framing`, or `node_busy` with its reason.
   */
  bodyFailed(exchange: Exchange, code: ErrorCode, why: string): void;
  /** The client has gone before an answer was written; the exchange must not be used again. */
  gone(exchange: Exchange): void;
}

export interface AcceptorOptions {
  /** "127.0.0.1:3000", "[::1]:0", "unix:/run/x.sock". */
  readonly address: string;
  readonly tls?: { readonly certPath: string; readonly keyPath: string };
  readonly connectionsMax: number;
  /** Keep-alive connections without a request are closed after this. ms */
  readonly idleMs: number;
  /** A client that takes less of an answer is cut off. */
  readonly writePace: PaceLimits;
  /** A body that comes more slowly is refused with 408. */
  readonly bodyPace: PaceLimits;
  /** Bodies of all requests, on all listeners together; reading pauses where there is no room. */
  readonly arrivals: Arrivals;
  /** What clients have not taken of their answers, on all listeners together. */
  readonly unsent: Unsent;
}

export interface Acceptor {
  /** Binds. Resolves to the address that was bound ("127.0.0.1:41234"). @throws cannot_listen */
  listen(): Promise<string>;
  readonly connections: number;
  /** Takes no new connections; those there are go on. */
  stopListening(): void;
  /** Closes every connection, busy or not. Resolves when the sockets are gone. */
  close(): Promise<void>;
}

export type MakeAcceptor = (options: AcceptorOptions, front: Front) => Acceptor;
