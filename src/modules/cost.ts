// What V8's compilers may take for a function at most, told from counts: what is surely small needs no trial
// (trial.ts). Any thread, pure.
import type { Walk } from "./opcodes.ts";

/**
 * A function below it is compiled without a trial. A thread that compiles holds one function at a time, so that this
 * is what each of them may take for what was not tried.
 */
export const LIGHT_BYTES = 128 * 2 ** 20;

// M, the worst of what test/harness/bombs.ts makes: for each pair of a value and a place where control parts or joins
// (Liftoff's states, TurboFan's phis, clones of pure nodes and live ranges), for each such place, for each instruction.
const PAIR_BYTES = 40;
const SPLIT_BYTES = 2_200;
const INSTRUCTION_BYTES = 1_000;

/** What a function is made of. */
export interface Body {
  readonly bytes: number;
  /** Parameters and locals. */
  readonly locals: number;
  /** The most values that one instruction leaves: 1 but for multi-value. */
  readonly resultsMax: number;
}

/** True if the size alone says that the function is small: its instructions need not be counted. */
export function isShort({ bytes, locals, resultsMax }: Body): boolean {
  return cost(locals + bytes * resultsMax, 4 * bytes, bytes) <= LIGHT_BYTES;
}

/** True if compiling the function takes less than `LIGHT_BYTES`, whatever it is. */
export function isLight({ locals, resultsMax }: Body, { instructions, splits }: Walk): boolean {
  return cost(locals + instructions * resultsMax, splits, instructions) <= LIGHT_BYTES;
}

function cost(values: number, splits: number, instructions: number): number {
  return (values * PAIR_BYTES + SPLIT_BYTES) * splits + instructions * INSTRUCTION_BYTES;
}
