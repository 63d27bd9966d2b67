// The supervisors of the config, [supervisors.NAME], in the supervision tree: made at start, changed by a reload.
import type { Command } from "../../supervisors/commands.ts";
import type { SupervisorSpec } from "../../supervisors/spec.ts";
import type { Tree } from "../../supervisors/tree.ts";
import type { SupervisorConfig } from "../config/config.ts";
import { groupBackoff, groupSpec, parentsFirst, SERVICES, servicesSpec } from "./specs.ts";

type GroupConfigs = ReadonlyMap<string, SupervisorConfig>;

export class Groups {
  readonly #tree: Tree;
  readonly #run: (commands: readonly Command[]) => void;
  #configs: Map<string, SupervisorConfig>;
  /** Groups that still have auto_shutdown, because services are significant to them. */
  readonly #unsettled = new Map<string, SupervisorSpec>();

  /** @param run carries out what the tree commands */
  constructor(tree: Tree, configs: GroupConfigs, run: (commands: readonly Command[]) => void) {
    this.#tree = tree;
    this.#run = run;
    this.#configs = new Map(configs);
  }

  /** Adds the root of services and all groups, each below its parent. */
  open(): void {
    const root = servicesSpec(this.#configs.get(SERVICES));
    this.#run(this.#tree.addSupervisor("node", root, {}, performance.now()));
    for (const id of parentsFirst(this.#configs)) this.#add(id, this.#configs.get(id) as SupervisorConfig);
  }

  /**
   * Makes the groups those of another config, but for removals. What services must have changed for first, `settle`
   * does. @returns names of those that were added or changed
   */
  change(configs: GroupConfigs): string[] {
    const changed: string[] = [];
    for (const id of [SERVICES, ...parentsFirst(configs)]) {
      const group = configs.get(id);
      const before = this.#configs.get(id);
      if (JSON.stringify(group) === JSON.stringify(before)) continue;
      if (id === SERVICES) this.#tree.changeSupervisor(servicesSpec(group));
      else if (group === undefined) continue;
      else if (this.#tree.phaseOf(id) === null) this.#add(id, group);
      else this.#change(id, group);
      changed.push(id);
    }
    this.#configs = new Map(configs);
    return changed;
  }

  /** Services have been changed, too: none is significant any more to a group that gives up auto_shutdown. */
  settle(): void {
    for (const spec of this.#unsettled.values()) this.#tree.changeSupervisor(spec);
    this.#unsettled.clear();
  }

  /** Ends a group that has no services any more. */
  remove(id: string): void {
    this.#unsettled.delete(id);
    this.#configs.delete(id);
    this.#run(this.#tree.removeChild(id, performance.now()));
  }

  #change(id: string, group: SupervisorConfig): void {
    const spec = groupSpec(id, group);
    const before = this.#configs.get(id)?.auto_shutdown ?? "never";
    const mustWait = spec.autoShutdown === "never" && before !== "never";
    if (mustWait) this.#unsettled.set(id, spec);
    else this.#unsettled.delete(id);
    this.#tree.changeSupervisor(mustWait ? { ...spec, autoShutdown: before } : spec);
  }

  #add(id: string, group: SupervisorConfig): void {
    const parent = group.parent ?? SERVICES;
    this.#run(this.#tree.addSupervisor(parent, groupSpec(id, group), { backoff: groupBackoff }, performance.now()));
  }
}
