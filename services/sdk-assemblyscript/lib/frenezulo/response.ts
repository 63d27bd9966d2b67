// The response, and how it is written: one reused buffer, one write.
import { createData, send, sendToNode, writeData } from "./host";
import { lower, Request } from "./request";

/** A body from this size on is written by itself, straight from where it lies, so that the buffer stays small. */
const LARGE_BODY_BYTES: u32 = 32768;

/** What a handler returns. The node checks status and headers; what it refuses becomes a 502 with the reason in its log. */
export class Response {
  status: u16;
  private contentType: string = "";
  private names: string[] | null = null;
  private values: string[] | null = null;
  private bytesBody: Uint8Array | null = null;
  private textBody: string = "";

  /** A response without headers and body. */
  constructor(status: u16 = 200) {
    this.status = status;
  }

  /** Plain text in UTF-8. */
  static text(body: string, status: u16 = 200): Response {
    return new Response(status).body(body, "text/plain; charset=utf-8");
  }

  /** JSON that the caller has made. */
  static json(body: string, status: u16 = 200): Response {
    return new Response(status).body(body, "application/json");
  }

  /** Bytes of any kind. The response keeps the array, not a copy. */
  static bytes(body: Uint8Array, contentType: string = "application/octet-stream", status: u16 = 200): Response {
    const response = new Response(status);
    response.contentType = contentType;
    response.bytesBody = body;
    return response;
  }

  /** Sets a text as the body and its content type. */
  body(text: string, contentType: string): this {
    this.textBody = text;
    this.contentType = contentType;
    return this;
  }

  /** Sets a header and drops earlier values of it. */
  setHeader(name: string, value: string): this {
    if (sameName(name, "content-type")) {
      this.contentType = value;
      return this;
    }
    const names = this.names;
    const values = this.values;
    if (names !== null && values !== null) {
      for (let i = names.length - 1; i >= 0; i--) {
        if (sameName(names[i], name)) {
          names.splice(i, 1);
          values.splice(i, 1);
        }
      }
    }
    return this.appendHeader(name, value);
  }

  /** Adds a header beside those of the same name: two `set-cookie` arrive as two. */
  appendHeader(name: string, value: string): this {
    let names = this.names;
    let values = this.values;
    if (names === null || values === null) {
      this.names = names = [];
      this.values = values = [];
    }
    names.push(name);
    values.push(value);
    return this;
  }

  /** Writes the message into the buffer, all but a large body, which it returns. */
  encode(request: Request): Uint8Array | null {
    length = 0;
    put(PREFIX, 19);
    put(request.idStart, request.idLength);
    putByte(0x92);
    putByte(0x93);
    putUint(this.status);
    put(request.versionStart, request.versionLength);
    this.encodeHeaders();
    let bytes = this.bytesBody;
    const text = this.textBody;
    if (bytes === null) {
      if (<u32>text.length < LARGE_BODY_BYTES / 3) {
        const size = <u32>String.UTF8.byteLength(text);
        putLength(size, 0xc4);
        putText(text, size);
        return null;
      }
      bytes = Uint8Array.wrap(String.UTF8.encode(text));
    }
    const size = <u32>bytes.length;
    putLength(size, 0xc4);
    if (size >= LARGE_BODY_BYTES) return bytes;
    put(bytes.dataStart, size);
    return null;
  }

  /** Headers as a map from name to array of values: equal names are brought together under the first one's spelling. */
  private encodeHeaders(): void {
    const names = this.names;
    const values = this.values;
    const hasType = this.contentType.length > 0;
    if (names === null || values === null) {
      if (hasType) {
        putByte(0x81);
        putHeader("content-type", this.contentType);
      } else {
        putByte(0x80);
      }
      return;
    }
    let distinct: u32 = hasType ? 1 : 0;
    for (let i = 0; i < names.length; i++) if (firstOf(names, i) == i) distinct++;
    putCount(distinct, 0x80, 0xde);
    if (hasType) putHeader("content-type", this.contentType);
    for (let i = 0; i < names.length; i++) {
      if (firstOf(names, i) != i) continue;
      putString(names[i]);
      let count: u32 = 0;
      for (let j = i; j < names.length; j++) if (firstOf(names, j) == i) count++;
      putCount(count, 0x90, 0xdc);
      for (let j = i; j < names.length; j++) if (firstOf(names, j) == i) putBinary(values[j]);
    }
  }
}

