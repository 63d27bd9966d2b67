// Checks a module's sections before V8 sees it, and finds what the rewrite and the carrier must know. Any thread, pure.
import { LIGHT_EXPORTS } from "../../wire/abi/light.ts";
import type { Signature } from "../../wire/abi/table.ts";
import { FrenezuloError } from "../errors.ts";
import { type Body, isLight, isShort } from "./cost.ts";
import { checkImports, typeText } from "./imports.ts";
import { skipConstant, skipValueType, walkBody } from "./opcodes.ts";
import { checkPreamble } from "./preamble.ts";
import { needsProposal } from "./proposals.ts";
import { printable, Reader } from "./reader.ts";
import { readSection, SECTION, type Section, splitSections } from "./sections.ts";
import { readDataStart } from "./segments.ts";
import { atMost, mustEnd, readMemory, readTables, type ScanLimits, type Table, tooMuch } from "./storage.ts";

export interface Scan {
  /** All sections but custom ones, in order. */
  readonly sections: readonly Section[];
  /** The one memory, in pages of 64 KiB; null for a module without. */
  readonly memory: { readonly min: number; readonly max: number | null; readonly exportName: string | null } | null;
  readonly tables: readonly Table[];
  /** Indices of the globals that can be read and put back from outside. */
  readonly mutableGlobals: readonly number[];
  readonly entry: string | null;
  /** How many functions are imported: own ones have the numbers behind them. */
  readonly imports: number;
  /** True if `_initialize` is exported. */
  readonly initialize: boolean;
  readonly codeBytes: number;
  /** Where the active data segments begin that have a constant address; null without any. */
  readonly dataStart: number | null;
  /** Why an instance cannot be put back in place; null if it can. */
  readonly notResettable: string | null;
  /** Bodies, by their place in the code section, that counts alone do not show to be cheap to compile (cost.ts). */
  readonly heavy: readonly number[];
}

/** Names under this prefix belong to the rewrite; guests may not export them. */
export const RESERVED_PREFIX = "frenezulo:";

// Bounds that keep one module's scan and compilation to some hundred milliseconds (reliability.md §2: a million
// functions take V8 0.3 s and 78 MiB). The largest program at hand, Ruby with 30 MB, has a tenth of each.
const TYPES_MAX = 20_000;
const FUNCTIONS_MAX = 250_000;
const LOCALS_MAX = 10_000_000;
const GLOBALS_MAX = 100_000;
const EXPORTS_MAX = 100_000;
/** With more mutable globals than this, a new instance is cheaper than putting them back. */
const MUTABLE_GLOBALS_MAX = 1000;

const entries = ["frenezulo_main", "_start", "main"] as const;
const INITIALIZE = "_initialize";

/**
 * @throws bad_module, unknown_import, missing_entry, module_limits; never anything else, whatever the bytes
 */
export function scan(bytes: Uint8Array, limits: ScanLimits): Scan {
  checkPreamble(bytes);
  const sections = splitSections(bytes);
  const open = (id: number): Reader | null => {
    const section = sections.find((each) => each.id === id);
    return section === undefined ? null : readSection(bytes, section);
  };

  const types = readTypes(open(SECTION.type));
  const importReader = open(SECTION.import);
  const imported = importReader === null ? [] : checkImports(importReader, types, limits.light === true);
  const tables = readTables(open(SECTION.table), limits);
  const memory = readMemory(open(SECTION.memory), limits);
  checkFunctionCount(open(SECTION.function));
  checkDataBytes(open(SECTION.data), limits);
  const globals = readGlobals(open(SECTION.global));
  const exported = readExports(open(SECTION.export), limits.light === true);

  const signatureOf = (name: string): Signature | undefined => {
    const index = exported.functions.get(name);
    if (index === undefined) return undefined;
    return index < imported.length
      ? imported[index]
      : ownSignature(open(SECTION.function), types, index - imported.length);
  };
  const entry = chooseEntry(signatureOf, limits.needsEntry !== false);
  const initialize = signatureOf(INITIALIZE);
  if (initialize !== undefined && initialize !== ">") {
    throw new FrenezuloError("bad_module", { why: `its ${INITIALIZE} is ${typeText(initialize)}, not () -> ()` });
  }

  const code = open(SECTION.code);
  const canHoldIrreversible = tables.length > 0 || open(SECTION.dataCount) !== null;
  const shapes = readShapes(open(SECTION.function), types, open(SECTION.tag) !== null);
  const bodies = code === null ? noBodies : readCode(code, shapes, canHoldIrreversible);
  return {
    sections,
    memory: memory === null ? null : { ...memory, exportName: exported.memory },
    tables,
    mutableGlobals: globals.mutable,
    entry,
    imports: imported.length,
    initialize: initialize !== undefined,
    codeBytes: code === null ? 0 : code.end - code.position,
    dataStart: readDataStart(open(SECTION.data)),
    notResettable: bodies.irreversible ?? globals.notResettable,
    heavy: bodies.heavy,
  };
}

