// Where a module's bytes come from if they are not uploaded: a file: or an http(s) URL, both guarded.
import type { LookupFunction } from "node:net";
import { FrenezuloError } from "../errors.ts";
import { AllowList } from "./allow.ts";
import { defaultLookup, download } from "./download.ts";
import { readFileUrl } from "./file.ts";

export interface SourcesOptions {
  /** The only folder that file: URLs may name files under; null: file: URLs are off. */
  readonly folder: string | null;
  /** Hosts of http(s) URLs: `host`, `host:port`, `http://host:port` (see AllowList); empty: such URLs are off. */
  readonly allow: readonly string[];
  /** Bytes of a module. */
  readonly bytesMax: number;
  /** Milliseconds for a whole download. */
  readonly timeoutMs: number;
  /** Resolves names; dns.lookup by default. */
  readonly lookup?: LookupFunction;
}

export class Sources {
  readonly #options: SourcesOptions;
  readonly #allow: AllowList;

  /** @throws bad_config for an entry of `allow` that is not a host */
  constructor(options: SourcesOptions) {
    this.#options = options;
    this.#allow = new AllowList(options.allow);
  }

  /**
   * The bytes at a URL; what they are is for the intake to say.
   * @throws source_refused, source_failed, module_too_large
   */
  async read(url: string): Promise<Uint8Array> {
    const { folder, bytesMax, timeoutMs, lookup = defaultLookup } = this.#options;
    if (!URL.canParse(url)) throw new FrenezuloError("source_refused", { why: "it is not a URL" });
    const parsed = new URL(url);
    if (parsed.protocol === "file:") return readFileUrl(parsed, folder, bytesMax);
    return download(url, { allow: this.#allow, bytesMax, timeoutMs, lookup });
  }
}
