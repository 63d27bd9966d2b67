// The services of a node and the changes they go through: add, replace, roll back, remove, load at start. Main thread.
//
// Order of an accepted change (DECISIONS 6.2): compile → first instance → commit → switch the route → answer. Changes of
// one prefix take turns. Whatever fails before the commit leaves everything as it was.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { Breaker } from "../supervisors/breaker.ts";
import { type NodeConfig, type Policy, parsePolicy, type ServiceConfig } from "./config.ts";
import type { Dispatch } from "./dispatch.ts";
import { FrenezuloError, reasonOf } from "./errors.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics/metrics.ts";
import type { CompiledModule, IntakeLimits, Modules } from "./modules.ts";
import { assertPrefix, type Router } from "./router.ts";
import { Pool, Service } from "./service.ts";
import type { Sources } from "./sources.ts";
import type { Store, StoredService, StoredVersion } from "./store.ts";
import type { Supervision } from "./supervision.ts";
import { sleep } from "./timer.ts";
import { backoffOf } from "./tree-specs.ts";
import type { AddOptions, AddResult, Origin, VersionView } from "./verbs.ts";

export interface RegistryParts {
  readonly config: NodeConfig;
  readonly log: Log;
  readonly router: Router<Service>;
  readonly modules: Modules;
  readonly sources: Sources;
  readonly metrics: Metrics;
  readonly dispatch: Dispatch;
  readonly supervision: Supervision;
}

/** How often a removed service is looked at while its last requests end. ms */
const DRAIN_POLL_MS = 10;

export class Registry {
  readonly #parts: RegistryParts;
  readonly #turns = new Map<string, Promise<unknown>>();
  /** Bytes of the modules of services declared in the config, by digest: the store does not have them. */
  readonly #declared = new Map<string, Uint8Array>();
  #store!: Store;

  constructor(parts: RegistryParts) {
    this.#parts = parts;
  }