/** Function types as signatures. */
function readTypes(reader: Reader | null): Signature[] {
  const types: Signature[] = [];
  if (reader === null) return types;
  const count = atMost(reader.u32(), TYPES_MAX, "types");
  for (let index = 0; index < count; index++) {
    const form = reader.byte();
    if (form === 0x4e || form === 0x50 || form === 0x4f || form === 0x5e || form === 0x5f)
      reader.fail(needsProposal("GC"));
    if (form !== 0x60) reader.fail("has a type that is not a function type");
    const parameters = readTypeList(reader);
    types.push(`${parameters}>${readTypeList(reader)}`);
  }
  return mustEnd(reader, types);
}

const typeLetters: Readonly<Record<number, string>> = {
  127: "i",
  126: "I",
  125: "f",
  124: "F",
  123: "v",
  112: "r",
  111: "x",
};

function readTypeList(reader: Reader): string {
  let letters = "";
  for (let left = reader.u32(); left > 0; left--) letters += readValueType(reader);
  return letters;
}

function readValueType(reader: Reader): string {
  const byte = reader.byte();
  const letter = typeLetters[byte];
  if (letter !== undefined) return letter;
  if (byte === 0x69 || byte === 0x74) reader.fail(needsProposal("exceptions with exnref"));
  if (byte >= 0x63 && byte <= 0x73) reader.fail(needsProposal("GC or typed function references"));
  return reader.fail("has an unknown value type");
}

function checkFunctionCount(reader: Reader | null): void {
  if (reader !== null) atMost(reader.u32(), FUNCTIONS_MAX, "functions");
}

/** The type of the module's own function number `index`; only asked for a few, so nothing is stored. */
function ownSignature(reader: Reader | null, types: readonly Signature[], index: number): Signature | undefined {
  if (reader === null || index >= reader.u32()) return undefined;
  for (let skipped = 0; skipped < index; skipped++) reader.skipNumber(5);
  return types[reader.u32()];
}

function readGlobals(reader: Reader | null): { mutable: number[]; notResettable: string | null } {
  if (reader === null) return { mutable: [], notResettable: null };
  const count = atMost(reader.u32(), GLOBALS_MAX, "globals");
  const mutable: number[] = [];
  let notResettable: string | null = null;
  for (let index = 0; index < count; index++) {
    const type = readValueType(reader);
    const mutability = reader.byte();
    if (mutability > 1) reader.fail("has unknown flags");
    skipConstant(reader);
    if (mutability === 0) continue;
    if (type === "v") notResettable = "it has a mutable global of type v128, which cannot be read from outside";
    else mutable.push(index);
  }
  mustEnd(reader, null);
  if (mutable.length <= MUTABLE_GLOBALS_MAX) return { mutable, notResettable };
  return { mutable: [], notResettable: `it has ${mutable.length} mutable globals, more than ${MUTABLE_GLOBALS_MAX}` };
}

interface Exported {
  /** Indices of exported functions that have a meaning here, by name. */
  readonly functions: ReadonlyMap<string, number>;
  readonly memory: string | null;
}

const meaningful: ReadonlySet<string> = new Set([...entries, INITIALIZE]);

