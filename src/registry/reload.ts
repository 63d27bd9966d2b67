// Applies a changed config to the running node: supervisors and services; what else changed needs a restart.

import { InTurn } from "../../wire/in-turn.ts";
import type { ReloadResult } from "../admin/verbs.ts";
import type { SupervisorConfig } from "../config/config.ts";
import type { EffectiveSetting, LoadedConfig } from "../config/load.ts";
import { FrenezuloError } from "../errors.ts";
import type { Log } from "../log/log.ts";
import { SERVICES } from "../supervision/specs.ts";
import type { Supervision } from "../supervision/supervision.ts";
import type { Registry } from "./registry.ts";

/** Reads the config again, as it was read at start. @throws bad_config */
export type Reread = () => Promise<LoadedConfig>;

export interface ReloadParts {
  readonly registry: Registry;
  readonly supervision: Supervision;
  readonly log: Log;
  readonly loaded: LoadedConfig;
  /** null for a node without a config file. */
  readonly reread: Reread | null;
}

export class Reload {
  readonly #parts: ReloadParts;
  #loaded: LoadedConfig;
  readonly #turns = new InTurn();

  constructor(parts: ReloadParts) {
    this.#parts = parts;
    this.#loaded = parts.loaded;
  }

  /** Reloads take turns. @throws bad_config, nothing_to_reload; then nothing has changed */
  run(): Promise<ReloadResult> {
    return this.#turns.run(() => this.#run());
  }

  async #run(): Promise<ReloadResult> {
    const { registry, supervision, log, reread } = this.#parts;
    if (reread === null) throw new FrenezuloError("nothing_to_reload");
    const loaded = await reread();
    const before = this.#loaded.config.supervisors;
    const after = loaded.config.supervisors;
    refuseMoves(before, after);
    // Groups first, since services may name new ones; if a service does not start, they are put back.
    const both = new Map([...before, ...after]);
    if (!after.has(SERVICES)) both.delete(SERVICES); // the root stays, with what it is by default
    const changed = supervision.groups.change(both);
    let services: Awaited<ReturnType<Registry["reload"]>>;
    try {
      services = await registry.reload(loaded.config);
    } catch (thrown) {
      supervision.groups.change(before);
      for (const id of after.keys()) if (!before.has(id)) supervision.groups.remove(id);
      throw thrown;
    }
    supervision.groups.settle();
    const removed = [...before.keys()].filter((id) => !after.has(id) && id !== SERVICES);
    for (const id of removed.reverse()) supervision.groups.remove(id);
    const restartNeeded = changedSettings(this.#loaded.effective, loaded.effective);
    this.#loaded = loaded;
    const result = { ...services, supervisors: [...changed, ...removed], restart_needed: restartNeeded };
    log.info({ ...result }, "the config was read again");
    return result;
  }
}

/** A group stays where it is in the tree while the node runs. @throws bad_config */
function refuseMoves(
  before: ReadonlyMap<string, SupervisorConfig>,
  after: ReadonlyMap<string, SupervisorConfig>,
): void {
  for (const [id, { parent }] of after) {
    const known = before.get(id);
    if (known === undefined || known.parent === parent) continue;
    throw new FrenezuloError("bad_config", {
      where: `supervisors.${id}.parent`,
      why: `it cannot move from ${known.parent ?? SERVICES} to ${parent ?? SERVICES} while the node runs; restart it`,
    });
  }
}

/** Names of the node's own settings that differ; policies (defaults, services) are applied at once. */
function changedSettings(before: readonly EffectiveSetting[], after: readonly EffectiveSetting[]): string[] {
  const values = new Map(before.map(({ name, value }) => [name, value]));
  return after
    .filter(({ name, value }) => !/^(defaults|services)\./.test(name) && values.get(name) !== value)
    .map(({ name }) => name);
}
