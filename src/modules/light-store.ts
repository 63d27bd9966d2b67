// Where a node keeps light modules: those of the API in the store, those of the file in a folder beside it.
import { join } from "node:path";
import { type Light, type LightCache, LightFiles } from "./light-cache.ts";

export interface LightStoreParts {
  /** Folder of the store. */
  readonly data: string;
  readonly store: () => LightCache;
  /** True for a module that the config declares: the store does not have it. */
  readonly isDeclared: (digest: string) => boolean;
}

export class LightStore implements LightCache {
  readonly #parts: LightStoreParts;
  readonly #files: LightFiles;

  constructor(parts: LightStoreParts) {
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
