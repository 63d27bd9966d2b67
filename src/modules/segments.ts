// Where a module's data begins, and so where a light process's stack may be put for a moment. Any thread, pure.
import { BORROW_BYTES } from "../../wire/abi/light.ts";
import { skipConstant } from "./opcodes.ts";
import type { Reader } from "./reader.ts";
import { PAGE_BYTES } from "./storage.ts";

const I32_CONST = 0x41;
const END = 0x0b;

/**
 * The lowest address of an active data segment whose address is a plain number; null without one.
 * @throws bad_module
 */
export function readDataStart(reader: Reader | null): number | null {
  let lowest: number | null = null;
  for (let left = reader?.u32() ?? 0; reader !== null && left > 0; left--) {
    const flags = reader.u32(); // 0 active, 1 passive, 2 active with a memory's index
    if (flags > 2) reader.fail("has a segment of an unknown kind");
    if (flags === 2) reader.skipNumber(5);
    if (flags !== 1) {
      const address = readAddress(reader);
      if (address !== null && (lowest === null || address < lowest)) lowest = address;
    }
    reader.skip(reader.u32());
  }
  return lowest;
}

/** Reads a constant expression. The number of `i32.const` as u32; null for any other expression. */
export function readAddress(reader: Reader): number | null {
  const start = reader.position;
  if (reader.byte() === I32_CONST) {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = reader.byte();
      value |= (byte & 0x7f) << shift;
      if (byte >= 0x80 && shift < 28) continue;
      if (shift < 28 && (byte & 0x40) !== 0) value |= -1 << (shift + 7);
      break;
    }
    if (reader.byte() === END) return value >>> 0;
  }
  reader.position = start;
  skipConstant(reader);
  return null;
}

/**
 * A place to unwind into for a moment: pages with data are resident anyway. 16 bytes aligned.
 * @param memoryPages what the memory starts with, 64 KiB each
 * @returns null for a memory that starts empty
 */
export function borrowedAddress(dataStart: number | null, memoryPages: number): number | null {
  if (memoryPages === 0) return null;
  const last = Math.max(0, memoryPages * PAGE_BYTES - BORROW_BYTES);
  return Math.min(dataStart ?? last, last) & ~15;
}
