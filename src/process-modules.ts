// Modules in the form that processes are spawned from: light where the rewrite has made one, else plain. Main thread.
import { boundedKey } from "../actors/module-key.ts";
import type { CarrierModule } from "../actors/wire.ts";
import type { Lightener } from "./lightener.ts";
import type { CompiledModule, IntakeLimits, Modules } from "./modules.ts";

export interface ProcessModule {
  /** The name under which carriers keep it. */
  readonly key: string;
  readonly module: CarrierModule;
  /** Why it is not light; null: it is. */
  readonly why: string | null;
}

export class ProcessModules {
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
    return carrierModule(await this.#modules.compile(known.bytes, { ...limits, light: true }));
  }

  /** Begins the rewrite of a module, if it has not been tried yet. */
  prepare(digest: string, bytes: Uint8Array): void {
    void this.#lightener.want(digest, bytes).catch(() => {}); // asked for again by the first spawn
  }

  /**
   * The module to spawn from, light if it can be: waits for its rewrite.
   * @param memoryBytesMax at most the limits'
   * @throws as intake
   */
  async load(
    digest: string,
    bytes: () => Promise<Uint8Array>,
    limits: IntakeLimits,
    memoryBytesMax: number,
  ): Promise<ProcessModule> {
    const isBounded = memoryBytesMax < limits.memoryBytes;
    const key = isBounded ? boundedKey(digest, memoryBytesMax) : digest;
    const bounded: IntakeLimits = isBounded ? { ...limits, memoryBytes: memoryBytesMax } : limits;
    const rewritten = (await this.#lightener.get(digest)) ?? (await this.#lightener.want(digest, await bytes()));
    if ("bytes" in rewritten) {
      const module = carrierModule(await this.#modules.compile(rewritten.bytes, { ...bounded, light: true }));
      return { key, module, why: null };
    }
    const module = carrierModule(await this.#modules.compile(await bytes(), { ...bounded, needsEntry: false }));
    return { key: `${key}:plain`, module, why: rewritten.reason };
  }
}

function carrierModule({ module, info }: CompiledModule): CarrierModule {
  return { module, info };
}
