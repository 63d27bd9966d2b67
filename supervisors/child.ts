// One child as its supervisor sees it: the record, and what the supervisor may know of it at any time. Pure.
import type { Exit } from "../wire/exits.ts";
import type { Report } from "./commands.ts";
import type { ChildSpec } from "./spec.ts";

/**
 * down: does not run and is not to run. waiting: will be started, by its backoff's timer or in its turn.
 * starting: told to start, no answer yet. running. exited: ended by itself, not judged yet because its supervisor is
 * in the middle of starting or stopping others. stopping: told to stop or killed, its end not seen yet.
 */
export type ChildState = "down" | "waiting" | "starting" | "running" | "exited" | "stopping";

export interface Child {
  spec: ChildSpec;
  state: ChildState;
  /** Of the latest start attempt; 0 before the first. */
  generation: number;
  /** Token of the one timer it can have: start time-out, shutdown or backoff. 0: none. */
  timer: number;
  /** Restarts in a row without running through a whole window; the exponent of its backoff. */
  attempts: number;
  /** Restarts in all. */
  restarts: number;
  runningSinceMs: number;
  lastExit: Exit | null;
  /** Killed already: nothing more to do but wait for its end. */
  killed: boolean;
  /** Forget it when it has ended. */
  removing: boolean;
  /** Its first start is still a trial: if it fails the child is forgotten. */
  trial: boolean;
  /** Why its start counts as failed although it is still being killed. */
  failure: string | null;
}

export function newChild(spec: ChildSpec, trial: boolean): Child {
  return {
    spec,
    state: "down",
    generation: 0,
    timer: 0,
    attempts: 0,
    restarts: 0,
    runningSinceMs: 0,
    lastExit: null,
    killed: false,
    removing: false,
    trial,
    failure: null,
  };
}

/** True for exits after which a transient child is not restarted. */
export function isNormal(exit: Exit): boolean {
  return exit.reason === "normal" || exit.reason === "shutdown";
}

/** Whether a child that was told to stop ended as OTP expects of it; if not, that is a shutdown_error. */
export function endedAsTold(child: Child, exit: Exit): boolean {
  if (exit.reason === "shutdown") return child.spec.shutdown !== "brutal_kill" || child.spec.restart !== "permanent";
  if (exit.reason === "normal") return child.spec.restart !== "permanent";
  return exit.reason === "killed" && child.spec.shutdown === "brutal_kill";
}

export function offender({ spec, generation, restarts }: Child): Report["offender"] {
  const { id, type, restart, shutdown, significant } = spec;
  return { id, generation, type, restart, shutdown, significant, restarts };
}
