// Pure: the bytes a guest sent as its reply → a checked answer.
//
// The usual form (what rmp-serde and the SDKs write) is read here, in one pass over the ring's bytes, without copies;
// other legal forms of the same value in any-form.ts.
import type { Answer } from "../../acceptor/contract.ts";
import { readAny } from "./any-form.ts";
import { checkStatus, HeaderCheck, type ReplyFault, type ReplyLimits, tooLarge, tooLong, wrongTag } from "./check.ts";

const variant = Buffer.from("CompleteRequest");

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
  answer.body = new Uint8Array(c.bytes.buffer, c.bytes.byteOffset + c.at - bodyLength, bodyLength);
  return null;
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
