// Pure: the bytes a guest sent as its reply → a checked answer.
// Status, header names and values, sizes (reliability.md §3.9).
//
// The usual form (what rmp-serde and the SDKs write) is read in one pass over the ring's bytes, without copies. Other
// legal MessagePack forms of the same value (a struct as a map, a body as str or as an array of bytes) go through
// msgpackr, after a scan has bounded what it will decode (DECISIONS 3.4).
import { Unpackr } from "msgpackr";
import { type Answer, HEAD_BYTES_MAX, HEADERS_MAX } from "./acceptor/contract.ts";
import type { ErrorCode } from "./errors.ts";
import { scanMessagePack } from "./msgpack-scan.ts";

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
 * request
 * id: the node echoes the request's own, and a service that copies the request's headers would double it.
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
/** Their lengths: most names need no look at the set. */
const droppedLengths = new Uint8Array(32);
for (const name of dropped) droppedLengths[name.length] = 1;
const variant = Buffer.from("CompleteRequest");
/** 1 for the bytes of a token (RFC 9110 §5.6.2). */
const tokenBytes = new Uint8Array(256);
for (const char of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
  tokenBytes[char.charCodeAt(0)] = 1;
}
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: false, int64AsType: "bigint" });

const fault = (why: string): ReplyFault => ({ code: "invalid_reply", why });
const tooLong = fault("more bytes follow its end");

/**
 * Reads the reply at `bytes[start .. start + length)` into `answer`. Header values and body are views into `bytes`.
 * @param tag the RequestId that the reply must name
 * @returns null, or what is wrong; then `answer` holds nothing of use
 */
export function readReply(
  bytes: Buffer,
  start: number,
  length: number,
  tag: number,
  limits: ReplyLimits,
  answer: Answer,
): ReplyFault | null {
  const cursor = new Cursor(bytes, start, start + length);
  const result = readUsual(cursor, tag, limits, answer);
  return result === undefined ? readAny(bytes, start, length, tag, limits, answer) : result;
}

/** undefined: not the usual form. */
function readUsual(c: Cursor, tag: number, limits: ReplyLimits, answer: Answer): ReplyFault | null | undefined {
  if (!c.byteIs(0x81) || !c.strIs(variant) || !c.byteIs(0x92) || !c.byteIs(0x91)) return undefined;
  const repliedTag = c.uint();
  if (repliedTag < 0 || !c.byteIs(0x92) || !c.byteIs(0x93)) return undefined;
  const status = c.uint();
  if (status < 0 || c.span(STR) < 0) return undefined;
  if (repliedTag !== tag) return wrongTag(repliedTag, tag);
  const statusFault = checkStatus(status);
  if (statusFault !== null) return statusFault;
  answer.reset(status);
  const names = c.mapLength();
  if (names < 0) return undefined;
  const headers = new HeaderCheck();
  for (let i = 0; i < names; i++) {
    const nameLength = c.span(STR);
    if (nameLength < 0) return undefined;
    const name = c.bytes.latin1Slice(c.at - nameLength, c.at);
    const values = c.arrayLength();
    if (values < 0) return undefined;
    for (let j = 0; j < values; j++) {
      const valueLength = c.span(BIN);
      if (valueLength < 0) return undefined;
      const wrong = headers.add(answer, name, c.bytes, c.at - valueLength, c.at);
      if (wrong !== null) return wrong;
    }
  }
  const bodyLength = c.span(BIN);
  if (bodyLength < 0) return undefined;
  if (bodyLength > limits.bodyBytesMax) return tooLarge(bodyLength);
  if (!c.isAtEnd) return tooLong;
  answer.body = c.bytes.subarray(c.at - bodyLength, c.at);
  return null;
}

/** A name for an error's sentence: a guest chose it, and its length. */
function quoted(name: string): string {
  return JSON.stringify(name.length > 64 ? `${name.slice(0, 64)}…` : name);
}

function wrongTag(got: number, tag: number): ReplyFault {
  return fault(Number.isNaN(got) ? "its request id is not a number" : `it answers request ${got}, not ${tag}`);
}

function checkStatus(status: number): ReplyFault | null {
  if (Number.isInteger(status) && status >= 200 && status <= 599) return null;
  return fault(`status ${status} is not one of 200 to 599`);
}

function tooLarge(bytes: number): ReplyFault {
  return { code: "reply_too_large", why: `${bytes} bytes` };
}

/** Checks header fields one by one and puts the good ones into the answer. */
class HeaderCheck {
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
    if (droppedLengths[name.length] !== 1 || !dropped.has(name.toLowerCase()))
      answer.add(name, bytes.subarray(start, end));
    return null;
  }
}

/** First bytes of the families that a length may come in: fix form, and the 8, 16 and 32 bit forms. */
interface Family {
  readonly fix: number;
  readonly fixMask: number;
  readonly bits8: number;
}
const STR: Family = { fix: 0xa0, fixMask: 0xe0, bits8: 0xd9 };
const BIN: Family = { fix: -1, fixMask: 0, bits8: 0xc4 };

/** Reads the usual forms of MessagePack; each method gives -1 or false where something else stands. */
class Cursor {
  readonly bytes: LatinBuffer;
  at: number;
  readonly #end: number;

  constructor(bytes: Buffer, at: number, end: number) {
    this.bytes = bytes as LatinBuffer;
    this.at = at;
    this.#end = end;
  }

