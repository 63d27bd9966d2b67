// Pure: is this request head acceptable? Refuses whatever two HTTP parsers could read differently.
//
// Runs for every request. On the way to acceptance nothing is allocated: one loop over each string's char codes, no
// regular expression, no closure; a refusal is made only when one is needed. Names come in lower case, values without
// surrounding blanks.

import type { ErrorCode } from "../errors.ts";
import { HEAD_BYTES_MAX, HEADERS_MAX, type Head, type Refusal } from "./contract.ts";

/** Longest X-Request-Id that is taken over. */
export const REQUEST_ID_MAX = 128;

/** Content-Length has at most this many digits, so that it is an exact number. */
const LENGTH_DIGITS_MAX = 15;
/** What a header costs on the wire beside its name and value: ": " and CR LF. */
const HEADER_OVERHEAD = 4;

// Character classes, one bit each, by ASCII code.
const TOKEN = 1; // RFC 9110 §5.6.2 tchar
const LETTER = 2;
const DIGIT = 4;
const HOST = 8; // of a name or IPv4 address in Host
const REQUEST_ID = 16;
const HEX = 32;

const classOf = new Uint8Array(128);
for (let code = 0; code < 128; code++) {
  const char = String.fromCharCode(code);
  if (/[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(char)) classOf[code]! |= TOKEN;
  if (/[A-Za-z]/.test(char)) classOf[code]! |= LETTER;
  if (/[0-9]/.test(char)) classOf[code]! |= DIGIT;
  if (/[A-Za-z0-9._~-]/.test(char)) classOf[code]! |= HOST;
  if (/[A-Za-z0-9._-]/.test(char)) classOf[code]! |= REQUEST_ID;
  if (/[0-9A-Fa-f]/.test(char)) classOf[code]! |= HEX;
}

const is = (code: number, classes: number): boolean => code < 128 && (classOf[code]! & classes) !== 0;

const refusal = (code: ErrorCode, why: string): Refusal => ({ code, details: { why } });

/**
 * Judges a head. Null: accepted, and `bodyBytes`, `requestIdIndex`, `wantsClose` and `isAscii` are set. Otherwise what
 * to answer; the connection must then be closed, since where the next request begins is not certain.
 */
export function judge(head: Head): Refusal | null {
  return judgeMethod(head.method) ?? judgeTarget(head) ?? judgeHeaders(head);
}

/** RFC 9112 §3.1: a method is a token; RFC 9110 §9.1: one that is not implemented gets 501. DECISIONS 4.4. */
function judgeMethod(method: string): Refusal | null {
  switch (method) {
    case "GET":
    case "POST":
    case "PUT":
    case "DELETE":
    case "HEAD":
    case "PATCH":
    case "OPTIONS":
      return null;
  }
  if (method.length === 0 || method.length > 32) return refusal("bad_request_line", "the method has 1 to 32 letters");
  for (let i = 0; i < method.length; i++) {
    if (!is(method.charCodeAt(i), LETTER)) return refusal("bad_request_line", "the method is not a word of letters");
  }
  return { code: "method_not_implemented", details: { method } };
}

/**
 * RFC 9112 §3.2.1: only origin-form. RFC 3986 §3.3, §6.2.2: what a proxy or a service could normalise to another path
 * is refused rather than resolved, so that every part of the system sees the same one.
 */
function judgeTarget(head: Head): Refusal | null {
  const { path, query } = head;
  if (path.charCodeAt(0) !== 0x2f) return refusal("bad_path", 'it does not begin with "/"');
  let segmentChars = 0;
  let segmentDots = 0;
  let hasHighBytes = false;
  for (let i = 1; i < path.length; i++) {
    let code = path.charCodeAt(i);
    if (code === 0x2f) {
      if (segmentChars === 0) return refusal("bad_path", 'it has an empty segment, "//"');
      if (isDotSegment(segmentChars, segmentDots)) return refusal("bad_path", 'it has a segment "." or ".."');
      segmentChars = 0;
      segmentDots = 0;
      continue;
    }
    if (code <= 0x20 || code >= 0x7f) return refusal("bad_path", "it has a character that is not visible ASCII");
    if (code === 0x23) return refusal("bad_path", 'it has a "#"');
    if (code === 0x5c) return refusal("bad_path", "it has a backslash");
    if (code === 0x25) {
      // RFC 3986 §2.1: a percent sign and two hexadecimal digits. Decoded once, as the router does.
      if (i + 2 >= path.length || !is(path.charCodeAt(i + 1), HEX) || !is(path.charCodeAt(i + 2), HEX)) {
        return refusal("bad_path", "it has a percent sign without two hexadecimal digits");
      }
      code = hexValue(path.charCodeAt(i + 1)) * 16 + hexValue(path.charCodeAt(i + 2));
      i += 2;
      if (code === 0x2f || code === 0x5c) return refusal("bad_path", "it has an encoded slash or backslash");
      if (code < 0x20 || code === 0x7f) return refusal("bad_path", "it has an encoded control character");
      if (code >= 0x80) hasHighBytes = true;
    }
    segmentChars++;
    if (code === 0x2e) segmentDots++;
  }
  if (isDotSegment(segmentChars, segmentDots)) return refusal("bad_path", 'it has a segment "." or ".."');
  // RFC 3629 §3: overlong forms and surrogates are not UTF-8.
  if (hasHighBytes && !decodes(path)) return refusal("bad_path", "its encoded bytes are not UTF-8");
  for (let i = 0; i < query.length; i++) {
    const code = query.charCodeAt(i);
    if (code <= 0x20 || code >= 0x7f || code === 0x23) {
      return refusal("bad_path", 'its query has a character that is not visible ASCII, or a "#"');
    }
  }
  return null;
}

function judgeHeaders(head: Head): Refusal | null {
  const { names, values, count } = head;
  // RFC 6585 §5.
  if (count > HEADERS_MAX) return refusal("headers_too_large", `more than ${HEADERS_MAX} headers`);
  let bytes = head.path.length + head.query.length + 1;
  let hosts = 0;
  let lengths = 0;
  let codings = 0;
  let bodyBytes = 0;
  let requestIds = 0;
  let requestIdIndex = -1;
  let wantsClose = false;
  let isAscii = true;
  for (let index = 0; index < count; index++) {
    const name = names[index]!;
    const value = values[index]!;
    bytes += name.length + value.length + HEADER_OVERHEAD;
    // RFC 9110 §5.1: a field name is a token.
    if (name.length === 0) return refusal("bad_header", "a header has no name");
    for (let i = 0; i < name.length; i++) {
      if (!is(name.charCodeAt(i), TOKEN)) return refusal("bad_header", "a header's name is not a token");
    }
    // RFC 9110 §5.5: no control characters but the tab. U+FFFD stands for bytes that were not UTF-8 (DECISIONS 4.5).
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i);
      if (code < 0x20 ? code !== 0x09 : code === 0x7f) {
        return refusal("bad_header", "a header's value has a control character");
      }
      if (code >= 0x80) {
        if (code === 0xfffd) return refusal("bad_header", "a header's value is not UTF-8");
        isAscii = false;
        bytes += code >= 0x800 ? 2 : 1;
      }
    }
    switch (name.length) {
      case 4:
        if (name !== "host") break;
        // RFC 9112 §3.2: exactly one, and valid.
        if (++hosts > 1) return refusal("bad_host", "there are two");
        if (!isHost(value)) return refusal("bad_host", "its value is not a host with an optional port");
        break;
      case 10:
        if (name === "connection" && asksForClose(value)) wantsClose = true;
        break;
      case 12:
        if (name === "x-request-id" && ++requestIds === 1 && isRequestId(value)) requestIdIndex = index;
        break;
      case 14:
        if (name !== "content-length") break;
        // RFC 9112 §6.3 item 5. Two equal ones may be accepted there; here they may not.
        if (++lengths > 1) return refusal("bad_framing", "there are two Content-Length headers");
        bodyBytes = lengthOf(value);
        if (bodyBytes < 0) return refusal("bad_framing", "Content-Length is not 1 to 15 digits");
        break;
      case 17:
        if (name !== "transfer-encoding") break;
        // RFC 9112 §6.1, §7: chunked is the one coding that is understood, and it comes once.
        if (++codings > 1) return refusal("bad_framing", "there are two Transfer-Encoding headers");
        if (value !== "chunked") return refusal("bad_framing", 'Transfer-Encoding is not exactly "chunked"');
        bodyBytes = -1;
        break;
    }
  }
  if (bytes > HEAD_BYTES_MAX) return refusal("headers_too_large", `more than ${HEAD_BYTES_MAX} bytes`);
  if (hosts === 0) return refusal("bad_host", "there is none");
  // RFC 9112 §6.3 item 3: the classic smuggling pair.
  if (lengths > 0 && codings > 0) return refusal("bad_framing", "both Content-Length and Transfer-Encoding are there");
  head.bodyBytes = bodyBytes;
  head.requestIdIndex = requestIds === 1 ? requestIdIndex : -1;
  head.wantsClose = wantsClose;
  head.isAscii = isAscii;
  return null;
}

