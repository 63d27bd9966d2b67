// Names to addresses for guests: the system's resolver, asked little at a time.
import type { LookupAddress } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import { octetsOf, textOf } from "./address-text.ts";
import { NetworkError } from "./call.ts";

/** A lookup holds one of libuv's four threads until the resolver answers; files need them, too. */
const AT_ONCE = 2;
const WAITING_MAX = 256;
const ADDRESSES_MAX = 64;

interface Waiting {
  readonly name: string;
  readonly resolve: (addresses: string[]) => void;
  readonly reject: (why: Error) => void;
}

export class Resolver {
  readonly #lookup: LookupFunction;
  /** Lookups under way and waiting: who asks for the same name gets the same answer. */
  readonly #asked = new Map<string, Promise<string[]>>();
  readonly #waiting: Waiting[] = [];
  #running = 0;

  constructor(lookup: LookupFunction) {
    this.#lookup = lookup;
  }

  /** @returns addresses in the resolver's order, at most 64. @throws NetworkError */
  resolve(name: string): Promise<string[]> {
    if (name === "localhost") return Promise.resolve(["127.0.0.1", "::1"]);
    const known = this.#asked.get(name);
    if (known !== undefined) return known;
    if (this.#waiting.length >= WAITING_MAX) throw new NetworkError("too many names are being resolved");
    const asked = new Promise<string[]>((resolve, reject) => {
      this.#waiting.push({ name, resolve, reject });
    });
    this.#asked.set(name, asked);
    this.#next();
    return asked;
  }

  #next(): void {
    while (this.#running < AT_ONCE) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#running++;
      this.#lookup(next.name, { all: true }, (error, found) => {
        this.#running--;
        this.#asked.delete(next.name);
        if (error === null) next.resolve(addressesOf(found));
        else next.reject(new NetworkError(`${next.name} cannot be resolved: ${error.code ?? error.message}`));
        this.#next();
      });
    }
  }
}

function addressesOf(found: string | LookupAddress[]): string[] {
  const addresses = typeof found === "string" ? [found] : found.map(({ address }) => address);
  const texts = addresses.filter((address) => isIP(address) !== 0).map((address) => textOf(octetsOf(address)));
  return [...new Set(texts)].slice(0, ADDRESSES_MAX);
}
