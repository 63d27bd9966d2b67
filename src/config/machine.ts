// What the machine has, and how many threads a node makes on it unless told otherwise.
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { DESCRIPTORS_MAX } from "../../wire/specs.ts";

export const cores = availableParallelism();

/** Threads that check and compile modules, at most at once. They count in the budget of threads (DECISIONS 2.3). */
export const COMPILE_THREADS = 2;
export const THREADS_MAX = 512;
/** 45 mappings and 4 descriptors each (reliability.md §6). */
export const threadsDefault = Math.min(4 * cores, 64);

const FILES_MIN = 16;

/** Instances in the process, of actors and of light processes: V8 has addresses for some 13,000 (DESIGN fact 12). */
export const INSTANCES_MAX = 12_500;

/**
 * Descriptors that the guests of one carrier may hold open: all carriers together at most a quarter of what the process
 * may have (Node raises its soft limit to the hard one), so that connections and the store have theirs.
 */
export function guestFilesMax(carriers: number): number {
  const limits = readIfThere("/proc/self/limits");
  const descriptors = Number(/^Max open files +(\d+)/m.exec(limits)?.[1] ?? 1024);
  return Math.min(Math.max(Math.floor(descriptors / 4 / carriers), FILES_MIN), DESCRIPTORS_MAX);
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
