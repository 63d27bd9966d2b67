// Splits a module into its sections: known ones, in order, within bounds. Any thread, pure.

import { PREAMBLE_BYTES } from "./preamble.ts";
import { leb, Reader } from "./reader.ts";

/** A section's place: header from `start`, contents from `payload` to `end`. */
export interface Section {
  readonly id: number;
  readonly start: number;
  readonly payload: number;
  readonly end: number;
}

export const SECTION = {
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  memory: 5,
  tag: 13,
  global: 6,
  export: 7,
  start: 8,
  element: 9,
  dataCount: 12,
  code: 10,
  data: 11,
} as const;

/** Sections in the order they must come (core specification 5.5.2; the tag section stands before the globals). */
const order = [
  [1, "type"],
  [2, "import"],
  [3, "function"],
  [4, "table"],
  [5, "memory"],
  [13, "tag"],
  [6, "global"],
  [7, "export"],
  [8, "start"],
  [9, "element"],
  [12, "data count"],
  [10, "code"],
  [11, "data"],
] as const;

const places = new Map<number, { readonly rank: number; readonly name: string }>(
  order.map(([id, name], rank) => [id, { rank, name }]),
);

/** More than this many custom sections are refused: each costs an object here and in V8. */
const CUSTOM_MAX = 1000;

/**
 * The sections of a module whose preamble was checked, custom ones left out.
 * @throws bad_module
 */
export function splitSections(bytes: Uint8Array): Section[] {
  const reader = new Reader(bytes, PREAMBLE_BYTES, bytes.length, "the module");
  const sections: Section[] = [];
  let rankBefore = -1;
  let customs = 0;
  while (!reader.isAtEnd) {
    const start = reader.position;
    const id = reader.byte();
    const length = reader.u32();
    const payload = reader.position;
    const place = places.get(id);
    if (place === undefined && id !== 0) reader.fail(`has a section of the unknown kind ${id}`);
    if (length > bytes.length - payload) {
      reader.fail(`ends within its ${place?.name ?? "custom"} section, which promises ${length} bytes`);
    }
    reader.skip(length);
    if (place === undefined) {
      if (++customs > CUSTOM_MAX) reader.fail(`has more than ${CUSTOM_MAX} custom sections`);
      continue;
    }
    if (place.rank === rankBefore) reader.fail(`has two ${place.name} sections`);
    if (place.rank < rankBefore) reader.fail(`has its ${place.name} section out of order`);
    rankBefore = place.rank;
    sections.push({ id, start, payload, end: reader.position });
  }
  return sections;
}

/** A reader over a section's contents. */
export function readSection(bytes: Uint8Array, section: Section): Reader {
  return new Reader(bytes, section.payload, section.end, `the ${places.get(section.id)?.name ?? "custom"} section`);
}

/**
 * The module with some sections replaced, added where they are missing, or (null) left out. All other bytes, custom
 * sections among them, stay as they are.
 * @param sections as `splitSections` gave them
 */
export function replaceSections(
  bytes: Uint8Array,
  sections: readonly Section[],
  payloads: ReadonlyMap<number, Uint8Array | null>,
): Uint8Array<ArrayBuffer> {
  const pieces: Uint8Array[] = [];
  const left = new Map(payloads);
  let copied = 0;
  const write = (id: number, payload: Uint8Array | null): void => {
    left.delete(id);
    if (payload !== null) pieces.push(Uint8Array.from([id, ...leb(payload.length)]), payload);
  };
  const writeBefore = (rank: number): void => {
    for (const [id] of order.slice(0, rank)) {
      const payload = left.get(id);
      if (payload !== undefined) write(id, payload);
    }
  };
  for (const { id, start, end } of sections) {
    const rank = places.get(id)?.rank ?? 0;
    if (![...left.keys()].some((other) => (places.get(other)?.rank ?? 0) <= rank)) continue;
    pieces.push(bytes.subarray(copied, start));
    copied = start;
    writeBefore(rank);
    const payload = left.get(id);
    if (payload === undefined) continue;
    write(id, payload);
    copied = end;
  }
  // What belongs behind the last section: before the custom sections that follow it, which may be the name section.
  const last = sections.at(-1)?.end ?? PREAMBLE_BYTES;
  pieces.push(bytes.subarray(copied, Math.max(copied, last)));
  writeBefore(order.length);
  pieces.push(bytes.subarray(Math.max(copied, last)));
  return Buffer.concat(pieces);
}
