// What a thread of this process has done, as the kernel counts it.
import { readFileSync } from "node:fs";

/** The kernel's unit for processes' times: USER_HZ is 100 on every platform of Node's. ms */
const TICK_MS = 10;

export interface ThreadUse {
  /** CPU time of its own since it began. ms */
  readonly cpuMs: number;
  /** True if it waits for something, false if it runs or would run if it were its turn. */
  readonly isBlocked: boolean;
}

/** @param thread the kernel's number for it. @returns null if it has ended, or the kernel does not say */
export function threadUse(thread: number): ThreadUse | null {
  try {
    const stat = readFileSync(`/proc/self/task/${thread}/stat`, "latin1");
    // After the name, which is in parentheses and may hold any character: the third field and those that follow it.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { cpuMs: (Number(fields[11]) + Number(fields[12])) * TICK_MS, isBlocked: fields[0] !== "R" };
  } catch {
    return null;
  }
}