  /** Routes what the config declares and what the store has. Nothing of the store is compiled yet. @throws bad_config */
  async open(store: Store): Promise<void> {
    this.#store = store;
    for (const [prefix, declared] of this.#parts.config.services) await this.#declare(prefix, declared);
    for (const stored of store.services()) {
      const known = this.#parts.router.get(stored.prefix);
      if (known === undefined) this.#route(this.#newService(stored.prefix, { kind: "api" }), currentOf(stored));
      else if (known.origin.kind === "config") {
        const { where } = known.origin;
        this.#parts.log.warn({ service: stored.prefix, where }, "the config hides a service of the store");
      }
    }
  }

  /** Adds or replaces. @throws every code of modules, sources and administration; then nothing has changed */
  add(options: AddOptions): Promise<AddResult> {
    return this.#inTurn(options.prefix, async () => {
      const { prefix } = options;
      assertPrefix(prefix);
      const service = this.#changeable(prefix);
      const policy = this.#policyOf(options.policy, options.env ?? {});
      const bytes =
        options.source.kind === "bytes" ? options.source.bytes : await this.#parts.sources.read(options.source.url);
      const compiled = await this.#parts.modules.compile(bytes, this.#limitsOf(policy));
      const { digest } = compiled;
      if (options.sha256 !== undefined && options.sha256.toLowerCase() !== digest) {
        throw new FrenezuloError("digest_mismatch", { actual: digest, expected: options.sha256 });
      }
      const stored = this.#store.get(prefix);
      const current = stored === undefined ? undefined : currentOf(stored);
      const given = { policy: options.policy ?? {}, env: options.env ?? {} };
      if (service !== undefined && current?.digest === digest) {
        return this.#changePolicy(service, current, policy, given);
      }
      const version = { digest, bytes: bytes.length, addedAt: new Date().toISOString(), ...given };
      const number = stored?.next ?? 1;
      await this.#replace(prefix, service, { number, digest, policy }, () =>
        this.#store.putVersion(prefix, version, bytes),
      );
      return { prefix, version: number, sha256: digest, changed: true };
    });
  }

  /** @throws unknown_service, unknown_version, config_origin, and what starting the old version throws */
  rollback(prefix: string, version: number): Promise<AddResult> {
    return this.#inTurn(prefix, async () => {
      const service = this.#changeable(prefix);
      const stored = this.#store.get(prefix);
      if (service === undefined || stored === undefined)
        throw new FrenezuloError("unknown_service", { service: prefix });
      const wanted = stored.versions.find((each) => each.version === version);
      if (wanted === undefined) throw new FrenezuloError("unknown_version", { service: prefix, version });
      const result = { prefix, version, sha256: wanted.digest };
      if (stored.current === version) return { ...result, changed: false };
      const { digest } = wanted;
      const policy = this.#policyOf(wanted.policy, wanted.env);
      await this.#replace(prefix, service, { number: version, digest, policy }, () =>
        this.#store.setCurrent(prefix, version),
      );
      return { ...result, changed: true };
    });
  }

  /** Resolves when the service is gone from route and store; requests it had are answered first or meanwhile. */
  remove(prefix: string): Promise<void> {
    return this.#inTurn(prefix, async () => {
      const service = this.#changeable(prefix);
      if (service === undefined) throw new FrenezuloError("unknown_service", { service: prefix });
      await this.#store.remove(prefix);
      this.#parts.router.remove(prefix);
      this.#parts.metrics.remove(prefix);
      void this.#end(service.pool);
    });
  }

  /** The compiled module of a pool, read and compiled if the cache has it no more. */
  async load(pool: Pool): Promise<CompiledModule> {
    const limits = this.#limitsOf(pool.policy);
    const kept = this.#parts.modules.get(pool.digest, limits);
    if (kept !== undefined) return kept;
    const bytes = this.#declared.get(pool.digest) ?? (await this.#store.moduleBytes(pool.digest));
    if (bytes === undefined) throw new Error(`the store has no module ${pool.digest}`);
    return this.#parts.modules.compile(bytes, limits);
  }

  /** Versions of a service, oldest first. */
  versions(service: Service): VersionView[] {
    const { version, digest } = service.pool;
    if (service.origin.kind === "config") {
      const bytes = this.#declared.get(digest)?.length ?? 0;
      return [{ version, sha256: digest, bytes, addedAt: this.#startedAt, current: true }];
    }
    const stored = this.#store.get(service.prefix);
    return (stored?.versions ?? []).map((each) => ({
      version: each.version,
      sha256: each.digest,
      bytes: each.bytes,
      addedAt: each.addedAt,
      current: each.version === stored?.current,
    }));
  }

  readonly #startedAt = new Date().toISOString();

  /** A service of the config: the file is the truth (DECISIONS 6.1), so its module is checked now. */
  async #declare(prefix: string, declared: ServiceConfig): Promise<void> {
    try {
      const bytes = await this.#readDeclared(declared.source);
      const compiled = await this.#parts.modules.compile(bytes, this.#limitsOf(declared.policy));
      if (declared.sha256 !== undefined && declared.sha256.toLowerCase() !== compiled.digest) {
        throw new FrenezuloError("digest_mismatch", { actual: compiled.digest, expected: declared.sha256 });
      }
      this.#declared.set(compiled.digest, bytes);
      const service = this.#newService(prefix, { kind: "config", where: declared.where }, declared.policy);
      this.#switch(service, new Pool(service, 1, compiled.digest, declared.policy), true);
    } catch (thrown) {
      throw new FrenezuloError("bad_config", { where: declared.where, why: reasonOf(thrown) }, { cause: thrown });
    }
  }

  /** What the config names is the operator's choice: any path; URLs as for everybody. */
  async #readDeclared(source: string): Promise<Uint8Array> {
    if (/^https?:/.test(source)) return this.#parts.sources.read(source);
    return readFile(source.startsWith("file:") ? fileURLToPath(source) : source);
  }

  #newService(prefix: string, origin: Origin, policy: Policy = this.#parts.config.defaults): Service {
    const { failures, ratio, window: windowMs } = policy.breaker;
    const settings = { failures, ratio, windowMs, backoff: backoffOf(policy) };
    return new Service(prefix, origin, new Breaker(settings, Math.random), this.#parts.metrics.service(prefix));
  }

  /** Routes a stored version without starting it. */
  #route(service: Service, version: StoredVersion): void {
    let policy = this.#parts.config.defaults;
    try {
      policy = this.#policyOf(version.policy, version.env);
    } catch (thrown) {
      const why = reasonOf(thrown);
      this.#parts.log.error(
        { service: service.prefix, why },
        "a stored policy is not acceptable; the defaults are used",
      );
    }
    this.#switch(service, new Pool(service, version.version, version.digest, policy), true);
  }

  /** Starts a new pool's first actor, commits, and lets the pool take over. */
  async #replace(
    prefix: string,
    known: Service | undefined,
    version: { number: number; digest: string; policy: Policy },
    commit: () => Promise<unknown>,
  ): Promise<void> {
    const { supervision } = this.#parts;
    const service = known ?? this.#newService(prefix, { kind: "api" }, version.policy);
    const pool = new Pool(service, version.number, version.digest, version.policy);
    supervision.addPool(pool);
    try {
      await supervision.startFirst(pool);
      await commit();
    } catch (thrown) {
      void supervision.removePool(pool);
      throw thrown;
    }
    this.#switch(service, pool, false);
  }

  /** The same module again never makes a new version; a changed policy takes effect in a new pool of the same one. */
  async #changePolicy(
    service: Service,
    current: StoredVersion,
    policy: Policy,
    given: Pick<StoredVersion, "policy" | "env">,
  ): Promise<AddResult> {
    const { prefix } = service;
    const result = { prefix, version: current.version, sha256: current.digest };
    if (isSame(policy, service.pool.policy)) return { ...result, changed: false };
    const { version: number, digest } = current;
    await this.#replace(prefix, service, { number, digest, policy }, () =>
      this.#store.setPolicy(prefix, number, given),
    );
    return { ...result, changed: true };
  }

  /** New requests go to `pool` from now on, and so do those that wait; older pools drain and end. */
  #switch(service: Service, pool: Pool, isNew: boolean): void {
    const { supervision, router, dispatch } = this.#parts;
    const old = service.pool as Pool | undefined;
    service.pool = pool;
    if (isNew) supervision.addPool(pool);
    if (old === undefined) router.add(service.prefix, service);
    else {
      service.breaker.reset();
      dispatch.queues.move(old, pool);
      void this.#end(old);
    }
  }

  /** Ends a pool that takes no new requests, once those it has are answered. */
  async #end(pool: Pool): Promise<void> {
    const { queue_timeout, deadline } = pool.policy.limits;
    const lastMs = performance.now() + queue_timeout + deadline;
    while (pool.sent + pool.waiting.length > 0 && performance.now() < lastMs) await sleep(DRAIN_POLL_MS);
    await this.#parts.supervision.removePool(pool);
  }

  /** @throws config_origin */
  #changeable(prefix: string): Service | undefined {
    const service = this.#parts.router.get(prefix);
    if (service?.origin.kind === "config") {
      throw new FrenezuloError("config_origin", { service: prefix, where: service.origin.where });
    }
    return service;
  }

  #policyOf(given: unknown, env: Readonly<Record<string, string>>): Policy {
    const policy = parsePolicy(given, this.#parts.config);
    return { ...policy, env: { ...policy.env, ...env } };
  }

  #limitsOf({ limits }: Policy): IntakeLimits {
    const { module_bytes: moduleBytesMax, compile: compileMs } = this.#parts.config.limits;
    return { memoryBytes: limits.memory, tableElements: limits.table, moduleBytesMax, compileMs };
  }

  #inTurn<T>(prefix: string, change: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(prefix) ?? Promise.resolve();
    const turn = before.then(change, change);
    this.#turns.set(prefix, turn);
    const forget = (): void => {
      if (this.#turns.get(prefix) === turn) this.#turns.delete(prefix);
    };
    turn.then(forget, forget);
    return turn;
  }
}

function currentOf(stored: StoredService): StoredVersion {
  return stored.versions.find((each) => each.version === stored.current) as StoredVersion;
}

function isSame(a: Policy, b: Policy): boolean {
  const text = (policy: Policy): string =>
    JSON.stringify(policy, (_key, value: unknown) => (value === Number.POSITIVE_INFINITY ? "never" : value));
  return text(a) === text(b);
}
