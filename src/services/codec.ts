// The bytes of the two messages a service reads and writes, by hand: MessagePack as rmp-serde writes it (lunatic-abi.md
// §3.5).
//
// A request is encoded once, straight into the ring's bytes. That the bytes are what msgpackr and rmp-serde write is
// held by test/unit/services/codec.test.ts. Field order: {"Request": [[tag], [[method, uri, version, headers], body],
// [node, pid]]}.

/** Node's Buffer has these two for ages, but only its documented `write`, which is slower, is in the types. */
type FastBuffer = Buffer & {
  latin1Write(text: string, at: number): number;
  utf8Write(text: string, at: number): number;
};

/** What the encoder reads of a request's head; src/acceptor/contract.ts Head fits. Names are lower case. */
export interface RequestHead {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly names: readonly string[];
  readonly values: readonly string[];
  readonly count: number;
  /** True if path, query, names and values are ASCII. */
  readonly isAscii: boolean;
  /** Index of a request id header to pass on, or -1: then `requestId` is added and any other x-request-id left out. */
  readonly requestIdIndex: number;
}

/** The methods that reach guests, as the guest's enum spells them; the gate accepts no others. */
const methods: Readonly<Record<string, Buffer>> = Object.fromEntries(
  ["Options", "Get", "Post", "Put", "Delete", "Head", "Patch"].map((name) => [
    name.toUpperCase(),
    Buffer.concat([Buffer.from([0xa0 | name.length]), Buffer.from(name)]),
  ]),
);
const get = methods.GET as Buffer;
const post = methods.POST as Buffer;
const REQUEST_ID = "x-request-id";
const prefix = Buffer.concat([Buffer.from([0x81, 0xa7]), Buffer.from("Request"), Buffer.from([0x93, 0x91])]);
const version = Buffer.concat([Buffer.from([0xa6]), Buffer.from("Http11")]);
/** Index of the header that has the same name as an earlier one, filled anew for each request. */
const repeated = new Uint8Array(128);

/** A method's encoded name. Compared, not looked up: a string that has just come from a socket has no hash yet. */
function methodBytes(method: string): Buffer {
  return method === "GET" ? get : method === "POST" ? post : (methods[method] as Buffer);
}

/** Upper bound of the bytes that `encodeHead` and `encodeTail` write for this head, without the body. */
export function headBytesMax(head: RequestHead): number {
  let chars = head.path.length + head.query.length;
  for (let i = 0; i < head.count; i++)
    chars += (head.names[i] as string).length + (head.values[i] as string).length + 16;
  return 256 + (head.isAscii ? chars : chars * 3);
}

/**
 * Writes the message up to and without the body.
 * @param tag the RequestId's tag
 * @returns the offset after the last byte written
 */
export function encodeHead(out: Buffer, at: number, head: RequestHead, requestId: string, tag: number): number {
  at = put(out, at, prefix);
  at = encodeUint(out, at, tag);
  out[at++] = 0x92;
  out[at++] = 0x94;
  at = put(out, at, methodBytes(head.method));
  at = encodeUri(out, at, head);
  at = put(out, at, version);
  return encodeHeaders(out, at, head, requestId);
}

/** Writes the body's header; the body's bytes follow, then `encodeTail`. */
export function encodeBodyLength(out: Buffer, at: number, length: number): number {
  return encodeLength(out, at, length, 0xc4);
}

/** Writes the reply address [node 0, pid], the message's end. */
export function encodeTail(out: Buffer, at: number, replyPid: number): number {
  out[at++] = 0x92;
  out[at++] = 0x00;
  return encodeUint(out, at, replyPid);
}

/** Bytes that body header and tail take at most. */
export const TAIL_BYTES_MAX = 5 + 2 + 9;

function put(out: Buffer, at: number, bytes: Buffer): number {
  for (let i = 0; i < bytes.length; i++) out[at++] = bytes[i] as number;
  return at;
}

/** An unsigned integer in its shortest form, below 2^53. */
export function encodeUint(out: Buffer, at: number, value: number): number {
  if (value < 0x80) {
    out[at] = value;
    return at + 1;
  }
  if (value < 0x100) {
    out[at] = 0xcc;
    return out.writeUInt8(value, at + 1);
  }
  if (value < 0x10000) {
    out[at] = 0xcd;
    return out.writeUInt16BE(value, at + 1);
  }
  if (value < 0x1_0000_0000) {
    out[at] = 0xce;
    return out.writeUInt32BE(value, at + 1);
  }
  out[at] = 0xcf;
  out.writeUInt32BE(Math.floor(value / 0x1_0000_0000), at + 1);
  return out.writeUInt32BE(value >>> 0, at + 5);
}

