// What a host function gives by pointer: bytes in memory that the guest itself allocates (lunatic-abi.md §1.6).
import { type Host, SLICE } from "./host.ts";

const ALLOCATE = "lunatic_alloc";
/** What the guest's function may use of reductions. It cannot be unwound: a host function called it. */
const REDUCTIONS = 100 * SLICE;

/** Writes the length, and gives the place of the bytes. Traps without the export, and where it gives no such place. */
export function give(host: Host, bytes: Uint8Array, lengthOut: number): number {
  host.range(lengthOut, 4);
  const allocate = host.instance?.exports[ALLOCATE];
  if (typeof allocate !== "function") return host.trap(`it needs the export ${ALLOCATE}`);
  const stack = host.instance?.stack ?? null;
  const before = stack?.reductions ?? 0;
  const isNested = host.isCalledBack;
  host.isCalledBack = true;
  // One that is called by another, through a host function, has what that one has left.
  const given = isNested ? Math.min(before, REDUCTIONS) : REDUCTIONS;
  if (stack !== null) stack.reductions = given;
  let pointer: number;
  try {
    pointer = Number(allocate(bytes.length));
  } finally {
    if (stack !== null) stack.reductions = before - (given - stack.reductions); // a trap may be caught
    host.isCalledBack = isNested;
  }
  host.enter();
  host.slice(pointer, bytes.length).set(bytes);
  host.writeU32(lengthOut, bytes.length);
  return pointer | 0;
}
