// What the machine has, and how many threads a node makes on it unless told otherwise.
import { availableParallelism } from "node:os";

export const cores = availableParallelism();

/** Threads that check and compile modules, at most at once. They count in the budget of threads (DECISIONS 2.3). */
export const COMPILE_THREADS = 2;
export const THREADS_MAX = 512;
/** 45 mappings and 4 descriptors each (reliability.md §6). */
export const threadsDefault = Math.min(4 * cores, 64);
