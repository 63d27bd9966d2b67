// A picture of supervisors and children for people: GET /services/-/tree, frenezulo tree. Pure.
import type { Exit } from "../wire/exits.ts";
import type { ChildState } from "./child.ts";
import type { ChildSpec, SupervisorSpec } from "./spec.ts";
import type { Supervisor } from "./state.ts";

export interface ChildView {
  readonly id: string;
  readonly type: ChildSpec["type"];
  readonly restart: ChildSpec["restart"];
  /** As its supervisor sees it; see child.ts. */
  readonly state: ChildState;
  readonly generation: number;
  readonly restarts: number;
  readonly lastExit: Exit | null;
  /** Null for a worker. */
  readonly supervisor: SupervisorView | null;
}

export interface SupervisorView {
  readonly id: string;
  readonly strategy: SupervisorSpec["strategy"];
  readonly phase: Supervisor["phase"];
  readonly service: string | null;
  /** Restarts that still count against maxRestarts, as of the last one. */
  readonly recentRestarts: number;
  readonly maxRestarts: number;
  readonly maxSeconds: number;
  readonly children: readonly ChildView[];
}

/** @param supervisors all of the tree, by id */
export function viewOf(sup: Supervisor, supervisors: ReadonlyMap<string, Supervisor>): SupervisorView {
  const { spec, phase, restartTimes, children } = sup;
  return {
    id: spec.id,
    strategy: spec.strategy,
    phase,
    service: spec.service,
    recentRestarts: restartTimes.length,
    maxRestarts: spec.maxRestarts,
    maxSeconds: spec.maxSeconds,
    children: Array.from(children.values(), (child) => {
      const below = supervisors.get(child.spec.id);
      return {
        id: child.spec.id,
        type: child.spec.type,
        restart: child.spec.restart,
        state: child.state,
        generation: child.generation,
        restarts: child.restarts,
        lastExit: child.lastExit,
        supervisor: below === undefined ? null : viewOf(below, supervisors),
      };
    }),
  };
}
