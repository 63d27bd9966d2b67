// THE exit reasons of an actor: why it ended, as data. Shared by carriers, supervisors and the main thread.
// Imports nothing.

/** Why an actor or one of its requests ended. `normal` and `shutdown` are not failures. */
export const exitReasons = [
  "normal", // frenezulo_main returned
  "shutdown", // stopped in order: reap, replace, drain
  "trap", // the guest trapped: unreachable, out of bounds, stack overflow, a host function's refusal
  "memory", // the guest trapped with its memory at its limit
  "exit", // the guest called proc_exit with a code other than 0
  "deadline", // ran longer than its policy's deadline; its carrier was terminated
  "killed", // its carrier died under it, or another process killed it
  "start_failed", // instantiation, the start function or _initialize failed
  "hogged", // a light process that did not give its turn back while others waited
  "noproc", // linked or monitored a process that does not exist
] as const;

export type ExitReason = (typeof exitReasons)[number];

/** An exit as supervisors, log and metrics see it. `text` is for people: one line, no control characters. */
export interface Exit {
  readonly reason: ExitReason;
  readonly text: string;
}

/** True for the reasons that OTP calls normal: `transient` children are not restarted after them. */
export function isNormalExit(reason: ExitReason): boolean {
  return reason === "normal" || reason === "shutdown";
}
