// The part of a module that is compiled on trial: its heavy functions, with all others emptied. Any thread, pure.
//
// V8 compiles a function at its first call, in the thread that calls and in those of the process, and nothing there
// bounds what that takes: 6 KB of divisions took TurboFan a gigabyte, 18 KB of nested blocks Liftoff five, and beyond
// 2^24 nodes it ends the process (reliability.md, finding 15). What counts do not show to be cheap (cost.ts) is
// therefore compiled once where it can be killed (trial-worker.ts), before the module is taken.
import { PREAMBLE_BYTES } from "./preamble.ts";
import { leb, printable, Reader } from "./reader.ts";
import { readSection, SECTION, splitSections } from "./sections.ts";

/** A body with its length: no locals, unreachable, end. It fits every type. */
const EMPTIED = Uint8Array.of(3, 0, 0x00, 0x0b);
const NAME_MAX = 120;

/** What is tried of a module. */
export interface Trial {
  /** The module with only its heavy bodies. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The heavy bodies: their places in the code section, and what to call them. */
  readonly functions: ReadonlyMap<number, string>;
}

/**
 * A module in which all bodies but some are emptied, without start section, data and custom sections.
 * @param bytes a module that was scanned
 * @param kept bodies by their place in the code section
 */
export function withOnly(bytes: Uint8Array, kept: ReadonlySet<number>): Uint8Array<ArrayBuffer> {
  const pieces: Uint8Array[] = [bytes.subarray(0, PREAMBLE_BYTES)];
  let segments = 0;
  for (const section of splitSections(bytes)) {
    const reader = readSection(bytes, section);
    if (section.id === SECTION.start || section.id === SECTION.data) continue;
    if (section.id === SECTION.dataCount) segments = reader.u32();
    if (section.id === SECTION.code) pieces.push(sectionOf(section.id, emptied(reader, kept)));
    else pieces.push(bytes.subarray(section.start, section.end));
  }
  // As many as were announced, each passive and of no bytes.
  if (segments > 0) pieces.push(sectionOf(SECTION.data, [Uint8Array.from(leb(segments)), repeated([1, 0], segments)]));
  return Buffer.concat(pieces);
}

/** The places of the bodies that are not emptied. @param bytes as `withOnly` made them */
export function keptBodies(bytes: Uint8Array): number[] {
  const section = splitSections(bytes).find(({ id }) => id === SECTION.code);
  const kept: number[] = [];
  if (section === undefined) return kept;
  const reader = readSection(bytes, section);
  const count = reader.u32();
  for (let index = 0; index < count; index++) {
    const length = reader.u32();
    if (length > EMPTIED.length - 1) kept.push(index);
    reader.skip(length);
  }
  return kept;
}

/**
 * Names of functions, as the module's name section gives them; "" where it gives none.
 * @param wanted numbers of functions, imported ones counted
 */
export function functionNames(bytes: Uint8Array, wanted: readonly number[]): Map<number, string> {
  const names = new Map(wanted.map((index) => [index, ""]));
  try {
    const reader = nameSection(bytes);
    for (let left = reader?.u32() ?? 0; reader !== null && left > 0; left--) {
      const index = reader.u32();
      const name = reader.name();
      if (names.has(index)) names.set(index, printable(name, NAME_MAX));
    }
  } catch {
    // A name section need not be valid: it is for people only.
  }
  return names;
}

/** The names of functions in the custom section "name". */
function nameSection(bytes: Uint8Array): Reader | null {
  const reader = new Reader(bytes, PREAMBLE_BYTES, bytes.length, "the module");
  while (!reader.isAtEnd) {
    const id = reader.byte();
    const length = reader.u32();
    const section = new Reader(bytes, reader.position, reader.position + length, "the name section");
    reader.skip(length);
    if (id !== 0 || section.name() !== "name") continue;
    while (!section.isAtEnd) {
      const kind = section.byte();
      const size = section.u32();
      if (kind === 1) return section;
      section.skip(size);
    }
  }
  return null;
}

function emptied(reader: Reader, kept: ReadonlySet<number>): Uint8Array[] {
  const count = reader.u32();
  const pieces: Uint8Array[] = [Uint8Array.from(leb(count))];
  for (let index = 0; index < count; index++) {
    const start = reader.position;
    reader.skip(reader.u32());
    pieces.push(kept.has(index) ? reader.bytes.subarray(start, reader.position) : EMPTIED);
  }
  return pieces;
}

function sectionOf(id: number, contents: readonly Uint8Array[]): Uint8Array {
  const length = contents.reduce((sum, piece) => sum + piece.length, 0);
  return Buffer.concat([Uint8Array.from([id, ...leb(length)]), ...contents]);
}

function repeated(piece: readonly number[], count: number): Uint8Array {
  return Buffer.alloc(count * piece.length, Uint8Array.from(piece));
}
