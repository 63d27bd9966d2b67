// Puts the counter of reductions into a module, before Asyncify takes it. Any thread, pure.
//
// One reduction is one instruction, as far as loops.ts can tell. At each loop head the counter goes down by the loop's
// weight, and below zero the guest yields. At function entries it goes down too, but there the guest only asks whether
// is to die (`check`): each function that can yield is one more that Asyncify must take apart (DECISIONS 9.2). Before
// a bulk instruction it goes down by what that will do, and the guest may ask the same.
import { LIGHT_EXPORTS } from "../../wire/abi/light.ts";
import { isReference, planBody, refuseLight } from "./loops.ts";
import { leb, Reader } from "./reader.ts";
import { readSection, replaceSections, SECTION, splitSections } from "./sections.ts";
import { readDataStart } from "./segments.ts";
import { hasStackBelowData } from "./stack.ts";

/** Export names. `yield` and `check` are bodies that do nothing, for Binaryen to put the imports in their place. */
export const COUNTED = {
  reductions: LIGHT_EXPORTS.reductions,
  start: LIGHT_EXPORTS.start,
  yield: "frenezulo:yield",
  check: "frenezulo:check",
} as const;

/** Where the counter begins: a host that sets nothing is not asked for a very long time. */
const COUNTER_MAX = 2 ** 31 - 1;

const FUNCTION_KIND = 0;
const GLOBAL_KIND = 3;
const FUNCTION_TYPE = 0x60;
const I32 = 0x7f;
const EMPTY_BLOCK = 0x40;
const OP = { if: 0x04, end: 0x0b, call: 0x10, localGet: 0x20, localTee: 0x22, globalGet: 0x23, globalSet: 0x24 };
const SELECT = 0x1b;
const I32_OP = { const: 0x41, ltS: 0x48, ltU: 0x49, sub: 0x6b, shl: 0x74, shrU: 0x76 };
/** A reduction moves or fills 16 bytes of memory; a table's element takes 8 (it takes 5 to 10 ns). Powers of 2 */
const BYTES_SHIFT = 4;
const ELEMENT_SHIFT = 3;
/** Elements that count: no table has more, and a number near 2^32 must not wrap around. */
const ELEMENTS_MAX = 2 ** 20;
/** A count; one loop round of more is still one. */
const WEIGHT_MAX = 1_000_000;

/** Indices in the rewritten module. */
interface Places {
  readonly counter: number;
  readonly yield: number;
  readonly check: number;
  /** (i32) -> (i32): gives back its operand, a number of bytes or elements, and counts it. */
  readonly memory: number;
  readonly table: number;
}

/**
 * The module with a counter (exported, i32, at its maximum until a host sets it), with the two functions of `COUNTED`,
 * and with its start section turned into an export. What is added comes last, so that all other indices stay.
 * @param bytes a module that the intake took
 * @throws bad_module, not_light
 */
export function countReductions(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const sections = splitSections(bytes);
  const open = (id: number): Reader | null => {
    const section = sections.find((each) => each.id === id);
    return section === undefined ? null : readSection(bytes, section);
  };
  if ((open(SECTION.memory)?.u32() ?? 0) === 0) refuseLight("it has no memory to keep an unwound stack in");
  refuseAsyncified(open(SECTION.export));
  const parameters = readTypes(open(SECTION.type));
  const imported = open(SECTION.import)?.u32() ?? 0; // functions all: the intake takes no others
  const own = readIndices(open(SECTION.function));
  const started = open(SECTION.start)?.u32();

  const first = imported + own.length;
  const places: Places = {
    counter: open(SECTION.global)?.u32() ?? 0,
    yield: first,
    check: first + 1,
    memory: first + 2,
    table: first + 3,
  };
  const unit = leb(parameters.length);
  const through = leb(parameters.length + 1);
  const exported = [
    exportEntry(COUNTED.reductions, GLOBAL_KIND, places.counter),
    exportEntry(COUNTED.yield, FUNCTION_KIND, places.yield),
    exportEntry(COUNTED.check, FUNCTION_KIND, places.check),
  ];
  const dataStart = readDataStart(open(SECTION.data));
  if (hasStackBelowData(bytes, { globals: open(SECTION.global), exported: open(SECTION.export), dataStart }))
    exported.push(exportEntry(LIGHT_EXPORTS.stackPointer, GLOBAL_KIND, 0));
  if (started !== undefined) exported.push(exportEntry(COUNTED.start, FUNCTION_KIND, started));

  const bodies = countedBodies(open(SECTION.code), own, parameters, places);
  const doNothing = Uint8Array.from([2, 0, OP.end]);
  const ours = [doNothing, doNothing, countThrough(bytesCount, places), countThrough(elementsCount, places)];
  const payloads: [number, Uint8Array | null][] = [
    [
      SECTION.type,
      appended(open(SECTION.type), [
        [FUNCTION_TYPE, 0, 0],
        [FUNCTION_TYPE, 1, I32, 1, I32],
      ]),
    ],
    [SECTION.function, appended(open(SECTION.function), [unit, unit, through, through])],
    [SECTION.global, appended(open(SECTION.global), [[I32, 1, I32_OP.const, ...signedLeb(COUNTER_MAX), OP.end]])],
    [SECTION.export, appended(open(SECTION.export), exported)],
    [SECTION.start, null],
    [SECTION.code, Buffer.concat([Uint8Array.from(leb(own.length + 4)), ...bodies, ...ours])],
  ];
  return replaceSections(bytes, sections, new Map(payloads));
}

/** A module that unwinds itself (TinyGo's goroutines) cannot be unwound by another. */
function refuseAsyncified(reader: Reader | null): void {
  for (let left = reader?.u32() ?? 0; reader !== null && left > 0; left--) {
    if (reader.name().startsWith("asyncify_")) refuseLight("its compiler has put it through Asyncify already");
    reader.skip(1);
    reader.skipNumber(5);
  }
}

