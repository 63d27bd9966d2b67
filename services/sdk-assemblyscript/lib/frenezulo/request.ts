// The request: one message, read whole into one buffer; its parts become strings and arrays only when asked for.
import { dataSize, readData, receive } from "./host";
import {
  bytesLength,
  bytesStart,
  cursor,
  expectArray,
  malformed,
  readArray,
  readBytes,
  readFrom,
  readMap,
  readUint,
  skipInt,
} from "./reader";

/** Room for nearly every request without allocating. A larger message gets a buffer of its own until the next request. */
const SMALL_BYTES: u32 = 4096;
const small = memory.data(4096);
let large: usize = 0;

/** 0xa7 "Request", as one little-endian word. */
const REQUEST_VARIANT: u64 = 0x74736575716552a7;

/**
 * The request that is being answered. There is one object of this class, filled anew for each request: read it inside the
 * handler and keep the strings and arrays it gives, not the request itself.
 */
export class Request {
  // Places in the message. Raw ranges that the reply repeats include their MessagePack type byte.
  idStart: usize = 0;
  idLength: u32 = 0;
  versionStart: usize = 0;
  versionLength: u32 = 0;
  node: u64 = 0;
  process: u64 = 0;
  private methodStart: usize = 0;
  private methodLength: u32 = 0;
  private uriStart: usize = 0;
  private uriLength: u32 = 0;
  private headersStart: usize = 0;
  private headersLength: u32 = 0;
  private bodyStart: usize = 0;
  private bodyLength: u32 = 0;

  /** "GET", "POST", … in capitals. */
  get method(): string {
    const first = load<u8>(this.methodStart);
    switch (this.methodLength) {
      case 3:
        return first == 71 /* G */ ? "GET" : "PUT";
      case 4:
        return first == 80 /* P */ ? "POST" : "HEAD";
      case 5:
        return first == 80 /* P */ ? "PATCH" : "TRACE";
      case 6:
        return "DELETE";
      default:
        return first == 79 /* O */ ? "OPTIONS" : "CONNECT";
    }
  }

  /** Path and query as the client sent them, the service's prefix included: "/hello/a?b=c". */
  get uri(): string {
    return String.UTF8.decodeUnsafe(this.uriStart, this.uriLength);
  }

  /** The uri up to its "?". Percent signs are left as they are. */
  get path(): string {
    return String.UTF8.decodeUnsafe(this.uriStart, this.pathLength());
  }

  /** What follows the uri's "?", or "". Percent signs are left as they are. */
  get query(): string {
    const length = this.pathLength() + 1;
    if (length >= this.uriLength) return "";
    return String.UTF8.decodeUnsafe(this.uriStart + length, this.uriLength - length);
  }

  private pathLength(): u32 {
    for (let i: u32 = 0; i < this.uriLength; i++) if (load<u8>(this.uriStart + i) == 63 /* ? */) return i;
    return this.uriLength;
  }

  /** "Http11" here; the protocol also knows Http09, Http10, Http2 and Http3. */
  get version(): string {
    return String.UTF8.decodeUnsafe(this.versionStart + 1, this.versionLength - 1);
  }

  /** The first value of a header, or null if it was not sent. Case does not matter in `name`. */
  header(name: string): string | null {
    if (!this.findHeader(name) || readArray() == 0) return null;
    readBytes();
    return String.UTF8.decodeUnsafe(bytesStart, bytesLength);
  }

  /** All values of a header in the order they were sent; empty if it was not sent. Case does not matter in `name`. */
  headerValues(name: string): string[] {
    const values: string[] = [];
    if (!this.findHeader(name)) return values;
    for (let left = readArray(); left > 0; left--) {
      readBytes();
      values.push(String.UTF8.decodeUnsafe(bytesStart, bytesLength));
    }
    return values;
  }

  /** The names of all headers in lower case, each once. */
  headerNames(): string[] {
    const names: string[] = [];
    readFrom(this.headersStart, this.headersLength);
    for (let left = readMap(); left > 0; left--) {
      readBytes();
      names.push(String.UTF8.decodeUnsafe(bytesStart, bytesLength));
      for (let values = readArray(); values > 0; values--) readBytes();
    }
    return names;
  }