/** Header of a bin (base 0xc4) or of a str of 32 bytes and more (base 0xd9). */
function encodeLength(out: Buffer, at: number, length: number, base: number): number {
  if (length < 0x100) {
    out[at] = base;
    return out.writeUInt8(length, at + 1);
  }
  if (length < 0x10000) {
    out[at] = base + 1;
    return out.writeUInt16BE(length, at + 1);
  }
  out[at] = base + 2;
  return out.writeUInt32BE(length, at + 1);
}

function encodeUri(out: Buffer, at: number, head: RequestHead): number {
  // The gate lets only visible ASCII through, so characters are bytes.
  const { path, query } = head;
  const length = path.length + (query === "" ? 0 : 1 + query.length);
  if (length < 32) out[at++] = 0xa0 | length;
  else at = encodeLength(out, at, length, 0xd9);
  at = putAscii(out, at, path);
  if (query !== "") {
    out[at++] = 0x3f;
    at = putAscii(out, at, query);
  }
  return at;
}

function encodeHeaders(out: Buffer, at: number, head: RequestHead, requestId: string): number {
  const { names, count, requestIdIndex } = head;
  // Repeated names become one entry with several values. Few headers: comparing pairs is cheaper than a map.
  let entries = requestIdIndex < 0 ? 1 : 0;
  let hasRepeated = false;
  for (let i = 0; i < count; i++) {
    const name = names[i] as string;
    repeated[i] = 0;
    if (requestIdIndex < 0 && name === REQUEST_ID) {
      repeated[i] = 1;
      continue;
    }
    for (let j = 0; j < i; j++) {
      if (names[j] === name) {
        repeated[i] = 1;
        hasRepeated = true;
        break;
      }
    }
    if (repeated[i] === 0) entries++;
  }
  if (entries < 16) out[at++] = 0x80 | entries;
  else {
    out[at] = 0xde;
    at = out.writeUInt16BE(entries, at + 1);
  }
  for (let i = 0; i < count; i++) {
    if (repeated[i] === 1) continue;
    const name = names[i] as string;
    at = encodeStr(out, at, name, head.isAscii);
    if (!hasRepeated) out[at++] = 0x91;
    else at = encodeArrayHeader(out, at, occurrences(head, name, i));
    at = encodeBin(out, at, head.values[i] as string, head.isAscii);
    if (hasRepeated) {
      for (let j = i + 1; j < count; j++) {
        if (names[j] === name) at = encodeBin(out, at, head.values[j] as string, head.isAscii);
      }
    }
  }
  if (requestIdIndex < 0) {
    at = encodeStr(out, at, REQUEST_ID, true);
    out[at++] = 0x91;
    at = encodeBin(out, at, requestId, true);
  }
  return at;
}

function occurrences(head: RequestHead, name: string, from: number): number {
  let times = 0;
  for (let i = from; i < head.count; i++) if (head.names[i] === name) times++;
  return times;
}

function encodeArrayHeader(out: Buffer, at: number, length: number): number {
  if (length < 16) {
    out[at] = 0x90 | length;
    return at + 1;
  }
  out[at] = 0xdc;
  return out.writeUInt16BE(length, at + 1);
}

function encodeStr(out: Buffer, at: number, text: string, isAscii: boolean): number {
  const length = isAscii ? text.length : Buffer.byteLength(text);
  if (length < 32) out[at++] = 0xa0 | length;
  else at = encodeLength(out, at, length, 0xd9);
  return putText(out, at, text, isAscii);
}

function encodeBin(out: Buffer, at: number, text: string, isAscii: boolean): number {
  at = encodeLength(out, at, isAscii ? text.length : Buffer.byteLength(text), 0xc4);
  return putText(out, at, text, isAscii);
}

function putText(out: Buffer, at: number, text: string, isAscii: boolean): number {
  return isAscii ? putAscii(out, at, text) : at + (out as FastBuffer).utf8Write(text, at);
}

/** Copies ASCII text: a loop below 24 characters, where it beats the call into C++ (DESIGN fact 13). */
function putAscii(out: Buffer, at: number, text: string): number {
  const length = text.length;
  if (length >= 24) return at + (out as FastBuffer).latin1Write(text, at);
  for (let i = 0; i < length; i++) out[at++] = text.charCodeAt(i);
  return at;
}
