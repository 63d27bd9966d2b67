// Reads what a module declares of tables and memory, and holds it against the policy. Any thread, pure.
import { FrenezuloError } from "../errors.ts";
import { needsProposal } from "./proposals.ts";
import type { Reader } from "./reader.ts";

/** What the policy allows a module to declare. */
export interface ScanLimits {
  /** Bytes of linear memory. */
  readonly memoryBytes: number;
  /** Elements of all tables together. */
  readonly tableElements: number;
  /**
   * The module is what our own rewrite made for light processes: only there may the names stand that belong to it
   * (wire/abi/light.ts).
   */
  readonly light?: boolean;
  /** False for a module that is only spawned from, by names of its exports: it needs no entry. */
  readonly needsEntry?: boolean;
}

export interface Table {
  /** The element type's byte: 0x70 funcref, 0x6f externref. */
  readonly type: number;
  readonly min: number;
  readonly max: number | null;
}

export const PAGE_BYTES = 65_536;
const PAGES_MAX = 65_536;
const TABLES_MAX = 100;

/** Minimum and maximum of a table or memory. Flags: core specification 5.3.8, threads, memory64, custom page sizes. */
function readLimits(reader: Reader, of: string): { min: number; max: number | null } {
  const flags = reader.byte();
  if (flags & 0x08) reader.fail(needsProposal("custom page sizes"));
  if (flags & 0x04) reader.fail(needsProposal("memory64"));
  if (flags & 0x02) reader.fail(`has a shared ${of}; services have no threads: compile without atomics`);
  if (flags > 1) reader.fail("has unknown flags");
  const min = reader.u32();
  const max = flags === 1 ? reader.u32() : null;
  if (max !== null && max < min) reader.fail(`has a ${of} whose maximum is below its minimum`);
  return { min, max };
}

/** @throws bad_module, module_limits */
export function readTables(reader: Reader | null, limits: ScanLimits): Table[] {
  const tables: Table[] = [];
  if (reader === null) return tables;
  const count = atMost(reader.u32(), TABLES_MAX, "tables");
  let elements = 0;
  for (let index = 0; index < count; index++) {
    const type = reader.byte();
    if (type === 0x40 || (type >= 0x63 && type < 0x6f)) reader.fail(needsProposal("typed function references"));
    if (type !== 0x70 && type !== 0x6f) reader.fail("has a table of an unknown element type");
    const { min, max } = readLimits(reader, "table");
    elements += min;
    tables.push({ type, min, max });
  }
  if (elements > limits.tableElements) {
    tooMuch(`its tables start with ${elements} elements and the policy's limit is ${limits.tableElements}`);
  }
  return mustEnd(reader, tables);
}

/** The one memory, in pages; null for a module without. @throws bad_module, module_limits */
export function readMemory(reader: Reader | null, limits: ScanLimits): { min: number; max: number | null } | null {
  if (reader === null) return null;
  const count = reader.u32();
  if (count > 1) reader.fail(needsProposal("multi-memory"));
  if (count === 0) return mustEnd(reader, null);
  const memory = readLimits(reader, "memory");
  const bytes = memory.min * PAGE_BYTES;
  if (bytes > limits.memoryBytes) {
    tooMuch(
      `its memory starts with ${bytes} bytes (${memory.min} pages), the policy's limit is ${limits.memoryBytes} bytes`,
    );
  }
  if (memory.max !== null && memory.max > PAGES_MAX) reader.fail(`has a maximum of more than ${PAGES_MAX} pages`);
  return mustEnd(reader, memory);
}

/** @throws module_limits */
export function atMost(count: number, max: number, what: string): number {
  if (count > max) tooMuch(`it has ${count} ${what} and the limit is ${max}`);
  return count;
}

/** The value, once everything of its section was read. @throws bad_module */
export function mustEnd<T>(reader: Reader, value: T): T {
  if (!reader.isAtEnd) reader.fail("is longer than its contents");
  return value;
}

/** @throws module_limits always */
export function tooMuch(why: string): never {
  throw new FrenezuloError("module_limits", { why });
}
