// The supervisors of the config, [supervisors.NAME], in the supervision tree: made at start, changed by a reload.
// Main thread.
import type { Command } from "../supervisors/commands.ts";
import type { Tree } from "../supervisors/tree.ts";
import type { SupervisorConfig } from "./config.ts";
import { groupBackoff, groupSpec, parentsFirst, SERVICES, servicesSpec } from "./tree-specs.ts";

type GroupConfigs = ReadonlyMap<string, SupervisorConfig>;

export class Groups {
  readonly #tree: Tree;
  readonly #run: (commands: readonly Command[]) => void;
  #configs: GroupConfigs;

  /** @param run carries out what the tree commands */
  constructor(tree: Tree, configs: GroupConfigs, run: (commands: readonly Command[]) => void) {
    this.#tree = tree;
    this.#run = run;
    this.#configs = configs;
  }

  /** Adds the root of services and all groups, each below its parent. */
  open(): void {
    const root = servicesSpec(this.#configs.get(SERVICES));
    this.#run(this.#tree.addSupervisor("node", root, {}, performance.now()));
    for (const id of parentsFirst(this.#configs)) this.#add(id, this.#configs.get(id) as SupervisorConfig);
  }

  /** Makes the groups those of another config, but for removals. @returns names of those that were added or changed */
  change(configs: GroupConfigs): string[] {
    const changed: string[] = [];
    for (const id of parentsFirst(configs)) {
      const group = configs.get(id) as SupervisorConfig;
      if (this.#tree.phaseOf(id) === null) this.#add(id, group);
      else if (JSON.stringify(group) === JSON.stringify(this.#configs.get(id))) continue;
      else this.#tree.changeSupervisor(groupSpec(id, group));
      changed.push(id);
    }
    this.#configs = configs;
    return changed;
  }

  /** Ends a group that has no services any more. */
  remove(id: string): void {
    this.#run(this.#tree.removeChild(id, performance.now()));
  }

  #add(id: string, group: SupervisorConfig): void {
    const parent = group.parent ?? SERVICES;
    this.#run(this.#tree.addSupervisor(parent, groupSpec(id, group), { backoff: groupBackoff }, performance.now()));
  }
}
