// What does not fit together in the [supervisors.NAME] tables of a config. Pure.

import { defaultSupervisor, type SupervisorConfig } from "./config.ts";
import { nearest } from "./nearest.ts";
import type { Problem } from "./table.ts";

/** Names that the supervision tree has already: the node and its parts. */
const takenNames = ["node", "store", "carriers", "routes", "acceptor"];

/** The root of services never gives up and is below nobody (DECISIONS 8.1): these would say otherwise. */
const notForRoot = ["max_restarts", "max_seconds", "parent", "auto_shutdown"];

/** @param has true if the key itself stands in the file */
export function supervisorProblems(
  supervisors: ReadonlyMap<string, SupervisorConfig>,
  has: (path: readonly string[]) => boolean,
): Problem[] {
  const problems: Problem[] = [];
  const refuse = (path: string[], why: string): void =>
    void problems.push({ path: ["supervisors", ...path], text: `${["supervisors", ...path].join(".")}: ${why}` });
  for (const [name, { parent }] of supervisors) {
    if (takenNames.includes(name)) refuse([name], `${name} is a part of the node; choose another name`);
    if (name === defaultSupervisor) {
      for (const key of notForRoot) {
        if (has(["supervisors", name, key])) {
          refuse([name, key], "not for the root of services, which never ends; it has strategy and order only");
        }
      }
      continue;
    }
    const known = [defaultSupervisor, ...supervisors.keys()];
    if (parent !== undefined && !known.includes(parent)) {
      const guess = nearest(parent, known);
      refuse([name, "parent"], `there is no [supervisors.${parent}]; did you mean "${guess}"?`);
    }
    const above = new Set<string>();
    for (let at: string | undefined = name; at !== undefined && !above.has(at); at = supervisors.get(at)?.parent) {
      above.add(at);
    }
    if ([...above].some((each) => supervisors.get(each)?.parent === name)) {
      refuse([name, "parent"], `${name} is above itself`);
    }
  }
  return problems;
}
