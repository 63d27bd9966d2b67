// The processes of services: their environments, what they print, how they fail.
import type { Exit } from "../../wire/exits.ts";
import { SIGNAL } from "../../wire/layout.ts";
import { digestOf, moduleKey } from "../../wire/module-key.ts";
import type { Carrier } from "../carriers/carrier.ts";
import type { Carriers } from "../carriers/carriers.ts";
import { reasonOf } from "../errors.ts";
import type { ActorEnvironment } from "../hosting/actor-spec.ts";
import type { Log } from "../log/log.ts";
import type { CompiledModule, IntakeLimits, Modules } from "../modules/modules.ts";
import type { Networking } from "../networking/networking.ts";
import type { ProcessEvents } from "../requests/events.ts";
import { outputLimits } from "../services/output-limits.ts";
import type { Actor, InFlight, Pool, Service } from "../services/service.ts";
import type { EnvironmentOptions, Environments, MainEnvironment } from "./environments.ts";
import type { ModuleForms } from "./forms.ts";
import { type GivenBudget, GivenModules } from "./given.ts";
import type { ProcessServer } from "./server.ts";

export interface ServiceProcessesParts {
  readonly environments: Environments;
  readonly server: ProcessServer;
  readonly modules: Modules;
  readonly networking: Networking;
  readonly forms: ModuleForms;
  readonly log: Log;
  readonly carriers: Carriers;
  /** Bytes of a version's module. */
  readonly bytes: (digest: string) => Promise<Uint8Array>;
  readonly limits: (pool: Pool) => IntakeLimits;
  /** Bytes of modules that guests give to be compiled, of all services together. */
  readonly givenBytesMax: number;
  /** A pool's module has a light form now. */
  readonly onLight: (pool: Pool) => void;
}

/** Beyond a reply's body, for its head and what surrounds it. */
const REPLY_HEAD_BYTES = 64 * 1024;

export class ServiceProcesses implements ProcessEvents {
  readonly #parts: ServiceProcessesParts;
  /** Prefixes by environment. */
  readonly #names = new Map<number, string>();
  /** Modules that guests gave, by environment. */
  readonly #given = new Map<number, GivenModules>();
  readonly #givenBudget: GivenBudget;

  constructor(parts: ServiceProcessesParts) {
    this.#parts = parts;
    this.#givenBudget = { bytes: 0, max: parts.givenBytesMax };
  }

  /** The node has started: modules that the config declares are rewritten before their first request. */
  begin(services: Iterable<Service>): void {
    for (const { origin, pool } of services) {
      if (origin.kind !== "config") continue;
      const compiled = this.#parts.modules.get(pool.digest, this.#parts.limits(pool));
      if (compiled !== undefined && wantsLight(pool, compiled)) void this.#prepare(pool);
    }
  }

  /** True if an actor of that pool runs its requests as light processes where it shares a carrier. */
  async givesWay(pool: Pool, compiled: CompiledModule): Promise<boolean> {
    if (pool.policy.state !== "fresh" || !wantsLight(pool, compiled)) return false;
    return (await this.#parts.forms.light(pool.digest, this.#parts.limits(pool))) !== null;
  }

  /** For an actor that starts in a carrier. */
  async environmentOf(actor: Actor, carrier: Carrier, compiled: CompiledModule): Promise<ActorEnvironment> {
    const { pool } = actor;
    const { light: policy } = pool.policy;
    const hasEnvironment = compiled.usesProcesses || policy === "always";
    if (!hasEnvironment) return { environment: null, light: null, isLight: false };
    const { environments, forms, limits } = this.#parts;
    const id = pool.environmentId;
    const environment = environments.get(id) ?? this.#open(pool);
    environment.carriers.add(carrier);
    const light = policy === "never" ? null : await forms.light(pool.digest, limits(pool));
    if (light === null && policy !== "never") void this.#prepare(pool);
    actor.work = () => environment.workIn(carrier);
    // A carrier of its own is faster without unwinding, and a kept state is one process for all requests.
    const isLight = light !== null && carrier.isShared && pool.policy.state === "fresh";
    actor.isLight = isLight;
    return { environment: environment.spec, light, isLight };
  }

  /** A pool is no more, and its processes with it. */
  close({ environmentId }: Pool): void {
    this.#parts.environments.close(environmentId);
    this.#parts.networking.closeEnvironment(environmentId);
    this.#names.delete(environmentId);
    this.#given.get(environmentId)?.close();
    this.#given.delete(environmentId);
  }

  processOutput(environment: number, stream: number, text: Buffer): void {
    const prefix = this.#names.get(environment);
    if (prefix !== undefined) this.#parts.log.guest(prefix, stream, text);
  }

  lateReply(environment: number, bytes: number): void {
    this.#parts.environments.get(environment)?.lateReply(bytes);
  }

  processExited(pid: number, environment: number, exit: Exit): void {
    this.#parts.server.exited(pid, exit);
    const service = this.#names.get(environment);
    if (service !== undefined) this.#parts.log.debug({ service, pid, exit }, "a process ended");
  }

  livesElsewhere({ replyPid, pool }: InFlight): boolean {
    return this.#parts.environments.get(pool.environmentId)?.births.has(replyPid) ?? false;
  }

  birthsOver(environment: number, replyPid: number, carrier: Carrier, births: number): void {
    this.#parts.environments.get(environment)?.births.end(replyPid, carrier, births);
  }

  requestOver({ replyPid, pool }: InFlight): void {
    const { environments, carriers } = this.#parts;
    const text = Buffer.from("the deadline of the request that began it has passed");
    for (const { slot } of environments.get(pool.environmentId)?.carriers ?? []) {
      carriers.mesh.send(slot, SIGNAL.end_request, 0, replyPid, pool.environmentId, text, 0, text.length);
    }
  }

  /** Makes the light form; actors that began without it make way for others. */
  async #prepare(pool: Pool): Promise<void> {
    const { forms, bytes, onLight, log } = this.#parts;
    const service = pool.service.prefix;
    try {
      const isLight = await forms.prepare(pool.digest, await bytes(pool.digest));
      if (isLight) onLight(pool);
      log.debug({ service, isLight }, "the rewrite for light processes has ended");
    } catch (thrown) {
      // The node drains, or the module has gone; the next actor asks again.
      log.debug({ service, why: reasonOf(thrown) }, "no rewrite for light processes");
    }
  }

