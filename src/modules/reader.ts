// Reads numbers and names out of a module's bytes within bounds; every failure is a bad_module. Any thread, pure.
import { FrenezuloError } from "../errors.ts";

/** A place in a module. Never reads past `end`, and never allocates by a number it read. */
export class Reader {
  readonly bytes: Uint8Array;
  readonly end: number;
  /** What is being read, for errors: "the export section". */
  readonly what: string;
  position: number;

  constructor(bytes: Uint8Array, position: number, end: number, what: string) {
    this.bytes = bytes;
    this.position = position;
    this.end = end;
    this.what = what;
  }

  get isAtEnd(): boolean {
    return this.position === this.end;
  }

  byte(): number {
    if (this.position >= this.end) this.fail("ends too early");
    return this.bytes[this.position++] as number;
  }

  /** An unsigned LEB128 number of 32 bits: at most 5 bytes, no bits beyond the 32nd. */
  u32(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      if (shift === 28 && byte > 0x0f) break;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    return this.fail("has a number of more than 32 bits");
  }

  /** Skips a LEB128 number of either sign and at most `bytesMax` bytes; its value is left to V8's validation. */
  skipNumber(bytesMax: number): void {
    for (let count = 0; count < bytesMax; count++) if (this.byte() < 0x80) return;
    this.fail("has a number that is too long");
  }

  skip(bytes: number): void {
    if (bytes > this.end - this.position) this.fail("ends too early");
    this.position += bytes;
  }

  /** A name, one character a byte: enough to compare with ASCII names. Shown to people through `printable`. */
  name(): string {
    const length = this.u32();
    const start = this.position;
    this.skip(length);
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset + start, length).toString("latin1");
  }

  /** @throws bad_module always */
  fail(why: string): never {
    throw new FrenezuloError("bad_module", { why: `${this.what} ${why} (byte ${this.position})` });
  }
}

/** A guest's text for an error or a log line: all but printable ASCII escaped, cut at `max` characters. */
export function printable(text: string, max = 80): string {
  const cut = text.length > max ? `${text.slice(0, max)}…` : text;
  return cut.replace(/[^\x20-\x7e…]/g, (character) => `\\u{${(character.codePointAt(0) as number).toString(16)}}`);
}

/** An unsigned number of 32 bits as LEB128. */
export function leb(value: number): number[] {
  const out: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    out.push((rest % 0x80) + 0x80);
    rest = Math.floor(rest / 0x80);
  }
  out.push(rest);
  return out;
}
