// Names to addresses for guests: looked up a few at a time for each environment, and no longer than somebody waits.
import { isIP } from "node:net";
import { Flights } from "../modules/flights.ts";
import { octetsOf, textOf } from "./address-text.ts";
import { NetworkError } from "./call.ts";
import { FairSlots } from "./fair-slots.ts";
import type { Lookup } from "./names.ts";

/** Lookups at once. Each has a UDP socket while a name server is silent. */
const SLOTS = 256;
/** Of those that are free: one service has 16 at most. */
const PART = 1 / 16;
const WAITING_MAX = 256;
const ADDRESSES_MAX = 64;

export class Resolver {
  readonly #lookup: Lookup;
  readonly #slots = new FairSlots({ slots: SLOTS, part: PART, waitingMax: WAITING_MAX, what: "names are looked up" });
  /** Who asks for the same name within an environment gets the same answer. */
  readonly #flights = new Flights<string[]>();

  constructor(lookup: Lookup) {
    this.#lookup = lookup;
  }

  /**
   * @param signal gives up; the lookup itself is given up when nobody waits for it any more
   * @returns addresses in the resolver's order, at most 64. @throws NetworkError, or the signal's reason
   */
  async resolve(environment: number, name: string, signal: AbortSignal): Promise<string[]> {
    if (name === "localhost") return ["127.0.0.1", "::1"];
    return this.#flights.join(`${environment} ${name}`, (stop) => this.#ask(environment, name, stop.signal), signal);
  }

  async #ask(environment: number, name: string, signal: AbortSignal): Promise<string[]> {
    await this.#slots.take(environment, signal);
    try {
      return addressesOf(await this.#lookup(name, signal));
    } catch (thrown) {
      const { code, message } = thrown as NodeJS.ErrnoException;
      throw new NetworkError(`${name} cannot be resolved: ${code ?? message}`);
    } finally {
      this.#slots.release(environment);
    }
  }
}

/** A hostile name server may give thousands: no more are looked at than are kept. */
function addressesOf(found: readonly string[]): string[] {
  const texts = found
    .slice(0, ADDRESSES_MAX)
    .filter((address) => isIP(address) !== 0)
    .map((address) => textOf(octetsOf(address)));
  return [...new Set(texts)];
}
