// Where light modules are kept: what a cache of them is, and one in a folder (`frenezulo run`).
import { readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { REWRITE_VERSION } from "../../wire/abi/light.ts";
import { makeFolder } from "../make-folder.ts";
import { digestInSlices } from "../slices.ts";

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

const SHA256_BYTES = 32;

/**
 * One file a module: `DIGEST.1.wasm`, the light module with its sha256 behind it, or `DIGEST.1.json` with the reason.
 * A file that is damaged counts as not there. Several processes may use the folder.
 */
export class LightFiles implements LightCache {
  readonly #folder: string;

  /** @param folder made with the first file, mode 0700: what lies there is run as if it were our own rewrite */
  constructor(folder: string) {
    this.#folder = folder;
  }

  async get(digest: string): Promise<Light | undefined> {
    const file = await contents(this.#path(digest, "wasm"));
    if (file !== undefined) {
      const bytes = file.subarray(0, -SHA256_BYTES);
      const isSound = (await digestInSlices(bytes)) === file.subarray(-SHA256_BYTES).toString("hex");
      return isSound ? { bytes } : undefined;
    }
    const text = await contents(this.#path(digest, "json"));
    return text === undefined ? undefined : notLight(text.toString());
  }

  async put(digest: string, light: Light): Promise<void> {
    const path = "bytes" in light ? this.#path(digest, "wasm") : this.#path(digest, "json");
    const draft = `${path}.${process.pid}`;
    await makeFolder(this.#folder, 0o700);
    await writeFile(draft, "bytes" in light ? await withDigest(light.bytes) : JSON.stringify(light), { mode: 0o600 });
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

async function withDigest(bytes: Uint8Array): Promise<Buffer> {
  return Buffer.concat([bytes, Buffer.from(await digestInSlices(bytes), "hex")]);
}

function notLight(text: string): NotLight | undefined {
  try {
    const found = JSON.parse(text) as Partial<NotLight> | null;
    return typeof found?.reason === "string" ? (found as NotLight) : undefined;
  } catch {
    return undefined;
  }
}

/** Undefined for what cannot be read, too: it is only a cache, and why it cannot be is told when it is written. */
function contents(path: string): Promise<Buffer | undefined> {
  return readFile(path).catch(() => undefined);
}
