// A picture of supervisors and children for people: GET /services/-/tree, frenezulo tree. Pure.
import type { Exit } from "../wire/exits.ts";
import type { Child, ChildState } from "./child.ts";
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
  /** Made while they are read: those that are there now, each as it is then. */
  readonly children: Iterable<ChildView>;
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
    children: childViews([...children.values()], supervisors),
  };
}

function* childViews(children: readonly Child[], supervisors: ReadonlyMap<string, Supervisor>): Iterable<ChildView> {
  for (const { spec, state, generation, restarts, lastExit } of children) {
    const below = supervisors.get(spec.id);
    const { id, type, restart } = spec;
    const supervisor = below === undefined ? null : viewOf(below, supervisors);
    yield { id, type, restart, state, generation, restarts, lastExit, supervisor };
  }
}
