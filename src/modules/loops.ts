// Where a function body is counted: its loops and its entry, with their weights; and what in it cannot be unwound.
// Any thread, pure.
import { FrenezuloError } from "../errors.ts";
import { skipImmediates } from "./opcodes.ts";
import type { Reader } from "./reader.ts";

/** A loop that comes back to its head. */
export interface CountedLoop {
  /** Where its first instruction stands: the byte after its block type. */
  readonly at: number;
  /** Instructions of its body, those of loops within it left out; a call counts `CALL_WEIGHT`. At least 1. */
  readonly weight: number;
}

/** An instruction whose work grows with its last operand, in bytes of memory or elements of a table. */
export interface BulkInstruction {
  /** Where its opcode stands. */
  readonly at: number;
  readonly of: "memory" | "table";
}

export interface BodyPlan {
  /** In their order. */
  readonly bulk: readonly BulkInstruction[];
  /** In the order of their heads. */
  readonly loops: readonly CountedLoop[];
  /** Instructions outside loops, if the entry is to be counted; 0 for a small body that calls nothing. */
  readonly entryWeight: number;
}

/** What a call costs beside what the callee counts itself. */
const CALL_WEIGHT = 10;
/** A body that calls nothing takes no part in a recursion; up to this size its callers' weights stand for it. */
const LEAF_WEIGHT_MAX = 100;

const OP = { block: 0x02, loop: 0x03, if: 0x04, end: 0x0b, br: 0x0c, brIf: 0x0d, brTable: 0x0e } as const;
const CALL = 0x10;
const CALL_INDIRECT = 0x11;
const TYPED_SELECT = 0x1c;
const BULK = 0xfc;
/** By what follows `BULK`: memory.init, .copy and .fill, table.init and .copy. Others need references. */
const bulkInstructions = new Map<number, BulkInstruction["of"]>([
  [8, "memory"],
  [10, "memory"],
  [11, "memory"],
  [12, "table"],
  [14, "table"],
]);

/** Where a guest that was unwound would not be what it was: a wait inside a catch is lost (M). */
const refused = new Map<number, string>();
for (const opcode of [0x12, 0x13, 0x15]) refused.set(opcode, "a tail call");
for (const opcode of [0x06, 0x07, 0x08, 0x09, 0x0a, 0x18, 0x19, 0x1f]) refused.set(opcode, "exceptions");
for (const opcode of [0x14, 0x25, 0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6]) refused.set(opcode, "references");

/** What `skipImmediates` names and still can be unwound: no reference passes over the stack. */
const harmless: ReadonlySet<string> = new Set(["data.drop", "elem.drop", "table.init", "table.copy"]);

interface OpenLoop {
  readonly at: number;
  weight: number;
  comesBack: boolean;
}

/**
 * @param reader at the first instruction of a body; its end is the body's
 * @throws not_light, bad_module
 */
export function planBody(reader: Reader): BodyPlan {
  const loops: OpenLoop[] = [];
  const bulk: BulkInstruction[] = [];
  /** The blocks that are open, innermost last; null for all but loops. The first is the body itself. */
  const blocks: (OpenLoop | null)[] = [null];
  /** The loops among them; the first stands for the body itself. */
  const counting: OpenLoop[] = [{ at: 0, weight: 0, comesBack: true }];
  let calls = false;
  const branch = (depth: number): void => {
    const loop = blocks[blocks.length - 1 - depth];
    if (loop) loop.comesBack = true;
  };
  while (!reader.isAtEnd) {
    const opcode = reader.byte();
    const innermost = counting[counting.length - 1] as OpenLoop;
    innermost.weight++;
    switch (opcode) {
      case OP.loop: {
        skip(reader, opcode);
        const loop = { at: reader.position, weight: 0, comesBack: false };
        loops.push(loop);
        counting.push(loop);
        blocks.push(loop);
        break;
      }
      case OP.block:
      case OP.if:
        skip(reader, opcode);
        blocks.push(null);
        break;
      case OP.end:
        closeBlock(blocks, counting);
        break;
      case OP.br:
      case OP.brIf:
        branch(reader.u32());
        break;
      case OP.brTable:
        for (let left = reader.u32() + 1; left > 0; left--) branch(reader.u32());
        break;
      case TYPED_SELECT:
        if (reader.u32() !== 1 || isReference(reader.byte())) refuseLight("its code has references");
        break;
      case CALL:
      case CALL_INDIRECT:
        calls = true;
        innermost.weight += CALL_WEIGHT - 1;
        skip(reader, opcode);
        break;
      case BULK: {
        const of = bulkOf(reader);
        if (of !== undefined) bulk.push({ at: reader.position - 1, of });
        skip(reader, opcode);
        break;
      }
      default:
        skip(reader, opcode);
    }
  }
  const own = counting[0]?.weight ?? 0;
  return {
    bulk,
    loops: loops.filter(({ comesBack }) => comesBack).map(({ at, weight }) => ({ at, weight: Math.max(1, weight) })),
    entryWeight: calls || own > LEAF_WEIGHT_MAX ? own : 0,
  };
}

/** A loop that never comes back is a block: its instructions are its surroundings'. */
function closeBlock(blocks: (OpenLoop | null)[], counting: OpenLoop[]): void {
  const loop = blocks.pop();
  if (!loop) return;
  counting.pop();
  const around = counting[counting.length - 1];
  if (!loop.comesBack && around !== undefined) around.weight += loop.weight;
}

/** What the instruction of the prefix just read works on, if it is a bulk one. Reads nothing. */
function bulkOf(reader: Reader): BulkInstruction["of"] | undefined {
  const before = reader.position;
  const found = bulkInstructions.get(reader.u32());
  reader.position = before;
  return found;
}

/** By a value type's byte: all but numbers and vectors. */
export function isReference(type: number): boolean {
  return type < 0x7b;
}

function skip(reader: Reader, opcode: number): void {
  const why = refused.get(opcode) ?? notHarmless(skipImmediates(reader, opcode));
  if (why !== null) refuseLight(`its code has ${why}`);
}

function notHarmless(found: string | null): string | null {
  return found !== null && harmless.has(found) ? null : found;
}

/** @throws not_light always */
export function refuseLight(why: string): never {
  throw new FrenezuloError("not_light", { why });
}
