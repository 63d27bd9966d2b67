// Pure: what a guest's reply must hold to: its request id, status, header names and values, sizes (reliability.md
// §3.9).
import { type Answer, HEAD_BYTES_MAX, HEADERS_MAX } from "../../acceptor/contract.ts";
import type { ErrorCode } from "../../errors.ts";

/** What is wrong with a reply; `why` is for the error's sentence. */
export interface ReplyFault {
  readonly code: Extract<ErrorCode, "invalid_reply" | "reply_too_large">;
  readonly why: string;
}

export interface ReplyLimits {
  readonly bodyBytesMax: number;
}

/**
 * Framing and hop-by-hop fields are the acceptor's business (RFC 9110 §7.6.1); a guest's are left out. So is its
 * request id: the node echoes the request's own, and a service that copies the request's headers would double it.
 */
const dropped = new Set([
  "connection",
  "content-length",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "x-request-id",
]);
/** 1 for their lengths and first letters, of either case: most names need no look at the set. */
const droppedKeys = new Uint8Array(1024);
const droppedKey = (name: string): number => name.length * 32 + (name.charCodeAt(0) & 31);
for (const name of dropped) droppedKeys[droppedKey(name)] = 1;
/** 1 for the bytes of a token (RFC 9110 §5.6.2). */
const tokenBytes = new Uint8Array(256);
for (const char of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
  tokenBytes[char.charCodeAt(0)] = 1;
}
export const fault = (why: string): ReplyFault => ({ code: "invalid_reply", why });
export const tooLong = fault("more bytes follow its end");

/** A name for an error's sentence: a guest chose it, and its length. */
export function quoted(name: string): string {
  return JSON.stringify(name.length > 64 ? `${name.slice(0, 64)}…` : name);
}

export function wrongTag(got: number, tag: number): ReplyFault {
  return fault(Number.isNaN(got) ? "its request id is not a number" : `it answers request ${got}, not ${tag}`);
}

export function checkStatus(status: number): ReplyFault | null {
  if (Number.isInteger(status) && status >= 200 && status <= 599) return null;
  return fault(`status ${status} is not one of 200 to 599`);
}

export function tooLarge(bytes: number): ReplyFault {
  return { code: "reply_too_large", why: `${bytes} bytes` };
}

/** Checks header fields one by one and puts the good ones into the answer. */
export class HeaderCheck {
  #count = 0;
  #bytes = 0;

  add(answer: Answer, name: string, bytes: Buffer, start: number, end: number): ReplyFault | null {
    this.#bytes += name.length + (end - start) + 4;
    if (++this.#count > HEADERS_MAX) return fault(`it has more than ${HEADERS_MAX} headers`);
    if (this.#bytes > HEAD_BYTES_MAX) return fault(`its headers have more than ${HEAD_BYTES_MAX} bytes`);
    if (name.length === 0) return fault("a header has an empty name");
    for (let i = 0; i < name.length; i++) {
      if (tokenBytes[name.charCodeAt(i)] !== 1) return fault(`header name ${quoted(name)} is not a token`);
    }
    for (let i = start; i < end; i++) {
      const byte = bytes[i] as number;
      if ((byte < 0x20 && byte !== 0x09) || byte === 0x7f) {
        return fault(`the value of header ${quoted(name)} has a control character (byte ${byte})`);
      }
    }
    if (droppedKeys[droppedKey(name)] !== 1 || !dropped.has(name.toLowerCase())) {
      // Half as dear as a subarray of a Buffer.
      answer.add(name, new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start));
    }
    return null;
  }
}