/** How many parameters each type has. @throws not_light for references among parameters and results */
function readTypes(reader: Reader | null): number[] {
  const counts: number[] = [];
  for (let left = reader?.u32() ?? 0; reader !== null && left > 0; left--) {
    reader.skip(1);
    counts.push(readValueTypes(reader));
    readValueTypes(reader);
  }
  return counts;
}

function readValueTypes(reader: Reader): number {
  const count = reader.u32();
  for (let left = count; left > 0; left--)
    if (isReference(reader.byte())) refuseLight("it has a function that takes or gives references");
  return count;
}

function readIndices(reader: Reader | null): number[] {
  const indices: number[] = [];
  for (let left = reader?.u32() ?? 0; reader !== null && left > 0; left--) indices.push(reader.u32());
  return indices;
}

/** Each body with its length before it. */
function countedBodies(
  section: Reader | null,
  own: readonly number[],
  parameters: readonly number[],
  places: Places,
): Uint8Array[] {
  if (section === null) return [];
  const { bytes, what } = section;
  const pieces: Uint8Array[] = [];
  if (section.u32() !== own.length) section.fail("has not one body for each function");
  for (const type of own) {
    const length = section.u32();
    const body = new Reader(bytes, section.position, section.position + length, what);
    section.skip(length);
    const counted = countedBody(body, parameters[type] ?? section.fail("belongs to a type that is not there"), places);
    const size = counted.reduce((sum, piece) => sum + piece.length, 0);
    pieces.push(Uint8Array.from(leb(size)), ...counted);
  }
  return pieces;
}

/** A body in pieces: as it was where nothing is to be counted, else with one more local. */
function countedBody(body: Reader, parameters: number, places: Places): Uint8Array[] {
  const { bytes, end } = body;
  const start = body.position;
  const groups = body.u32();
  const afterCount = body.position;
  let locals = parameters;
  for (let left = groups; left > 0; left--) {
    locals += body.u32();
    if (isReference(body.byte())) refuseLight("it has a function with locals that are references");
  }
  let copied = body.position;
  const { loops, bulk, entryWeight } = planBody(body);
  if (loops.length === 0 && bulk.length === 0 && entryWeight === 0) return [bytes.subarray(start, end)];
  const pieces = [Uint8Array.from(leb(groups + 1)), bytes.subarray(afterCount, copied), Uint8Array.from([1, I32])];
  if (entryWeight > 0) pieces.push(countDown(entryWeight, locals, places.counter, places.check));
  const counted = [
    ...loops.map(({ at, weight }) => ({ at, code: countDown(weight, locals, places.counter, places.yield) })),
    ...bulk.map(({ at, of }) => ({ at, code: Uint8Array.from([OP.call, ...leb(places[of])]) })),
  ].sort((one, other) => one.at - other.at);
  for (const { at, code } of counted) {
    pieces.push(bytes.subarray(copied, at), code);
    copied = at;
  }
  pieces.push(bytes.subarray(copied, end));
  return pieces;
}

function countDown(weight: number, local: number, counter: number, called: number): Uint8Array {
  return subtract([I32_OP.const, ...signedLeb(Math.min(weight, WEIGHT_MAX))], local, counter, called);
}

/** Reductions for what local 0 says. */
const bytesCount = [OP.localGet, 0, I32_OP.const, BYTES_SHIFT, I32_OP.shrU];
const elementsMax = [I32_OP.const, ...signedLeb(ELEMENTS_MAX)];
const elementsCount = [
  ...[OP.localGet, 0, ...elementsMax, OP.localGet, 0, ...elementsMax, I32_OP.ltU, SELECT],
  ...[I32_OP.const, ELEMENT_SHIFT, I32_OP.shl],
];

/** A body with its length before it, of type (i32) -> (i32). Both counts are far from where the counter wraps. */
function countThrough(count: readonly number[], { counter, check }: Places): Uint8Array {
  const body = [1, 1, I32, ...subtract(count, 1, counter, check), OP.localGet, 0, OP.end];
  return Uint8Array.from([...leb(body.length), ...body]);
}

/** The local keeps the counter's new value, since V8 reads a global again after it was set. */
function subtract(count: readonly number[], local: number, counter: number, called: number): Uint8Array {
  return Uint8Array.from([
    ...[OP.globalGet, ...leb(counter)],
    ...count,
    I32_OP.sub,
    ...[OP.localTee, ...leb(local)],
    ...[OP.globalSet, ...leb(counter)],
    ...[OP.localGet, ...leb(local)],
    ...[I32_OP.const, 0],
    I32_OP.ltS,
    ...[OP.if, EMPTY_BLOCK],
    ...[OP.call, ...leb(called)],
    OP.end,
  ]);
}

/** A number from 0 on as a signed LEB128 number: bit 6 of its last byte is its sign. */
function signedLeb(value: number): number[] {
  const out = leb(value);
  const last = out.length - 1;
  if (((out[last] as number) & 0x40) !== 0) out.splice(last, 1, (out[last] as number) | 0x80, 0);
  return out;
}

function exportEntry(name: string, kind: number, index: number): number[] {
  return [...leb(name.length), ...Buffer.from(name, "ascii"), kind, ...leb(index)];
}

/** A section that is a list, with more at its end; a new one where there was none. */
function appended(reader: Reader | null, items: readonly (readonly number[])[]): Uint8Array {
  const count = reader?.u32() ?? 0;
  const before = reader === null ? [] : [reader.bytes.subarray(reader.position, reader.end)];
  return Buffer.concat([Uint8Array.from(leb(count + items.length)), ...before, Uint8Array.from(items.flat())]);
}
