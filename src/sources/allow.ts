// The hosts that modules may be fetched from, as the configuration names them. Pure.
import { isIP } from "node:net";
import { FrenezuloError } from "../errors.ts";

/** A place in the allow-list that a URL was found at. */
export interface Allowed {
  readonly url: URL;
  /** The operator named this very IP address: it may be reached even if it is loopback or private. */
  readonly isNamedAddress: boolean;
}

/**
 * The allow-list. An entry is
 * - `host` or `host:port`: https only, port 443 unless given;
 * - `http://host` or `http://host:port`: plain http only, port 80 unless given.
 *
 * A host is compared whole, after WHATWG parsing on both sides; there are no wildcards. A name must resolve to public
 * addresses. An entry that is an IP address may be any address, since the operator wrote it: `http://127.0.0.1:9000`.
 */
export class AllowList {
  readonly #origins: ReadonlySet<string>;

  /** @throws bad_config for an entry that is none of the above */
  constructor(entries: readonly string[]) {
    this.#origins = new Set(entries.map(originOf));
  }

  /** @throws source_refused */
  check(text: string, base?: URL): Allowed {
    if (!URL.canParse(text, base?.href)) refuse("it is not a URL");
    const url = new URL(text, base?.href);
    if (url.protocol !== "https:" && url.protocol !== "http:") {
      refuse(`${url.protocol} is not served; https:, http: and file: are`);
    }
    if (url.username !== "" || url.password !== "") refuse("a URL with a user name or password is not taken");
    if (this.#origins.size === 0) refuse("URLs are off: sources.allow names no host");
    if (!this.#origins.has(url.origin)) refuse(`${url.origin} is not among the hosts in sources.allow`);
    return { url, isNamedAddress: isIP(bareHost(url)) !== 0 };
  }
}

/** The host without the brackets of an IPv6 address. */
export function bareHost(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, "$1");
}

function originOf(entry: string): string {
  const text = /^https?:\/\//.test(entry) ? entry : `https://${entry}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isOrigin = url?.pathname === "/" && url.search === "" && url.hash === "" && url.username === "";
  if (url === undefined || !isOrigin || url.hostname.includes("*") || text.endsWith("/")) {
    throw new FrenezuloError("bad_config", {
      where: "sources.allow",
      why: `${JSON.stringify(entry)} is not a host: write host, host:port or http://host:port`,
    });
  }
  return url.origin;
}

function refuse(why: string): never {
  throw new FrenezuloError("source_refused", { why });
}