function readExports(reader: Reader | null, light: boolean): Exported {
  const functions = new Map<string, number>();
  let memory: string | null = null;
  if (reader === null) return { functions, memory };
  const count = atMost(reader.u32(), EXPORTS_MAX, "exports");
  for (let index = 0; index < count; index++) {
    const name = reader.name();
    const kind = reader.byte();
    const target = reader.u32();
    if (name.startsWith(RESERVED_PREFIX) && !(light && isOfLight(name))) {
      reader.fail(`has the name ${printable(name)}; names that begin with ${RESERVED_PREFIX} are reserved`);
    }
    if (kind === 0 && meaningful.has(name)) functions.set(name, target);
    if (kind === 2 && (memory === null || name === "memory") && isAscii(name)) memory = name;
  }
  return mustEnd(reader, { functions, memory });
}

function isOfLight(name: string): boolean {
  const { reductions, start, stackPointer } = LIGHT_EXPORTS;
  return name === reductions || name === start || name === stackPointer;
}

/** Names that are not ASCII are not worth decoding: the rewrite exports the memory under a name of its own. */
function isAscii(name: string): boolean {
  return /^[\x20-\x7e]{1,80}$/.test(name);
}

function chooseEntry(signatureOf: (name: string) => Signature | undefined, isNeeded: boolean): string | null {
  const found: string[] = [];
  for (const name of entries) {
    const signature = signatureOf(name);
    if (signature === ">") return name;
    if (signature !== undefined) found.push(`${name} is ${typeText(signature)}`);
  }
  if (!isNeeded) return null;
  throw new FrenezuloError("missing_entry", { why: found.length === 0 ? "it exports none of them" : found.join(", ") });
}

/** What the types say of the module's own functions. */
interface Shapes {
  /** Of each function. */
  readonly parameters: Uint16Array;
  readonly resultsMax: number;
}

function readShapes(reader: Reader | null, types: readonly Signature[], hasTags: boolean): Shapes {
  const counts = types.map((type) => type.indexOf(">"));
  // One instruction leaves as many values as a type has results; a catch as many as its tag has parameters.
  let resultsMax = 1;
  for (const [index, type] of types.entries()) {
    const parameters = counts[index] as number;
    resultsMax = Math.max(resultsMax, type.length - parameters - 1, hasTags ? parameters : 0);
  }
  const own = new Uint16Array(reader?.u32() ?? 0);
  for (let index = 0; reader !== null && index < own.length; index++) own[index] = counts[reader.u32()] ?? 0;
  return { parameters: own, resultsMax };
}

interface Bodies {
  readonly irreversible: string | null;
  readonly heavy: readonly number[];
}

const noBodies: Bodies = { irreversible: null, heavy: [] };

/** Bounds the locals, finds what is not surely cheap to compile and, if `mustWalk`, what cannot be put back. */
function readCode(section: Reader, { parameters, resultsMax }: Shapes, mustWalk: boolean): Bodies {
  const { bytes, what } = section;
  const reader = new Reader(bytes, section.position, section.end, what);
  const count = atMost(reader.u32(), FUNCTIONS_MAX, "function bodies");
  let irreversible: string | null = null;
  const heavy: number[] = [];
  let locals = 0;
  for (let index = 0; index < count; index++) {
    const length = reader.u32();
    const start = reader.position;
    reader.skip(length);
    const reading = new Reader(bytes, start, reader.position, what);
    const localsBefore = locals;
    for (let groups = reading.u32(); groups > 0; groups--) {
      locals = atMost(locals + reading.u32(), LOCALS_MAX, "locals");
      skipValueType(reading);
    }
    const body: Body = { bytes: length, locals: (parameters[index] ?? 0) + locals - localsBefore, resultsMax };
    if (isShort(body) && (!mustWalk || irreversible !== null)) continue;
    const walk = walkBody(reading);
    if (!isLight(body, walk)) heavy.push(index);
    if (walk.irreversible !== null) irreversible ??= `function body ${index} has ${walk.irreversible}`;
  }
  return { irreversible: mustWalk ? irreversible : null, heavy };
}

/** All data segments, passive ones too, come from bytes that the module carries: they may not exceed the memory. */
function checkDataBytes(reader: Reader | null, limits: ScanLimits): void {
  const bytes = reader === null ? 0 : reader.end - reader.position;
  if (bytes > limits.memoryBytes) {
    tooMuch(`its data section has ${bytes} bytes and the policy's limit of memory is ${limits.memoryBytes} bytes`);
  }
}
