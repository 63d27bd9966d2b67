// Modules in the form that processes are spawned from: light where the rewrite has made one, else plain.
import { boundedKey, moduleKey } from "../../wire/module-key.ts";
import type { CarrierModule } from "../../wire/specs.ts";
import { FrenezuloError } from "../errors.ts";
import type { NotLight } from "../modules/light-cache.ts";
import type { Lightener } from "../modules/lightener.ts";
import type { CompiledModule, IntakeLimits, Modules } from "../modules/modules.ts";

export interface ProcessModule {
  /** The name under which carriers keep it. */
  readonly key: string;
  readonly module: CarrierModule;
  /** Why it is not light; null: it is. */
  readonly why: string | null;
}

export class ModuleForms {
  readonly #modules: Modules;
  readonly #lightener: Lightener;

  constructor(modules: Modules, lightener: Lightener) {
    this.#modules = modules;
    this.#lightener = lightener;
  }

  /** The light form of a module, if it is there already: it costs no rewrite. Null: none. @throws as intake */
  async light(digest: string, limits: IntakeLimits): Promise<CarrierModule | null> {
    const known = await this.#lightener.get(digest);
    if (known === undefined || !("bytes" in known)) return null;
    const light = await this.#compile(digest, known.bytes, limits);
    return "reason" in light ? null : carrierModule(light);
  }

  /** Rewrites a module, if that was not tried yet. @returns true if it has a light form. @throws as Lightener.want */
  async prepare(digest: string, bytes: Uint8Array): Promise<boolean> {
    return "bytes" in (await this.#lightener.want(digest, bytes));
  }

  /**
   * The module to spawn from, light if it can be.
   * @param isPatient waits for the rewrite; else the plain form of a large module comes as long as there is no other
   * @throws as intake
   */
  async load(digest: string, bytes: Read, bounds: Bounds, isPatient: boolean): Promise<ProcessModule> {
    let rewritten = await this.#lightener.get(digest);
    if (rewritten === undefined) {
      const given = await bytes();
      const wanted = this.#lightener.want(digest, given);
      if (isPatient || given.length <= SMALL_BYTES) rewritten = await wanted;
      else {
        wanted.catch(() => {}); // asked for again by the next spawn
        return this.plain(digest, bytes, bounds, "its light form is still being made");
      }
    }
    if (!("bytes" in rewritten)) return this.plain(digest, bytes, bounds, rewritten.reason);
    const { key, limits } = bounded(digest, bounds);
    const light = await this.#compile(digest, rewritten.bytes, limits);
    if ("reason" in light) return this.plain(digest, bytes, bounds, light.reason);
    return { key, module: carrierModule(light), why: null };
  }

  /** The light form, or why it is not taken: then the plain one is, from now on. @throws as intake */
  async #compile(digest: string, bytes: Uint8Array, limits: IntakeLimits): Promise<CompiledModule | NotLight> {
    try {
      return await this.#modules.compile(bytes, lightLimits(limits));
    } catch (thrown) {
      if (!(thrown instanceof FrenezuloError) || thrown.code !== "module_limits") throw thrown;
      const reason = `in its light form ${thrown.details.why}`;
      await this.#lightener.giveUp(digest, reason);
      return { reason };
    }
  }

  /** The module as it is. @param why it is not light. @throws as intake */
  async plain(digest: string, bytes: Read, bounds: Bounds, why: string): Promise<ProcessModule> {
    const { key, limits } = bounded(digest, bounds);
    const module = await this.#modules.compile(await bytes(), { ...limits, needsEntry: false });
    return { key: `${key}:plain`, module: carrierModule(module), why };
  }
}

type Read = () => Promise<Uint8Array>;

/** What a module is held against, and the memory that its spawner allows, if that is less. */
export interface Bounds {
  readonly limits: IntakeLimits;
  readonly memoryBytesMax: number;
}

function bounded(digest: string, { limits, memoryBytesMax }: Bounds): { key: string; limits: IntakeLimits } {
  const key = moduleKey(digest, limits);
  if (memoryBytesMax >= limits.memoryBytes) return { key, limits };
  return { key: boundedKey(key, memoryBytesMax), limits: { ...limits, memoryBytes: memoryBytesMax } };
}

/** The rewrite of a module up to this takes about a second: that is waited for. */
const SMALL_BYTES = 512 * 1024;
/** The rewrite makes a module 1.5 to 3 times as large (M); what is held against the user's limit is his own. */
const LIGHT_TIMES = 4;

function lightLimits(limits: IntakeLimits): IntakeLimits {
  const { moduleBytesMax, compileMs } = limits;
  const larger = { moduleBytesMax: moduleBytesMax * LIGHT_TIMES, compileMs: compileMs * LIGHT_TIMES };
  return { ...limits, ...larger, light: true, needsEntry: false };
}

function carrierModule({ module, info }: CompiledModule): CarrierModule {
  return { module, info };
}
