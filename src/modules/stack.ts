// Finds the stack pointer of LLVM's linker: below it a light process's stack can lie without putting bytes aside.
// Any thread, pure.
import { PREAMBLE_BYTES } from "./preamble.ts";
import { Reader } from "./reader.ts";
import { readAddress } from "./segments.ts";

const I32 = 0x7f;
/** What the linker's compilers write into the section "producers" (tool-conventions, ProducersSection). */
const compilers = ["clang", "rustc"] as const;

/** Sections of the module. */
interface Described {
  readonly globals: Reader | null;
  readonly exported: Reader | null;
  /** The lowest address of a data segment. */
  readonly dataStart: number | null;
}

/**
 * Whether global 0 is the stack pointer, and the stack lies below all data: then nothing below the pointer is needed
 * while a host function runs. wasm-ld makes it the first global; a module that lies about it harms itself only.
 */
export function hasStackBelowData(bytes: Uint8Array, { globals, exported, dataStart }: Described): boolean {
  if (globals === null || dataStart === null || globals.u32() === 0) return false;
  if (globals.byte() !== I32 || globals.byte() !== 1) return false;
  const top = readAddress(globals);
  return top !== null && top <= dataStart && (hasDataEnd(exported) || namesCompiler(bytes));
}

/** Rust's modules export a name of the linker's, stripped or not. */
function hasDataEnd(exported: Reader | null): boolean {
  for (let left = exported?.u32() ?? 0; exported !== null && left > 0; left--) {
    if (exported.name() === "__data_end") return true;
    exported.skip(1);
    exported.skipNumber(5);
  }
  return false;
}

function namesCompiler(bytes: Uint8Array): boolean {
  const reader = new Reader(bytes, PREAMBLE_BYTES, bytes.length, "the module");
  while (!reader.isAtEnd) {
    const id = reader.byte();
    const length = reader.u32();
    const section = new Reader(bytes, reader.position, reader.position + length, "a custom section");
    reader.skip(length);
    if (id !== 0 || section.name() !== "producers") continue;
    const text = Buffer.from(bytes.subarray(section.position, section.end)).toString("latin1");
    return compilers.some((compiler) => text.includes(compiler));
  }
  return false;
}
