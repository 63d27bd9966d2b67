// Where light modules are kept: what a cache of them is, and one in a folder (`frenezulo run`).
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { REWRITE_VERSION } from "../../wire/abi/light.ts";

/** What became of a module: the light one, or why there is none. */
export type Light = { readonly bytes: Uint8Array } | NotLight;

export interface NotLight {
  readonly reason: string;
  /** Milliseconds that were not enough: with more it is worth another trial. */
  readonly limitMs?: number | undefined;
}

/** By the sha256 (hex) of the module as it was given; what another version of the rewrite made is not there. */
export interface LightCache {
  get(digest: string): Promise<Light | undefined>;
  /** @throws what the place it is kept in throws; then nothing is kept */
  put(digest: string, light: Light): Promise<void>;
}

/** One file a module: `DIGEST.1.wasm`, or `DIGEST.1.json` with the reason. Several processes may use the folder. */
export class LightFiles implements LightCache {
  readonly #folder: string;

  /** @param folder made with the first file, mode 0700: what lies there is run as if it were our own rewrite */
  constructor(folder: string) {
    this.#folder = folder;
  }

  async get(digest: string): Promise<Light | undefined> {
    const bytes = await contents(this.#path(digest, "wasm"));
    if (bytes !== undefined) return { bytes };
    const text = await contents(this.#path(digest, "json"));
    return text === undefined ? undefined : (JSON.parse(text.toString()) as NotLight);
  }

  async put(digest: string, light: Light): Promise<void> {
    const path = "bytes" in light ? this.#path(digest, "wasm") : this.#path(digest, "json");
    const draft = `${path}.${process.pid}`;
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    await writeFile(draft, "bytes" in light ? light.bytes : JSON.stringify(light), { mode: 0o600 });
    await rename(draft, path);
  }

  /** Removes the files of modules that are not used any more, and those of another version of the rewrite. */
  async prune(isUsed: (digest: string) => boolean): Promise<void> {
    const names = await readdir(this.#folder).catch(() => []);
    const useless = names.filter((name) => {
      const [digest = "", version] = name.split(".");
      return !isUsed(digest) || version !== String(REWRITE_VERSION);
    });
    await Promise.all(useless.map((name) => rm(join(this.#folder, name), { force: true })));
  }

  #path(digest: string, extension: string): string {
    return join(this.#folder, `${digest}.${REWRITE_VERSION}.${extension}`);
  }
}

async function contents(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return undefined;
    throw thrown;
  }
}
