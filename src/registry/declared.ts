// The services that the config declares: routed at start, changed by a reload. The file is their truth (DECISIONS 6.1).
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { ServiceConfig } from "../config/config.ts";
import { FrenezuloError, reasonOf } from "../errors.ts";
import type { CompiledModule } from "../modules/modules.ts";
import { isSamePolicy } from "../services/policies.ts";
import type { Router } from "../services/router.ts";
import type { Pool, Service } from "../services/service.ts";
import type { Sources } from "../sources/sources.ts";
import type { PoolVersion, Replacement } from "./replacement.ts";

export interface DeclaredParts {
  readonly router: Router<Service>;
  readonly sources: Sources;
  readonly replacement: Replacement;
  readonly compile: (bytes: Uint8Array, policy: ServiceConfig["policy"]) => Promise<CompiledModule>;
}

/** A declared service whose module has been read, checked and compiled. */
export interface Prepared {
  readonly prefix: string;
  readonly declared: ServiceConfig;
  readonly digest: string;
  readonly bytes: Uint8Array;
}

/** What a reload did to services, by prefix. */
export interface ServiceChanges {
  readonly added: string[];
  readonly changed: string[];
  readonly removed: string[];
}

export class DeclaredServices {
  readonly #parts: DeclaredParts;
  /** Modules by digest: the store does not have them. */
  #bytes = new Map<string, Uint8Array>();

  constructor(parts: DeclaredParts) {
    this.#parts = parts;
  }

  /** Bytes of a declared module. */
  bytes(digest: string): Uint8Array | undefined {
    return this.#bytes.get(digest);
  }

  /** Reads and compiles all modules; changes nothing. @throws bad_config with the place of the service */
  async prepare(services: ReadonlyMap<string, ServiceConfig>): Promise<Prepared[]> {
    const prepared: Prepared[] = [];
    for (const [prefix, declared] of services) {
      try {
        const bytes = await this.#read(declared.source);
        const { digest } = await this.#parts.compile(bytes, declared.policy);
        if (declared.sha256 !== undefined && declared.sha256 !== digest) {
          throw new FrenezuloError("digest_mismatch", { actual: digest, expected: declared.sha256 });
        }
        prepared.push({ prefix, declared, digest, bytes });
      } catch (thrown) {
        throw new FrenezuloError("bad_config", { where: declared.where, why: reasonOf(thrown) }, { cause: thrown });
      }
    }
    return prepared;
  }

  /** Routes what was prepared, at start. */
  open(prepared: readonly Prepared[]): void {
    this.#keep(prepared);
    for (const each of prepared) this.#add(each);
  }

  /**
   * Makes the running services those that were prepared. Only what changed restarts; first instances run before
   * anything is switched. @throws bad_config if one does not start; then nothing has changed
   */
  async reload(prepared: readonly Prepared[]): Promise<ServiceChanges> {
    const { router, replacement } = this.#parts;
    this.#keep([...prepared], this.#bytes);
    const started: Pool[] = [];
    const added: Prepared[] = [];
    for (const each of prepared) {
      const service = router.get(each.prefix);
      if (service === undefined || service.origin.kind === "api") {
        added.push(each);
        continue;
      }
      const next = this.#nextVersion(service, each);
      if (next === null) continue;
      try {
        started.push(await replacement.start(service, next));
      } catch (thrown) {
        for (const pool of started) replacement.discard(pool);
        throw new FrenezuloError(
          "bad_config",
          { where: each.declared.where, why: reasonOf(thrown) },
          { cause: thrown },
        );
      }
    }
    const names = new Set(prepared.map(({ prefix }) => prefix));
    const gone = [...router.targets()].filter(({ prefix, origin }) => origin.kind === "config" && !names.has(prefix));
    for (const pool of started) replacement.takeOver(pool);
    for (const service of gone) replacement.remove(service);
    for (const each of added) this.#add(each);
    for (const { prefix, declared } of prepared) this.#moved(router.get(prefix), declared.where);
    this.#keep(prepared);
    return {
      added: added.map(({ prefix }) => prefix),
      changed: started.map(({ service }) => service.prefix),
      removed: gone.map(({ prefix }) => prefix),
    };
  }

  #add({ prefix, declared, digest }: Prepared): void {
    const { router, replacement } = this.#parts;
    // A service of the same prefix that came by the API is hidden from now on.
    const hidden = router.get(prefix);
    if (hidden !== undefined) replacement.remove(hidden);
    const service = replacement.newService(prefix, { kind: "config", where: declared.where }, declared.policy);
    replacement.routeCold(service, { version: 1, digest, policy: declared.policy });
  }

  /** What must start for a declared service; null if it runs as it is declared. */
  #nextVersion({ pool }: Service, { declared, digest }: Prepared): PoolVersion | null {
    const { policy } = declared;
    if (digest === pool.digest) {
      return isSamePolicy(policy, pool.policy) ? null : { version: pool.version, digest, policy };
    }
    return { version: pool.version + 1, digest, policy };
  }

  /** Lines of the file move when others change. */
  #moved(service: Service | undefined, where: string): void {
    if (service?.origin.kind === "config") service.origin = { kind: "config", where };
  }

  #keep(prepared: readonly Prepared[], also: ReadonlyMap<string, Uint8Array> = new Map()): void {
    this.#bytes = new Map([...also, ...prepared.map(({ digest, bytes }) => [digest, bytes] as const)]);
  }

  /** What the config names is the operator's choice: any path; URLs as for everybody. */
  async #read(source: string): Promise<Uint8Array> {
    if (/^https?:/.test(source)) return this.#parts.sources.read(source);
    return readFile(source.startsWith("file:") ? fileURLToPath(source) : source);
  }
}