const isDotSegment = (chars: number, dots: number): boolean => dots === chars && (dots === 1 || dots === 2);

const hexValue = (code: number): number => (code <= 0x39 ? code - 0x30 : (code | 0x20) - 0x57);

function decodes(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}

/** The number that 1 to 15 digits name, or -1. */
function lengthOf(value: string): number {
  if (value.length === 0 || value.length > LENGTH_DIGITS_MAX) return -1;
  let length = 0;
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (!is(code, DIGIT)) return -1;
    length = length * 10 + (code - 0x30);
  }
  return length;
}

/**
 * RFC 9110 §7.2, RFC 3986 §3.2.2: a name, an IPv4 address or an IPv6 address in brackets, then an optional port of 1
 * to 5 digits. Narrower than the RFC: no user information, no percent-encoding, no sub-delimiters.
 */
export function isHost(value: string): boolean {
  let i = 0;
  if (value.charCodeAt(0) === 0x5b) {
    for (i = 1; i < value.length; i++) {
      const code = value.charCodeAt(i);
      if (!is(code, HEX) && code !== 0x3a && code !== 0x2e) break;
    }
    if (i < 3 || value.charCodeAt(i) !== 0x5d) return false;
    i++;
  } else {
    while (i < value.length && is(value.charCodeAt(i), HOST)) i++;
    if (i === 0 || i > 255) return false;
  }
  if (i === value.length) return true;
  if (value.charCodeAt(i++) !== 0x3a) return false;
  const digits = value.length - i;
  if (digits < 1 || digits > 5) return false;
  while (i < value.length) if (!is(value.charCodeAt(i++), DIGIT)) return false;
  return true;
}

/** 1 to 128 of A-Z a-z 0-9 . _ - */
export function isRequestId(value: string): boolean {
  if (value.length === 0 || value.length > REQUEST_ID_MAX) return false;
  for (let i = 0; i < value.length; i++) if (!is(value.charCodeAt(i), REQUEST_ID)) return false;
  return true;
}

/** RFC 9110 §7.6.1: `close` among the comma-separated options, in any case. */
function asksForClose(value: string): boolean {
  if (value === "keep-alive") return false;
  if (value.length < 5) return false;
  for (const option of value.split(",")) if (option.trim().toLowerCase() === "close") return true;
  return false;
}
