// Whether a guest may reach or open an address: the policy's `network` lists, applied after names were resolved. Pure
// but for what it remembers.
import { isForbiddenAddress } from "../sources/address.ts";
import { type Endpoint, endpointText } from "./address-text.ts";
import { NetworkError } from "./call.ts";
import { isAddressOf, isNamedBy, nameOf, parseListenRule, parseRule, type Rule } from "./rules.ts";

/** The policy's `network`: what its guests may connect to and listen on, and how much of both. */
export interface NetworkSettings {
  readonly connect: readonly string[];
  readonly listen: readonly string[];
  /** At once. */
  readonly sockets: number;
  /** TLS handshakes that may begin in a second. */
  readonly handshakes: number;
}

/** How long the addresses of a resolved name may be connected to. */
const REMEMBER_MS = 3_600_000;
const REMEMBERED_MAX = 1_024;

/**
 * The guard of one environment. A guest connects to addresses, while an operator names hosts: an address is allowed if
 * an entry names it, or if it came out of a resolve of an allowed name in the last hour. What was resolved is what is
 * connected to; a resolver that changes its mind in between (rebinding) is not asked again. Addresses that are not
 * public (loopback, private, link-local with the metadata services) need an entry that names them or their network.
 */
export class NetworkPolicy {
  readonly #connect: readonly Rule[];
  readonly #listen: readonly Rule[];
  readonly #now: () => number;
  /** "address:port", or "address:*", → until when, oldest first. */
  readonly #resolved = new Map<string, number>();

  /**
   * @param now ms of a monotonic clock
   * @throws NetworkError for an entry that is none; the configuration's forms let no such entry through
   */
  constructor(settings: Pick<NetworkSettings, "connect" | "listen">, now: () => number = () => performance.now()) {
    this.#connect = settings.connect.map((entry) => orThrow(entry, parseRule(entry)));
    this.#listen = settings.listen.map((entry) => orThrow(entry, parseListenRule(entry)));
    this.#now = now;
  }

  /** @throws NetworkError that says which entry is missing */
  checkListen(endpoint: Endpoint): void {
    if (this.mayListen(endpoint)) return;
    const port = endpoint.port === 0 ? "*" : endpoint.port;
    const entry = endpointText(endpoint).replace(/\d+$/, String(port));
    throw new NetworkError(`not allowed: the policy's network.listen has no entry for this, like "${entry}"`);
  }

  mayListen(endpoint: Endpoint): boolean {
    return this.#listen.some((rule) => isAddressOf(rule, endpoint));
  }

  /** True if anything may be connected to. */
  get canConnect(): boolean {
    return this.#connect.length > 0;
  }

  /** @throws NetworkError that says which entry is missing */
  checkConnect(endpoint: Endpoint): void {
    if (this.mayConnect(endpoint)) return;
    const text = endpointText(endpoint);
    const why = isForbiddenAddress(endpoint.address)
      ? `${endpoint.address} is not a public address, and the policy's network.connect does not name it, like "${text}"`
      : `no entry of the policy's network.connect is this, like "${text}", and no name in it was resolved to it`;
    throw new NetworkError(`not allowed: ${why}`);
  }

  mayConnect(endpoint: Endpoint): boolean {
    return this.#connect.some((rule) => isAddressOf(rule, endpoint)) || this.#isRemembered(endpoint);
  }

  /**
   * A name as it is resolved: localhost always is, without asking anyone.
   * @throws NetworkError if no entry names it with this port
   */
  checkName(host: string, port: number): string {
    const name = nameOf(host);
    if (name === null) throw new NetworkError(`${JSON.stringify(host.slice(0, 253))} is not a host name`);
    if (name === "localhost" || this.#connect.some((rule) => isNamedBy(rule, name, port))) return name;
    throw new NetworkError(`not allowed: the policy's network.connect has no entry for this, like "${name}:${port}"`);
  }

  /**
   * Those of the addresses of a name that may be connected to, which are remembered.
   * @throws NetworkError if there is none
   */
  admit(name: string, port: number, addresses: readonly string[]): string[] {
    const admitted = addresses.filter((address) => {
      if (this.#connect.some((rule) => isAddressOf(rule, { address, port }))) return true;
      if (isForbiddenAddress(address)) return false;
      this.#remember({ address, port });
      return true;
    });
    if (admitted.length > 0) return admitted;
    const [first] = addresses;
    if (first === undefined) throw new NetworkError(`${name} has no address`);
    const entry = endpointText({ address: first, port });
    throw new NetworkError(
      `not allowed: ${name} is ${first}, not a public address; network.connect must name it, too, like "${entry}"`,
    );
  }

  #remember(endpoint: Endpoint): void {
    const key = endpointText(endpoint);
    this.#resolved.delete(key);
    this.#resolved.set(key, this.#now() + REMEMBER_MS);
    if (this.#resolved.size > REMEMBERED_MAX) {
      for (const oldest of this.#resolved.keys()) {
        this.#resolved.delete(oldest);
        break;
      }
    }
  }

  #isRemembered(endpoint: Endpoint): boolean {
    const until = this.#resolved.get(endpointText(endpoint));
    return until !== undefined && until > this.#now();
  }
}

function orThrow(entry: string, rule: Rule | string): Rule {
  if (typeof rule === "string") throw new NetworkError(`${JSON.stringify(entry)} in network: ${rule}`);
  return rule;
}
