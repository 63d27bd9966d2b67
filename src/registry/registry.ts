// The services of a node: those of the config and those of the API, and the changes they go through.
//
// Order of an accepted change (DECISIONS 6.2): compile → first instance → commit → switch the route → answer. Changes
// of one prefix take turns. Whatever fails before the commit leaves everything as it was.
import { InTurnByKey } from "../../wire/in-turn.ts";
import type { AddOptions, AddResult, VersionView } from "../admin/verbs.ts";
import type { NodeConfig, Policy } from "../config/config.ts";
import { parsePolicy } from "../config/policy.ts";
import { FrenezuloError, reasonOf } from "../errors.ts";
import type { Log } from "../log/log.ts";
import type { CompiledModule, IntakeLimits, Modules } from "../modules/modules.ts";
import { isSamePolicy, samePolicy } from "../services/policies.ts";
import { assertPrefix, type Router } from "../services/router.ts";
import type { Pool, Service } from "../services/service.ts";
import type { Sources } from "../sources/sources.ts";
import type { StoredService, StoredVersion } from "../store/row.ts";
import type { Store } from "../store/store.ts";
import { DeclaredServices, type ServiceChanges } from "./declared.ts";
import type { PoolVersion, Replacement } from "./replacement.ts";

export interface RegistryParts {
  readonly config: NodeConfig;
  readonly log: Log;
  readonly router: Router<Service>;
  readonly modules: Modules;
  readonly sources: Sources;
  readonly replacement: Replacement;
}

export class Registry {
  readonly #parts: RegistryParts;
  readonly #turns = new InTurnByKey();
  readonly #declared: DeclaredServices;
  readonly #startedAt = new Date().toISOString();
  #config: NodeConfig;
  #store!: Store;

  constructor(parts: RegistryParts) {
    this.#parts = parts;
    this.#config = parts.config;
    const { router, sources, replacement } = parts;
    const compile: Registry["compile"] = (bytes, policy) => this.compile(bytes, policy);
    this.#declared = new DeclaredServices({ router, sources, replacement, compile });
  }

  /**
   * Routes what the config declares and what the store has. Nothing of the store is compiled yet. @throws bad_config
   */
  async open(store: Store): Promise<void> {
    this.#store = store;
    this.#declared.open(await this.#declared.prepare(this.#config.services));
    for (const stored of store.services()) {
      const known = this.#parts.router.get(stored.prefix);
      if (known === undefined) this.#routeStored(stored);
      else if (known.origin.kind === "config") {
        const { where } = known.origin;
        this.#parts.log.warn({ service: stored.prefix, where }, "the config hides a service of the store");
      }
    }
  }

  /**
   * Makes the services those of another config: declared ones, and those of the API whose policy follows from other
   * defaults. @throws bad_config; then nothing has changed
   */
  async reload(config: NodeConfig): Promise<ServiceChanges> {
    const before = this.#config;
    const following: Pool[] = [];
    this.#config = config;
    try {
      const prepared = await this.#declared.prepare(config.services);
      for (const stored of this.#store.services()) {
        const pool = config.services.has(stored.prefix) ? null : await this.#followDefaults(stored);
        if (pool !== null) following.push(pool);
      }
      const changes = await this.#declared.reload(prepared);
      for (const pool of following) if (this.#takeOver(pool)) changes.changed.push(pool.service.prefix);
      for (const stored of this.#store.services()) {
        if (this.#parts.router.get(stored.prefix) !== undefined) continue;
        this.#routeStored(stored); // the config hid it
        changes.added.push(stored.prefix);
      }
      return changes;
    } catch (thrown) {
      for (const pool of following) this.#parts.replacement.discard(pool);
      this.#config = before;
      throw thrown;
    }
  }

  /** Adds or replaces. @throws every code of modules, sources and administration; then nothing has changed */
  add(options: AddOptions): Promise<AddResult> {
    return this.#turns.run(options.prefix, async () => {
      const { prefix } = options;
      assertPrefix(prefix);
      const service = this.#changeable(prefix);
      const policy = this.#policyOf(options.policy, options.env ?? {});
      const bytes =
        options.source.kind === "bytes" ? options.source.bytes : await this.#parts.sources.read(options.source.url);
      const compiled = await this.compile(bytes, policy);
      const { digest } = compiled;
      if (options.sha256 !== undefined && options.sha256.toLowerCase() !== digest) {
        throw new FrenezuloError("digest_mismatch", { actual: digest, expected: options.sha256 });
      }
      await this.#store.mend(digest, bytes);
      const stored = this.#store.get(prefix);
      const current = stored === undefined ? undefined : currentOf(stored);
      const given = { policy: options.policy ?? {}, env: options.env ?? {} };
      if (service !== undefined && current?.digest === digest) {
        return this.#changePolicy(service, current, policy, given);
      }
      const version = { digest, bytes: bytes.length, addedAt: new Date().toISOString(), ...given };
      const number = stored?.next ?? 1;
      const pool = { version: number, digest, policy };
      await this.#replace(prefix, service, pool, () => this.#store.putVersion(prefix, version, bytes));
      return { prefix, version: number, sha256: digest, changed: true };
    });
  }

