// A process as guests name it: any u64.
import { u64 } from "./host.ts";

/** Lives in no carrier: its slot is the main thread's (pids.ts). */
const NOBODY = 2 ** 53 - 1024;

/** Pids of processes are below 2^53; any other number is nobody's. */
export function pidOf(value: bigint): number {
  const pid = Number(u64(value));
  return Number.isSafeInteger(pid) ? pid : NOBODY;
}
