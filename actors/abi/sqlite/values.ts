// SQLite's values as they cross to the guest and back: bincode 1, u64 lengths, u32 variants, little endian
// (lunatic-abi.md §1.6; lunatic 0.13's crate lunatic-sqlite-api). Pure.
import { isUtf8 } from "node:buffer";

/** What a column holds. */
export type Value =
  | { readonly type: "null" }
  | { readonly type: "blob"; readonly bytes: Buffer }
  | { readonly type: "text"; readonly bytes: Buffer }
  | { readonly type: "double"; readonly value: number }
  | { readonly type: "integer"; readonly value: bigint };

/** A value for a parameter: its number from 1, its name, or (null) the place in the list. */
export interface Binding {
  readonly key: number | string | null;
  readonly value: Value;
}

const KEY = { none: 0, numeric: 1, text: 2 } as const;
const BOUND = { null: 0, blob: 1, text: 2, double: 3, int: 4, int64: 5 } as const;
const FOUND = { null: 0, blob: 1, text: 2, double: 3, integer: 4 } as const;

/** @throws RangeError, TypeError: these bytes are no list of bindings */
export function decodeBindings(bytes: Buffer): Binding[] {
  const reader = new Reader(bytes);
  const bindings: Binding[] = [];
  // Each takes 8 bytes at least: a length that lies ends at the end of the bytes.
  for (let left = reader.length(); left > 0; left--) bindings.push({ key: reader.key(), value: reader.value() });
  if (reader.at !== bytes.length) throw new RangeError("bytes are left over");
  return bindings;
}

/** Vec<SqliteValue>. */
export function encodeRow(values: readonly Value[]): Buffer {
  return Buffer.concat([u64(values.length), ...values.map(encodeValue)]);
}

/** SqliteValue. Text that is not UTF-8 gets replacement characters: Rust's String takes no other. */
export function encodeValue(value: Value): Buffer {
  if (value.type === "null") return u32(FOUND.null);
  if (value.type === "blob") return Buffer.concat([u32(FOUND.blob), u64(value.bytes.length), value.bytes]);
  if (value.type === "text") return Buffer.concat([u32(FOUND.text), encodeText(value.bytes)]);
  const bytes = Buffer.alloc(12);
  if (value.type === "double") {
    bytes.writeUInt32LE(FOUND.double);
    bytes.writeDoubleLE(value.value, 4);
  } else {
    bytes.writeUInt32LE(FOUND.integer);
    bytes.writeBigInt64LE(value.value, 4);
  }
  return bytes;
}

/** Vec<String>. */
export function encodeTexts(texts: readonly Buffer[]): Buffer {
  return Buffer.concat([u64(texts.length), ...texts.map(encodeText)]);
}

/** { code: Option<u32>, message: Option<String> } */
export function encodeError(code: number, message: Buffer): Buffer {
  return Buffer.concat([Uint8Array.of(1), u32(code), Uint8Array.of(1), encodeText(message)]);
}

/** The same bytes where they are UTF-8. */
export function asUtf8(bytes: Buffer): Buffer {
  return isUtf8(bytes) ? bytes : Buffer.from(bytes.toString("utf8"));
}

function encodeText(bytes: Buffer): Buffer {
  const text = asUtf8(bytes);
  return Buffer.concat([u64(text.length), text]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

/** Buffer's own checks refuse what lies beyond the end. */
class Reader {
  at = 0;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  length(): number {
    return Number(this.#bytes.readBigUInt64LE(this.#skip(8)));
  }

  key(): Binding["key"] {
    const kind = this.#u32();
    if (kind === KEY.none) return null;
    if (kind === KEY.numeric) return this.length();
    if (kind === KEY.text) return this.#text().toString("utf8");
    throw new RangeError(`a key of kind ${kind}`);
  }

  value(): Value {
    const kind = this.#u32();
    if (kind === BOUND.null) return { type: "null" };
    if (kind === BOUND.blob) return { type: "blob", bytes: this.#blob() };
    if (kind === BOUND.text) return { type: "text", bytes: this.#text() };
    if (kind === BOUND.double) return { type: "double", value: this.#bytes.readDoubleLE(this.#skip(8)) };
    if (kind === BOUND.int) return { type: "integer", value: BigInt(this.#bytes.readInt32LE(this.#skip(4))) };
    if (kind === BOUND.int64) return { type: "integer", value: this.#bytes.readBigInt64LE(this.#skip(8)) };
    throw new RangeError(`a value of kind ${kind}`);
  }

  #u32(): number {
    return this.#bytes.readUInt32LE(this.#skip(4));
  }

  #text(): Buffer {
    const bytes = this.#blob();
    if (!isUtf8(bytes)) throw new TypeError("a text that is not UTF-8");
    return bytes;
  }

  #blob(): Buffer {
    const length = this.length();
    if (length > this.#bytes.length - this.at) throw new RangeError("a length beyond the end");
    const start = this.#skip(length);
    return this.#bytes.subarray(start, start + length);
  }

  #skip(bytes: number): number {
    const start = this.at;
    this.at += bytes;
    return start;
  }
}
