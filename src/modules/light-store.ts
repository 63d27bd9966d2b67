// Where a node keeps light modules: those of the API in the store, those of the file in a folder beside it.
// Main thread.
import { join } from "node:path";
import { type Light, type LightCache, LightFiles } from "./light-cache.ts";

export interface NodeLightParts {
  /** Folder of the store. */
  readonly data: string;
  readonly store: () => LightCache;
  /** True for a module that the config declares: the store does not have it. */
  readonly isDeclared: (digest: string) => boolean;
}

export class NodeLight implements LightCache {
  readonly #parts: NodeLightParts;
  readonly #files: LightFiles;

  constructor(parts: NodeLightParts) {
    this.#parts = parts;
    this.#files = new LightFiles(join(parts.data, "light"));
  }

  async get(digest: string): Promise<Light | undefined> {
    return (await this.#parts.store().get(digest)) ?? (await this.#files.get(digest));
  }

  put(digest: string, light: Light): Promise<void> {
    return (this.#parts.isDeclared(digest) ? this.#files : this.#parts.store()).put(digest, light);
  }

  /** Forgets what belongs to modules that the config does not declare any more. */
  prune(): Promise<void> {
    return this.#files.prune(this.#parts.isDeclared);
  }
}
