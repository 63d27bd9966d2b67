// An answer's header fields as one piece of bytes, so that they cost one call into uWebSockets.js and not one each.
import { type Answer, HEAD_BYTES_MAX, HEADERS_MAX } from "./contract.ts";
import { isDate } from "./status.ts";

/** Node's Buffer has it for ages, but only the slower `write` is in the types. */
type FastBuffer = Buffer & { utf8Write(text: string, at: number): number };

/** Room for a guest's fields and for the few that the node adds, with ": " and CR LF. */
const BLOCK_BYTES = 4 * HEAD_BYTES_MAX + 8 * HEADERS_MAX;
const block = Buffer.alloc(BLOCK_BYTES) as FastBuffer;

/** The first field's name, and its value followed by all further fields, without the last CR LF. */
export interface HeaderBlock {
  name: string | Uint8Array;
  rest: Uint8Array;
}

const result: HeaderBlock = { name: "", rest: block };

/**
 * Puts the fields together, values byte for byte; Date is left out, since the acceptors write their own. The result is
 * valid until the next call.
 * @returns null if there are none, or if they do not fit: then they must be written one by one
 */
export function headerBlock(answer: Answer): HeaderBlock | null {
  let at = 0;
  let isFirst = true;
  for (let i = 0; i < answer.count; i++) {
    const name = answer.names[i]!;
    const value = answer.values[i]!;
    if (isDate(name)) continue;
    if (at + 3 * (name.length + value.length) + 4 > BLOCK_BYTES) return null; // a character is at most three bytes
    if (isFirst) {
      result.name = name;
      isFirst = false;
    } else {
      block[at++] = 0x0d;
      block[at++] = 0x0a;
      at = put(at, name);
      block[at++] = 0x3a;
      block[at++] = 0x20;
    }
    at = put(at, value);
  }
  if (isFirst) return null;
  result.rest = block.subarray(0, at);
  return result;
}

function put(at: number, text: string | Uint8Array): number {
  const length = text.length;
  if (typeof text === "string") {
    if (length >= 24) return at + block.utf8Write(text, at);
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) return at + block.utf8Write(text, at);
      block[at + i] = code;
    }
  } else if (length >= 64) block.set(text, at);
  else for (let i = 0; i < length; i++) block[at + i] = text[i]!;
  return at + length;
}