  /** @throws unknown_service, unknown_version, config_origin, and what starting the old version throws */
  rollback(prefix: string, version: number): Promise<AddResult> {
    return this.#turns.run(prefix, async () => {
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
      await this.#replace(prefix, service, { version, digest, policy }, () => this.#store.setCurrent(prefix, version));
      return { ...result, changed: true };
    });
  }

  /** Resolves when the service is gone from route and store; requests it had are answered first or meanwhile. */
  remove(prefix: string): Promise<void> {
    return this.#turns.run(prefix, async () => {
      const service = this.#changeable(prefix);
      if (service === undefined) throw new FrenezuloError("unknown_service", { service: prefix });
      await this.#store.remove(prefix);
      this.#parts.replacement.remove(service);
    });
  }

  /** The compiled module of a pool, read and compiled if the cache has it no more. */
  async load(pool: Pool): Promise<CompiledModule> {
    const limits = this.limitsOf(pool.policy);
    const kept = this.#parts.modules.get(pool.digest, limits);
    return kept ?? this.#parts.modules.compile(await this.moduleBytes(pool.digest), limits);
  }

  /** True for a module that the config declares. */
  declares(digest: string): boolean {
    return this.#declared.bytes(digest) !== undefined;
  }

  /** A version's module as it was given. @throws Error if it is not there any more */
  async moduleBytes(digest: string): Promise<Uint8Array> {
    const bytes = this.#declared.bytes(digest) ?? (await this.#store.moduleBytes(digest));
    if (bytes === undefined) throw new Error(`the store has no module ${digest}`);
    return bytes;
  }

  /** @throws as Modules.compile */
  compile(bytes: Uint8Array, policy: Policy): Promise<CompiledModule> {
    return this.#parts.modules.compile(bytes, this.limitsOf(policy));
  }

  /** Versions of a service, oldest first. */
  versions(service: Service): VersionView[] {
    const { version, digest } = service.pool;
    if (service.origin.kind === "config") {
      const bytes = this.#declared.bytes(digest)?.length ?? 0;
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

  /** Routes a stored service without starting it. */
  #routeStored(stored: StoredService): void {
    const { replacement, log } = this.#parts;
    const { version, digest, policy: given, env } = currentOf(stored);
    let policy = this.#config.defaults;
    try {
      policy = this.#policyOf(given, env);
    } catch (thrown) {
      const fields = { service: stored.prefix, why: reasonOf(thrown) };
      log.error(fields, "a stored policy is not acceptable any more; the defaults are used");
    }
    replacement.routeCold(replacement.newService(stored.prefix, { kind: "api" }, policy), { version, digest, policy });
  }

  /**
   * The pool that takes over from a service of the API when the defaults have changed; null if its policy is the same.
   * One that has no actor gets none. @throws bad_config if it does not start
   */
  #followDefaults(stored: StoredService): Promise<Pool | null> {
    const { router, replacement } = this.#parts;
    return this.#turns.run(stored.prefix, async () => {
      const service = router.get(stored.prefix);
      if (service?.origin.kind !== "api") return null;
      const { policy: given, env } = currentOf(stored);
      try {
        const policy = this.#policyOf(given, env);
        if (isSamePolicy(policy, service.pool.policy)) return null;
        const { version, digest, actors } = service.pool;
        const next = { version, digest, policy };
        return actors.size === 0 ? replacement.prepareCold(service, next) : await replacement.start(service, next);
      } catch (thrown) {
        const where = `defaults, for the service ${stored.prefix} of the API`;
        throw new FrenezuloError("bad_config", { where, why: reasonOf(thrown) }, { cause: thrown });
      }
    });
  }

  /** False if its service was changed or removed meanwhile. */
  #takeOver(pool: Pool): boolean {
    const { router, replacement } = this.#parts;
    const { service, digest, version } = pool;
    const isCurrent = router.get(service.prefix) === service && service.pool.version === version;
    if (isCurrent && service.pool.digest === digest) replacement.takeOver(pool);
    else replacement.discard(pool);
    return isCurrent;
  }

  /** Starts a new pool's first actor, commits, and lets the pool take over. */
  async #replace(
    prefix: string,
    known: Service | undefined,
    version: PoolVersion,
    commit: () => Promise<unknown>,
  ): Promise<void> {
    const { replacement } = this.#parts;
    const pool = await replacement.start(
      known ?? replacement.newService(prefix, { kind: "api" }, version.policy),
      version,
    );
    try {
      await commit();
    } catch (thrown) {
      replacement.discard(pool);
      throw thrown;
    }
    replacement.takeOver(pool);
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
    if (isSamePolicy(policy, service.pool.policy)) return { ...result, changed: false };
    const { version, digest } = current;
    await this.#replace(prefix, service, { version, digest, policy }, () =>
      this.#store.setPolicy(prefix, version, given),
    );
    return { ...result, changed: true };
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
    const policy = parsePolicy(given, this.#config);
    return samePolicy({ ...policy, env: { ...policy.env, ...env } });
  }

  /** What intake holds modules of a policy against. */
  limitsOf({ limits }: Policy): IntakeLimits {
    const { module_bytes: moduleBytesMax, compile: compileMs } = this.#config.limits;
    return { memoryBytes: limits.memory, tableElements: limits.table, moduleBytesMax, compileMs };
  }
}

function currentOf(stored: StoredService): StoredVersion {
  return stored.versions.find((each) => each.version === stored.current) as StoredVersion;
}