/** Sends the response to the process that asked. Three host calls, four for a large body. */
export function sendResponse(request: Request, response: Response): void {
  const rest = response.encode(request);
  createData(0, 0);
  writeData(buffer, length);
  if (rest !== null) writeData(rest.dataStart, rest.length);
  if (request.node == 0) send(request.process);
  else sendToNode(request.node, request.process);
}

// The buffer. It begins in static memory and moves to the heap when a reply needs more; it never shrinks, since bodies
// that matter for memory do not pass through it.
const START_BYTES: u32 = 1024;
let buffer: usize = memory.data(1024);
let capacity: u32 = START_BYTES;
let length: u32 = 0;

/** {"CompleteRequest": [[ … */
const PREFIX = memory.data<u8>([
  0x81, 0xaf, 0x43, 0x6f, 0x6d, 0x70, 0x6c, 0x65, 0x74, 0x65, 0x52, 0x65, 0x71, 0x75, 0x65, 0x73, 0x74, 0x92, 0x91,
]);

/** Makes room for `count` more bytes and returns where they go. */
function room(count: u32): usize {
  const needed = length + count;
  if (needed > capacity) {
    const larger = max(capacity * 2, needed);
    const moved = heap.alloc(larger);
    memory.copy(moved, buffer, length);
    if (capacity != START_BYTES) heap.free(buffer);
    buffer = moved;
    capacity = larger;
  }
  const at = buffer + length;
  length = needed;
  return at;
}

function put(from: usize, count: u32): void {
  memory.copy(room(count), from, count);
}

function putByte(byte: u8): void {
  store<u8>(room(1), byte);
}

/** The shortest form of an unsigned integer of 16 bits. */
function putUint(value: u16): void {
  if (value < 0x80) {
    putByte(<u8>value);
  } else if (value < 0x100) {
    putByte(0xcc);
    putByte(<u8>value);
  } else {
    putByte(0xcd);
    store<u16>(room(2), bswap<u16>(value));
  }
}

/** The length of a string (type 0xd9) or binary (type 0xc4): type byte and 1, 2 or 4 bytes. */
function putLength(size: u32, type: u8): void {
  if (size < 0x100) {
    putByte(type);
    putByte(<u8>size);
  } else if (size < 0x10000) {
    putByte(type + 1);
    store<u16>(room(2), bswap<u16>(<u16>size));
  } else {
    putByte(type + 2);
    store<u32>(room(4), bswap<u32>(size));
  }
}

/** The number of entries of a map or array: in the type byte up to 15, else in 2 bytes. */
function putCount(count: u32, small: u8, wide: u8): void {
  if (count < 16) {
    putByte(small | <u8>count);
    return;
  }
  if (count > 0xffff) abort("a response has at most 65,535 headers");
  putByte(wide);
  store<u16>(room(2), bswap<u16>(<u16>count));
}

function putText(text: string, size: u32): void {
  String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, room(size));
}

function putString(text: string): void {
  const size = <u32>String.UTF8.byteLength(text);
  if (size < 32) putByte(0xa0 | <u8>size);
  else putLength(size, 0xd9);
  putText(text, size);
}

function putBinary(text: string): void {
  const size = <u32>String.UTF8.byteLength(text);
  putLength(size, 0xc4);
  putText(text, size);
}

function putHeader(name: string, value: string): void {
  putString(name);
  putByte(0x91);
  putBinary(value);
}

/** The index of the first name that is the same as names[index]. */
function firstOf(names: string[], index: i32): i32 {
  for (let i = 0; i < index; i++) if (sameName(names[i], names[index])) return i;
  return index;
}

function sameName(one: string, other: string): bool {
  if (one.length != other.length) return false;
  for (let i = 0; i < one.length; i++) if (lower(one.charCodeAt(i)) != lower(other.charCodeAt(i))) return false;
  return true;
}
