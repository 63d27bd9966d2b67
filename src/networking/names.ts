// Names to addresses as the system is set up, without its resolver: the hosts file, then DNS by c-ares.
//
// getaddrinfo holds one of libuv's four threads until the name servers answer, and cannot be stopped. Of what it does,
// this does what a server needs: /etc/hosts, the name servers of /etc/resolv.conf with its search domains and ndots.
// Other sources of nsswitch.conf (mDNS, LDAP, the machine's own name) are not asked.
import { Resolver } from "node:dns/promises";
import { createReadStream, type Stats } from "node:fs";
import { stat } from "node:fs/promises";
import { isIPv4 } from "node:net";

/**
 * Looks a name up: lower-case ASCII, no final dot.
 * @returns its addresses, IPv4 first; none if it has none
 * @throws Error with the resolver's `code` (ENOTFOUND, ESERVFAIL, ETIMEOUT …), or the signal's reason
 */
export type Lookup = (name: string, signal: AbortSignal) => Promise<readonly string[]>;

export interface NamesOptions {
  /** Name servers, "ADDRESS" or "ADDRESS:PORT"; empty: those of resolv.conf. */
  readonly servers?: readonly string[];
  /** For tests. */
  readonly hostsFile?: string;
  readonly resolvFile?: string;
  /** How long a name server may take for one of two tries; 5 s, as resolv.conf(5) has it. */
  readonly tryMs?: number;
}

const TRIES = 2;
const TRY_MS = 5_000;
/** As resolv.conf(5). */
const NDOTS_MAX = 15;
/** Resolvers that are kept for the next lookups. Each reads the system's files when it is made. */
const IDLE_MAX = 32;
/** Answers after which the next name of the search list is tried; EBADNAME: with its domain it is too long. */
const tryNext: ReadonlySet<unknown> = new Set(["ENOTFOUND", "ENODATA", "ESERVFAIL", "EBADNAME"]);

interface ResolvConf {
  readonly search: readonly string[];
  readonly ndots: number;
}

export function systemNames(options: NamesOptions = {}): Lookup {
  const { servers = [], hostsFile = "/etc/hosts", resolvFile = "/etc/resolv.conf", tryMs = TRY_MS } = options;
  const hosts = new WatchedFile(hostsFile, parseHosts);
  /** Each is used by one lookup at a time, since `cancel` ends all of its queries. */
  let idle: Resolver[] = [];
  const resolv = new WatchedFile(resolvFile, (lines) => {
    idle = []; // they have the servers of before
    return parseResolvConf(lines);
  });

  const make = (): Resolver => {
    const resolver = new Resolver({ timeout: tryMs, tries: TRIES });
    if (servers.length > 0) resolver.setServers(servers);
    return resolver;
  };

  return async (name, signal) => {
    const known = (await hosts.read())?.get(name);
    if (known !== undefined) return known;
    const conf = await resolv.read();
    signal.throwIfAborted();
    const mine = idle;
    const resolver = mine.pop() ?? make();
    const stop = (): void => resolver.cancel();
    signal.addEventListener("abort", stop);
    try {
      return await search(resolver, candidates(name, conf ?? { search: [], ndots: 1 }), signal);
    } finally {
      signal.removeEventListener("abort", stop);
      if (mine.length < IDLE_MAX) mine.push(resolver);
    }
  };
}

/** The names to ask for, in this order: with few dots the search list comes first. */
export function candidates(name: string, { search, ndots }: ResolvConf): string[] {
  const below = search.map((domain) => `${name}.${domain}`);
  const dots = name.split(".").length - 1;
  return dots >= ndots ? [name, ...below] : [...below, name];
}

async function search(resolver: Resolver, names: readonly string[], signal: AbortSignal): Promise<string[]> {
  let first: unknown = null;
  for (const name of names) {
    const [four, six] = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
    signal.throwIfAborted();
    const found = [four, six].flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
    if (found.length > 0) return found;
    const codes = [four, six].map((answer) => (answer.status === "rejected" ? answer.reason : null));
    // Of a name that exists, but not with both kinds of address, the other answer tells more.
    const why = codes.find((error) => error !== null && error.code !== "ENODATA") ?? codes.find(Boolean) ?? null;
    if (why === null || !tryNext.has(why.code)) throw why ?? new Error("no address");
    first ??= why;
  }
  throw first;
}

/** What a file says, read anew when it has changed. */
class WatchedFile<T> {
  readonly #path: string;
  readonly #parse: (lines: AsyncIterable<string>) => Promise<T>;
  #stamp = "";
  #content: Promise<T | null> = Promise.resolve(null);

  constructor(path: string, parse: (lines: AsyncIterable<string>) => Promise<T>) {
    this.#path = path;
    this.#parse = parse;
  }

  /** null: it cannot be read. */
  async read(): Promise<T | null> {
    const stamp = await stat(this.#path).then(stampOf, () => "");
    if (stamp !== this.#stamp) {
      this.#stamp = stamp;
      this.#content = this.#parse(linesOf(this.#path)).catch(() => null);
    }
    return this.#content;
  }
}

/** Read in pieces, between which the loop does other things: some hosts files are large. */
async function* linesOf(path: string): AsyncIterable<string> {
  let rest = "";
  for await (const piece of createReadStream(path, "utf8")) {
    const lines = (rest + piece).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  yield rest;
}

function stampOf({ dev, ino, size, mtimeMs }: Stats): string {
  return `${dev} ${ino} ${size} ${mtimeMs}`;
}

/** hosts(5): an address and its names, up to a #. All lines of a name count, those of IPv4 first. */
async function parseHosts(lines: AsyncIterable<string>): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  for await (const line of lines) {
    const [address, ...names] = fields(line);
    if (address === undefined) continue;
    for (const name of names.map((each) => each.toLowerCase())) {
      const addresses = found.get(name);
      if (addresses === undefined) found.set(name, [address]);
      else addresses.push(address);
    }
  }
  for (const addresses of found.values()) addresses.sort((a, b) => Number(isIPv4(b)) - Number(isIPv4(a)));
  return found;
}

/** resolv.conf(5): of `search` and `domain` the last counts. Servers and other options are for c-ares to read. */
async function parseResolvConf(lines: AsyncIterable<string>): Promise<ResolvConf> {
  let search: string[] = [];
  let ndots = 1;
  for await (const line of lines) {
    const [key, ...values] = fields(line.replace(/;.*/, ""));
    if (key === "search" || key === "domain") {
      search = values.map((each) => each.toLowerCase().replace(/\.$/, "")).filter((each) => each !== "");
    }
    if (key !== "options") continue;
    for (const option of values) {
      const given = /^ndots:(\d+)$/.exec(option)?.[1];
      if (given !== undefined) ndots = Math.min(NDOTS_MAX, Number(given));
    }
  }
  return { search, ndots };
}

function fields(line: string): string[] {
  return line
    .replace(/#.*/, "")
    .split(/\s+/)
    .filter((each) => each !== "");
}
