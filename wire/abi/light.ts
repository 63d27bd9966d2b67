// The names that a light module has beside those of a plain one: what the rewrite (src/modules/lighten.ts) gives it,
// and the kernel uses. Pure data.

import { blockingFunctions, callingBack } from "./blocking.ts";

/** The import module of light modules only. Both functions are () -> (). */
export const LIGHT_IMPORTS = {
  module: "frenezulo:light",
  /** Called at a loop head when the reductions are used up (below 0). It may unwind. */
  yield: "yield",
  /** Called at a function entry when they are. It must not unwind; a process that is to die traps here. */
  check: "check",
} as const;

export const LIGHT_EXPORTS = {
  /** Mutable i32 global: the reductions that are left; counts down, beyond 0 too. 2^31 - 1 until somebody sets it. */
  reductions: "frenezulo:reductions",
  /** () -> (): the module's start function, if it has one; to be called first, and may block. */
  start: "frenezulo:start",
  /**
   * Mutable i32 global, only in modules of LLVM's whose stack lies below all data: its stack pointer. While a host
   * function runs, nothing in [0, pointer) is needed: a stack may be unwound there without putting bytes aside.
   */
  stackPointer: "frenezulo:stack",
  /**
   * (i32) -> (): the address of two u32, the next free byte and the end of the room for the stack. The end is looked at
   * only when the stack is unwound: a deeper one has then overwritten what follows, and `stopUnwind` traps.
   */
  startUnwind: "asyncify_start_unwind",
  stopUnwind: "asyncify_stop_unwind",
  startRewind: "asyncify_start_rewind",
  stopRewind: "asyncify_stop_rewind",
  /** () -> i32: 0 normal, 1 unwinding, 2 rewinding. */
  state: "asyncify_get_state",
} as const;

/** To be raised when the rewrite makes others than before. */
const REWRITE = 3;

/** What light modules are kept under besides their digest: changes with the rewrite and with what may block. */
export const REWRITE_VERSION = REWRITE * 2 ** 32 + checksum(JSON.stringify([blockingFunctions, callingBack]));

/** FNV-1a, 32 bits. */
function checksum(text: string): number {
  let sum = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) sum = Math.imul(sum ^ text.charCodeAt(i), 0x01000193);
  return sum >>> 0;
}

/** Bytes of guest memory that the kernel borrows to unwind into, where the memory has as many. */
export const BORROW_BYTES = 65_536;
