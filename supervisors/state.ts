// What a supervisor remembers between two events, and the order of its children. Pure.
import type { Exit } from "../wire/exits.ts";
import type { Child } from "./child.ts";
import type { Command } from "./commands.ts";
import type { ChildSpec, SupervisorSpec } from "./spec.ts";

/** Beside the tree's commands, what only the tree needs: the outcome of a start, and that services are in trouble. */
export type SupervisorCommand =
  | Command
  | { readonly type: "supervisor_start_failed"; readonly id: string; readonly text: string }
  | { readonly type: "gave_up"; readonly id: string };

/** What a step may use of the world; shared by the supervisors of a tree. */
export interface Ambient {
  /** Monotonic milliseconds. */
  now: number;
  /** A number in [0, 1), for jitter. */
  readonly random: () => number;
  /** Source of generations and timer tokens; the last one given out. */
  serial: number;
}

/** What a supervisor that stops and starts several children is in the middle of. */
export interface Plan {
  /** Stopped one after the other, in this order. */
  readonly stop: readonly Child[];
  stopped: number;
  /** Whose backoff (ms) is waited for after the stops; null: nobody's. */
  readonly failed: Child | null;
  readonly delayMs: number;
  /** Those that wait, in start order; null until the stops are done. Started one after the other. */
  start: Child[] | null;
  started: number;
}

export interface Supervisor {
  spec: SupervisorSpec;
  phase: "ended" | "starting" | "running" | "stopping";
  /** In start order. */
  children: Map<string, Child>;
  /** Position in the spec's order, by name. */
  ranks: ReadonlyMap<string, number>;
  /** No child in `children` has a higher rank. */
  rankMax: number;
  /** Whole seconds of the restarts within the window. */
  restartTimes: readonly number[];
  plan: Plan | null;
  /** Under one_for_all and rest_for_one: the failed child on whose backoff others wait. */
  leader: Child | null;
  /** Exits not judged yet. An entry whose child is no longer `exited` by that exit is void. */
  pending: { readonly child: Child; readonly exit: Exit }[];
  /** How it will have ended; null unless it is stopping or has ended. */
  exit: Exit | null;
  /** Why its own start failed; null unless it is stopping because of that. */
  startFailure: string | null;
  /** Killed: its children are killed, not asked. */
  killing: boolean;
  /** Children that are neither down nor waiting. */
  alive: number;
  /** Significant children that are not down. */
  significantAlive: number;
}

export function newSupervisor(spec: SupervisorSpec): Supervisor {
  return {
    spec,
    phase: "ended",
    children: new Map(),
    ranks: ranksOf(spec),
    rankMax: 0,
    restartTimes: [],
    plan: null,
    leader: null,
    pending: [],
    exit: null,
    startFailure: null,
    killing: false,
    alive: 0,
    significantAlive: 0,
  };
}

/**
 * Adds a child at its place in the start order; O(1) unless that is before another's. Where the order decides who is
 * restarted with whom, one that replaces another takes the place beside it.
 */
export function insertChild(sup: Supervisor, child: Child): void {
  const { id, name } = child.spec;
  const children = sup.spec.strategy === "one_for_one" ? [] : [...sup.children.values()];
  const namesake = children.findLastIndex(({ spec }) => spec.name === name);
  if (namesake >= 0) {
    children.splice(namesake + 1, 0, child);
    sup.children = new Map(children.map((each) => [each.spec.id, each]));
    return;
  }
  sup.children.set(id, child);
  const rank = rankOf(sup, name);
  if (rank < sup.rankMax) sortChildren(sup);
  else sup.rankMax = rank;
}

/** Takes changed settings; they hold for what happens from now on, and nothing is stopped or started. */
export function changeSupervisor(sup: Supervisor, spec: SupervisorSpec): void {
  sup.spec = spec;
  sup.ranks = ranksOf(spec);
  sortChildren(sup);
}

/** As changeSupervisor, for a child. */
export function changeChild(sup: Supervisor, child: Child, spec: ChildSpec): void {
  if (child.state !== "down") sup.significantAlive += Number(spec.significant) - Number(child.spec.significant);
  child.spec = spec;
}

function ranksOf(spec: SupervisorSpec): ReadonlyMap<string, number> {
  return new Map(spec.order.map((name, index) => [name, index]));
}

function rankOf(sup: Supervisor, name: string): number {
  return sup.ranks.get(name) ?? sup.ranks.size;
}

function sortChildren(sup: Supervisor): void {
  const children = [...sup.children.values()];
  // The sort is stable: the rest stay as they were added.
  children.sort((a, b) => rankOf(sup, a.spec.name) - rankOf(sup, b.spec.name));
  sup.children = new Map(children.map((child) => [child.spec.id, child]));
  sup.rankMax = children.length === 0 ? 0 : rankOf(sup, children.at(-1)!.spec.name);
}