  #open(pool: Pool): ReturnType<Environments["make"]> {
    const { environments, modules, forms, limits, bytes } = this.#parts;
    this.#names.set(pool.environmentId, pool.service.prefix);
    this.#parts.networking.openEnvironment(pool.environmentId, pool.policy.network);
    const environment = environments.make(
      pool.environmentId,
      environmentOf(pool, moduleKey(pool.digest, limits(pool))),
      {
        load: (key, memoryBytesMax, isPatient) => {
          const digest = digestOf(key);
          const read = async (): Promise<Uint8Array> => given.get(digest) ?? bytes(digest);
          const bounds = { limits: limits(pool), memoryBytesMax };
          return pool.policy.light === "never"
            ? forms.plain(digest, read, bounds, 'its policy says light = "never"')
            : forms.load(digest, read, bounds, isPatient);
        },
        compile: async (moduleBytes) => {
          const { digest } = await modules.compile(moduleBytes, { ...limits(pool), needsEntry: false });
          if (digest !== pool.digest) await this.#give(given, digest, moduleBytes);
          return moduleKey(digest, limits(pool));
        },
      },
    );
    const given = new GivenModules({
      budget: this.#givenBudget,
      hold: (change) => environment.hold(change),
      hasRoomFor: (size) => environment.hasRoomFor(size),
      drop: (digest) => this.#drop(environment, digest),
    });
    this.#given.set(pool.environmentId, given);
    return environment;
  }

  /** @throws Error if there is no room for the module */
  async #give(given: GivenModules, digest: string, bytes: Uint8Array): Promise<void> {
    try {
      await given.add(digest, bytes);
    } catch (thrown) {
      this.#parts.modules.forget(digest);
      throw thrown;
    }
  }

  /** A module that a guest gave is let go. True if no process runs it any more. */
  async #drop(environment: MainEnvironment, digest: string): Promise<boolean> {
    environment.dropForms(digest);
    this.#parts.modules.forget(digest);
    // What runs in a carrier that ends meanwhile ends with it.
    const holders = environment.holders(digest);
    const drop = async (carrier: Carrier): Promise<void> => {
      if (await carrier.drop(environment.spec.id, digest).catch(() => true)) holders.delete(carrier);
    };
    await Promise.all([...holders].map(drop));
    environment.dropForms(digest);
    return holders.size === 0;
  }
}

/** The environment of a pool's processes. @param moduleKey the name of its module in carriers */
function environmentOf({ policy, service }: Pool, moduleKey: string): EnvironmentOptions {
  const { processes, limits, env } = policy;
  return {
    name: service.prefix,
    moduleKey,
    processesMax: processes.max,
    memoryBytesMax: processes.memory,
    mailboxMessagesMax: processes.mailbox,
    mailboxBytesMax: processes.mailbox_bytes,
    messageBytesMax: limits.body_out + REPLY_HEAD_BYTES,
    sendTimeoutMs: processes.send_timeout,
    canCompileModules: processes.compile,
    hasStdin: false,
    preopens: policy.dirs,
    env,
    args: [service.prefix],
    ...outputLimits(policy),
  };
}

function wantsLight({ policy }: Pool, { usesProcesses }: CompiledModule): boolean {
  return policy.light === "always" || (policy.light === "auto" && usesProcesses);
}
