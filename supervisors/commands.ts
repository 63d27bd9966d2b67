// What a supervision tree asks of whoever carries it out, and what it reports. Types only.
import type { Exit } from "../wire/exits.ts";
import type { ChildSpec } from "./spec.ts";

/** As OTP's supervisor reports: the log's format is these four fields. */
export interface Report {
  /** Id of the supervisor that reports. */
  readonly supervisor: string;
  /**
   * start_error: a child could not be started. child_terminated: a child ended by itself, and not as its restart type
   * expects. shutdown_error: a child that was told to stop ended in another way. shutdown: the supervisor gives up.
   */
  readonly context: "start_error" | "child_terminated" | "shutdown_error" | "shutdown";
  readonly reason: Exit;
  readonly offender: {
    readonly id: string;
    readonly generation: number;
    readonly type: ChildSpec["type"];
    readonly restart: ChildSpec["restart"];
    readonly shutdown: ChildSpec["shutdown"];
    readonly significant: boolean;
    /** Restarts of this child so far. */
    readonly restarts: number;
  };
}

/**
 * Carried out in the order given, all of one call's before the tree is told the next event. `generation` names one
 * start attempt of a child, for ever; every event about it
 * says the same number, and events of other generations are ignored.
 *
 * | command | what to do | what to answer |
 * | --- | --- | --- |
 * | start | start the worker | childStarted or childStartFailed (a time-out is armed by the tree) |
 * | stop | ask it to end: no new request, finish the running one; also while it starts | childExited or childStopped |
 * | kill | end it at once; `stop` may have come before. A thread that cannot be killed is declared dead | childExited |
 * | arm | call timer(id, token) at `atMs` or later | |
 * | disarm | forget that timer; calling it all the same does no harm | |
 * | report | log it | |
 * | open_breaker | the supervisor over this service gave up: open its breaker | |
 * | supervisor_started | children can be added to it now (a service: start its residents) | |
 * | supervisor_ended | it runs no more: as it was told, by itself, or because it could not start (start_failed) | |
 * | removed | the tree has forgotten this child, and its end was seen; its id is free | |
 * | ended | the root has ended: nothing of the tree runs any more | |
 */
export type Command =
  | { readonly type: "start"; readonly id: string; readonly generation: number; readonly child: ChildSpec }
  | {
      readonly type: "stop";
      readonly id: string;
      readonly generation: number;
      readonly child: ChildSpec;
      /** Milliseconds until the kill; Infinity: none. */
      readonly shutdownMs: number;
    }
  | { readonly type: "kill"; readonly id: string; readonly generation: number; readonly child: ChildSpec }
  | { readonly type: "arm"; readonly id: string; readonly token: number; readonly atMs: number }
  | { readonly type: "disarm"; readonly id: string; readonly token: number }
  | { readonly type: "report"; readonly report: Report }
  | { readonly type: "open_breaker"; readonly service: string }
  | { readonly type: "supervisor_started"; readonly id: string }
  | { readonly type: "supervisor_ended"; readonly id: string; readonly exit: Exit }
  | { readonly type: "removed"; readonly id: string }
  | { readonly type: "ended"; readonly exit: Exit };