  get isAtEnd(): boolean {
    return this.at === this.#end;
  }

  byteIs(value: number): boolean {
    return this.at < this.#end && this.bytes[this.at++] === value;
  }

  strIs(text: Buffer): boolean {
    if (this.span(STR) !== text.length) return false;
    const start = this.at - text.length;
    for (let i = 0; i < text.length; i++) if (this.bytes[start + i] !== text[i]) return false;
    return true;
  }

  uint(): number {
    const first = this.#take(1);
    if (first < 0x80) return first;
    if (first === 0xcc) return this.#take(1);
    if (first === 0xcd) return this.#take(2);
    if (first === 0xce) return this.#take(4);
    if (first !== 0xcf) return -1;
    const high = this.#take(4);
    return high < 0 || high >= 0x200000 ? -1 : high * 0x1_0000_0000 + this.#take(4);
  }

  mapLength(): number {
    const first = this.#take(1);
    if (first >= 0x80 && first <= 0x8f) return first & 0x0f;
    return first === 0xde ? this.#take(2) : -1;
  }

  arrayLength(): number {
    const first = this.#take(1);
    if (first >= 0x90 && first <= 0x9f) return first & 0x0f;
    return first === 0xdc ? this.#take(2) : -1;
  }

  /** Skips a str or bin; the bytes are the `length` before `at`. */
  span(family: Family): number {
    const first = this.#take(1);
    let length = -1;
    if ((first & family.fixMask) === family.fix) length = first & ~family.fixMask;
    else if (first === family.bits8) length = this.#take(1);
    else if (first === family.bits8 + 1) length = this.#take(2);
    else if (first === family.bits8 + 2) length = this.#take(4);
    if (length < 0 || this.at + length > this.#end) return -1;
    this.at += length;
    return length;
  }

  #take(count: 1 | 2 | 4): number {
    const at = this.at;
    if (at + count > this.#end) return -1;
    this.at += count;
    if (count === 1) return this.bytes[at] as number;
    return count === 2 ? this.bytes.readUInt16BE(at) : this.bytes.readUInt32BE(at);
  }
}

type LatinBuffer = Buffer & { latin1Slice(start: number, end: number): string };

/** Any legal form of a reply, checked in the same way. */
function readAny(
  bytes: Buffer,
  start: number,
  length: number,
  tag: number,
  limits: ReplyLimits,
  answer: Answer,
): ReplyFault | null {
  const own = Buffer.from(bytes.subarray(start, start + length));
  const end = scanMessagePack(own);
  if (typeof end === "string") return fault(end);
  if (end < own.length) return tooLong;
  let value: unknown;
  try {
    value = unpackr.unpack(own);
  } catch (error) {
    return fault(`it is not MessagePack: ${error instanceof Error ? error.message : error}`);
  }
  return readValue(value, tag, limits, answer);
}

function readValue(value: unknown, tag: number, limits: ReplyLimits, answer: Answer): ReplyFault | null {
  const reply = value instanceof Map && value.size === 1 ? value.get("CompleteRequest") : undefined;
  const parts = fields(reply, ["request_id", "response"]);
  const id = fields(parts?.[0], ["tag"]);
  const response = fields(parts?.[1], ["metadata", "body"]);
  const metadata = fields(response?.[0], ["status", "version", "headers"]);
  if (id === null || response === null || metadata === null) {
    return fault('it is not {"CompleteRequest": [[tag], [[status, version, headers], body]]}');
  }
  const repliedTag = numberOf(id[0]);
  if (repliedTag !== tag) return wrongTag(repliedTag, tag);
  const status = numberOf(metadata[0]);
  const statusFault = checkStatus(status);
  if (statusFault !== null) return statusFault;
  answer.reset(status);
  if (!(metadata[2] instanceof Map)) return fault("its headers are not a map");
  const check = new HeaderCheck();
  for (const [name, values] of metadata[2]) {
    if (typeof name !== "string") return fault("a header name is not a string");
    if (!Array.isArray(values)) return fault(`the values of header ${quoted(name)} are not an array`);
    for (const each of values) {
      const bytes = asBytes(each);
      if (bytes === null) return fault(`a value of header ${quoted(name)} is not a bin`);
      const wrong = check.add(answer, name, bytes, 0, bytes.length);
      if (wrong !== null) return wrong;
    }
  }
  const body = asBytes(response[1]);
  if (body === null) return fault("its body is not a bin");
  if (body.length > limits.bodyBytesMax) return tooLarge(body.length);
  answer.body = body;
  return null;
}

/** NaN for what MessagePack has no number for: Number("200") and Number([200]) are 200. */
function numberOf(value: unknown): number {
  return typeof value === "number" || typeof value === "bigint" ? Number(value) : Number.NaN;
}

/** The fields of a struct that came as an array or as a map by field names. */
function fields(value: unknown, names: readonly string[]): readonly unknown[] | null {
  if (value instanceof Map) return names.every((name) => value.has(name)) ? names.map((name) => value.get(name)) : null;
  return Array.isArray(value) && value.length === names.length ? value : null;
}

/** bin, str or an array of bytes. */
function asBytes(value: unknown): Buffer | null {
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.length);
  if (typeof value === "string") return Buffer.from(value);
  if (!Array.isArray(value)) return null;
  return value.every((byte) => Number.isInteger(byte) && byte >= 0 && byte <= 255) ? Buffer.from(value) : null;
}
