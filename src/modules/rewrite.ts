// Writes the policy's maxima and the exports the carrier needs into a scanned module. Any thread, pure.
import type { ModuleInfo } from "../../wire/specs.ts";
import { leb } from "./reader.ts";
import { RESERVED_PREFIX, type Scan } from "./scan.ts";
import { readSection, replaceSections, SECTION, type Section } from "./sections.ts";
import { borrowedAddress } from "./segments.ts";
import { PAGE_BYTES, type ScanLimits } from "./storage.ts";

export interface Rewritten {
  readonly bytes: Uint8Array;
  readonly info: ModuleInfo;
}

const MEMORY_KIND = 2;
const GLOBAL_KIND = 3;

/**
 * The module with
 * - the memory's maximum at most the policy's: V8 then refuses memory.grow exactly there (resourceLimits do not);
 * - each table's maximum at most its minimum and an equal share of what the policy leaves: together never more;
 * - each mutable global exported as `frenezulo:global:N`, so that the carrier can put it back (DECISIONS 5.1);
 * - the memory exported as `frenezulo:memory` if the guest does not export it.
 *
 * All other bytes stay as they are. It validates if and only if the original does.
 */
export function rewrite(bytes: Uint8Array, scan: Scan, limits: ScanLimits): Rewritten {
  const added: { name: string; kind: number; index: number }[] = scan.mutableGlobals.map((index) => ({
    name: `${RESERVED_PREFIX}global:${index}`,
    kind: GLOBAL_KIND,
    index,
  }));
  const globals = added.map(({ name }) => name);
  let memoryName = scan.memory?.exportName ?? null;
  if (scan.memory !== null && memoryName === null) {
    memoryName = `${RESERVED_PREFIX}memory`;
    added.push({ name: memoryName, kind: MEMORY_KIND, index: 0 });
  }
  const pagesMax = Math.min(scan.memory?.max ?? Number.POSITIVE_INFINITY, Math.floor(limits.memoryBytes / PAGE_BYTES));

  const payloads = new Map<number, Uint8Array>();
  for (const section of scan.sections) {
    if (section.id === SECTION.table) payloads.set(section.id, tableSection(scan, limits));
    if (section.id === SECTION.memory && scan.memory !== null)
      payloads.set(section.id, Uint8Array.from([1, 1, ...leb(scan.memory.min), ...leb(pagesMax)]));
    if (section.id === SECTION.export && added.length > 0)
      payloads.set(section.id, exportSection(bytes, section, added));
  }

  return {
    bytes: replaceSections(bytes, scan.sections, payloads),
    info: {
      memory: memoryName,
      memoryPagesMin: scan.memory?.min ?? 0,
      memoryPagesMax: scan.memory === null ? 0 : pagesMax,
      globals,
      entry: scan.entry,
      initialize: scan.initialize,
      light: limits.light === true,
      borrow: scan.memory === null ? null : borrowedAddress(scan.dataStart, scan.memory.min),
      notResettable: scan.notResettable,
    },
  };
}

function tableSection(scan: Scan, limits: ScanLimits): Uint8Array {
  const used = scan.tables.reduce((sum, table) => sum + table.min, 0);
  const share = Math.floor((limits.tableElements - used) / scan.tables.length);
  const entries = scan.tables.map(({ type, min, max }) => {
    const bound = Math.min(max ?? Number.POSITIVE_INFINITY, min + share);
    return [type, 1, ...leb(min), ...leb(bound)];
  });
  return Uint8Array.from([...leb(scan.tables.length), ...entries.flat()]);
}

/** The guest's exports as they are, and then ours. */
function exportSection(
  bytes: Uint8Array,
  section: Section,
  added: readonly { readonly name: string; readonly kind: number; readonly index: number }[],
): Uint8Array {
  const reader = readSection(bytes, section);
  const count = reader.u32();
  const own = bytes.subarray(reader.position, section.end);
  const entries = added.flatMap(({ name, kind, index }) => [
    ...leb(name.length),
    ...Buffer.from(name, "ascii"),
    kind,
    ...leb(index),
  ]);
  return Buffer.concat([Uint8Array.from(leb(count + added.length)), own, Uint8Array.from(entries)]);
}
