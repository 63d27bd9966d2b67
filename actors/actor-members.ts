// The processes of an actor's requests in the table of processes, for those they spawn.

import type { Exit } from "../wire/exits.ts";
import type { ActorSpec, EnvironmentSpec } from "../wire/specs.ts";
import type { Membership } from "./actor.ts";
import type { Environment } from "./processes/environment.ts";
import type { Process } from "./processes/process.ts";
import type { ProcessConfig } from "./processes/resources.ts";
import type { Runtime } from "./runtime/runtime.ts";

const MEMORY_MAX = 2 ** 32 - 1;

export class ActorMembers implements Membership {
  readonly #runtime: Runtime;
  readonly environment: Environment;
  readonly rights: ProcessConfig;
  /** The main thread's name for what they spawn. */
  readonly module: string;

  constructor(runtime: Runtime, { light, env, args, preopens }: ActorSpec, environment: EnvironmentSpec) {
    this.#runtime = runtime;
    this.environment = runtime.open(environment);
    this.module = environment.moduleKey;
    if (light !== null) runtime.addModule(environment.moduleKey, light).users.add(environment.id);
    this.rights = {
      maxMemory: MEMORY_MAX,
      maxFuel: 0n,
      canCompileModules: environment.canCompileModules,
      canCreateConfigs: true,
      canSpawnProcesses: true,
      args: [...args],
      env: new Map(Object.entries(env)),
      preopens: preopens.map(({ guest }) => guest),
    };
  }

  join(process: Process): void {
    const { environment, rights, module } = this;
    this.#runtime.kernel.add({ process, environment, task: null, rights, module });
  }

  leave({ pid }: Process, exit: Exit): void {
    this.#runtime.removed(this.#runtime.kernel.memberOf(pid), exit);
  }
}
