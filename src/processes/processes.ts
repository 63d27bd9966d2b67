// The parts of a node that lunatic processes need, put together: environments, light modules, what they ask for.
import { availableParallelism } from "node:os";
import { AskServer } from "../carriers/answering.ts";
import type { Carriers } from "../carriers/carriers.ts";
import { slotsFor } from "../carriers/slots.ts";
import type { NodeConfig } from "../config/config.ts";
import type { Log } from "../log/log.ts";
import type { LightCache } from "../modules/light-cache.ts";
import { Lightener } from "../modules/lightener.ts";
import type { Modules } from "../modules/modules.ts";
import { systemNames } from "../networking/names.ts";
import { Networking } from "../networking/networking.ts";
import { Environments } from "./environments.ts";
import { ModuleForms } from "./forms.ts";
import { ServiceProcesses, type ServiceProcessesParts } from "./of-services.ts";
import { type CarrierShare, ProcessServer } from "./server.ts";

export interface ProcessSystemParts {
  readonly carriers: Carriers;
  readonly modules: Modules;
  readonly cache: LightCache;
  readonly limits: Pick<NodeConfig["limits"], "rewrite" | "rewrite_bytes" | "carriers">;
  /** Name servers for guests; empty: the system's. */
  readonly nameServers: readonly string[];
  readonly log: Log | null;
  readonly share: CarrierShare | null;
}

/** Serving comes first: what a node rewrites is in use already, by processes with threads of their own. */
const NICENESS = 10;
/** Carriers for light processes alone. */
const HOSTS_MAX = Math.max(2, availableParallelism());

export class ProcessSystem {
  readonly environments: Environments;
  readonly asks = new AskServer();
  readonly server: ProcessServer;
  readonly networking: Networking;
  readonly forms: ModuleForms;
  readonly #lightener: Lightener;

  constructor({ carriers, modules, cache, limits, nameServers, log, share }: ProcessSystemParts) {
    this.environments = new Environments(slotsFor(limits.carriers));
    this.#lightener = new Lightener({
      cache,
      rewriteMs: limits.rewrite,
      bytesMax: limits.rewrite_bytes,
      niceness: share === null ? 0 : NICENESS, // a program by itself waits for it
      onCacheFailure: (digest, error) => log?.warn({ digest, error: String(error) }, "a light module was not kept"),
    });
    this.forms = new ModuleForms(modules, this.#lightener);
    const { environments, asks } = this;
    this.server = new ProcessServer({ carriers, environments, asks, hostsMax: HOSTS_MAX, share });
    this.networking = new Networking({ slices: asks.slices, lookup: systemNames({ servers: nameServers }) });
    this.networking.serve(asks);
  }

  /** What a node's services need of it. */
  ofServices(parts: Omit<ServiceProcessesParts, "environments" | "forms" | "server" | "networking">): ServiceProcesses {
    const { environments, forms, server, networking } = this;
    return new ServiceProcesses({ ...parts, environments, forms, server, networking });
  }

  close(): Promise<void> {
    this.server.close();
    return this.#lightener.close();
  }
}