  /** Leaves the reader before the values of the header, if it is there. */
  private findHeader(name: string): bool {
    readFrom(this.headersStart, this.headersLength);
    for (let left = readMap(); left > 0; left--) {
      readBytes();
      if (isName(bytesStart, bytesLength, name)) return true;
      for (let values = readArray(); values > 0; values--) readBytes();
    }
    return false;
  }

  /** Bytes in the body. */
  get length(): i32 {
    return this.bodyLength;
  }

  /** A copy of the body, for the caller to keep. */
  bytes(): Uint8Array {
    const bytes = new Uint8Array(this.bodyLength);
    memory.copy(bytes.dataStart, this.bodyStart, this.bodyLength);
    return bytes;
  }

  /** The body as UTF-8 text; what is not UTF-8 becomes U+FFFD. */
  text(): string {
    return String.UTF8.decodeUnsafe(this.bodyStart, this.bodyLength);
  }

  /** Finds the parts of the message. Walks over every header once without making anything of it. */
  parse(start: usize, length: u32): void {
    if (length < 10 || load<u8>(start) != 0x81 || load<u64>(start, 1) != REQUEST_VARIANT) {
      malformed("it is not a Request");
    }
    readFrom(start + 9, length - 9);
    expectArray(3);
    expectArray(1);
    this.idStart = cursor;
    skipInt();
    this.idLength = <u32>(cursor - this.idStart);
    expectArray(2);
    expectArray(4);
    readBytes();
    this.methodStart = bytesStart;
    this.methodLength = bytesLength;
    if (bytesLength < 3 || bytesLength > 7) malformed("its method is unknown");
    readBytes();
    this.uriStart = bytesStart;
    this.uriLength = bytesLength;
    this.versionStart = cursor;
    readBytes();
    this.versionLength = bytesLength + 1;
    if (bytesLength > 31) malformed("its version is unknown");
    this.headersStart = cursor;
    for (let left = readMap(); left > 0; left--) {
      readBytes();
      for (let values = readArray(); values > 0; values--) readBytes();
    }
    this.headersLength = <u32>(cursor - this.headersStart);
    readBytes();
    this.bodyStart = bytesStart;
    this.bodyLength = bytesLength;
    expectArray(2);
    this.node = readUint();
    this.process = readUint();
  }
}

const request = new Request();

/** Blocks until the request's message is there, and reads it. Two host calls, four above 4 KiB. */
export function receiveRequest(): Request {
  if (large != 0) {
    heap.free(large);
    large = 0;
  }
  const signal = receive(0, 0, -1);
  if (signal != 0) abort("a request was expected, not a signal about another process");
  // Read first and ask for the size only if the buffer was filled: the size crosses as a BigInt, which costs the host more
  // than the read.
  let start: usize = small;
  let length = readData(small, SMALL_BYTES);
  if (length == SMALL_BYTES) {
    const size = dataSize();
    if (size > <u64>SMALL_BYTES) {
      if (size > <u64>0x3fff_ffff) malformed("it is larger than 1 GiB");
      length = <u32>size;
      start = large = heap.alloc(length);
      memory.copy(start, small, SMALL_BYTES);
      if (readData(start + SMALL_BYTES, length - SMALL_BYTES) != length - SMALL_BYTES) malformed("it ends early");
    }
  }
  request.parse(start, length);
  return request;
}

/** True if the bytes are the name; letters compare without case, which is enough for header names (RFC 9110, 5.6.2). */
function isName(start: usize, length: u32, name: string): bool {
  if (<u32>name.length != length) return false;
  for (let i: u32 = 0; i < length; i++) {
    if (lower(load<u8>(start + i)) != lower(name.charCodeAt(i))) return false;
  }
  return true;
}

/** The code of an ASCII letter in lower case; any other code unchanged. */
// @ts-ignore: decorator
@inline
export function lower(code: i32): i32 {
  return code >= 65 && code <= 90 ? code | 32 : code;
}
