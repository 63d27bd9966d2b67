// What the policy's lists `network.connect` and `network.listen` say, entry by entry. Pure.
import { BlockList, isIP, isIPv4 } from "node:net";
import { domainToASCII } from "node:url";
import { isForbiddenAddress } from "../sources/address.ts";
import type { Endpoint } from "./address-text.ts";

/** An entry is HOST:PORT. The port may be `*`. */
const entryForm = new RegExp(
  String.raw`^(?:\[(?<six>[0-9A-Fa-f:.]+)(?:/(?<sixBits>\d{1,3}))?\]|(?<host>[^:[\]/\s]+)(?:/(?<bits>\d{1,2}))?)` +
    String.raw`:(?<port>\d{1,5}|\*)$`,
);
const nameForm = /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})*$/;

/** Networks by family: in a common list rules of IPv6 that cover mapped addresses would match IPv4 ones, too. */
type Network = Readonly<Partial<Record<"ipv4" | "ipv6", BlockList>>>;

/** What an entry lets through. */
export interface Rule {
  readonly entry: string;
  /** A whole name, a suffix that begins with a dot, or "*" for any; null: the entry is of addresses. */
  readonly name: string | null;
  /** Addresses that the operator named: they may be private. */
  readonly network: Network | null;
  /** null: any. */
  readonly port: number | null;
}

/**
 * Reads an entry of `connect`: `host:port`, `*.example.com:443`, `192.0.2.1:80`, `10.0.0.0/8:5432`,
 * `[2001:db8::/32]:443`, `*:443` (any public address), each with `*` for any port. `localhost` is 127.0.0.0/8 and ::1.
 * @returns the rule, or why it is none
 */
export function parseRule(entry: string): Rule | string {
  const parts = entryForm.exec(entry)?.groups;
  if (parts === undefined) return "it is not HOST:PORT";
  const port = parts.port === "*" ? null : Number(parts.port);
  if (port !== null && port > 65_535) return "a port is 0 to 65535 or *";
  const host = parts.six ?? parts.host ?? "";
  const bits = parts.sixBits ?? parts.bits;
  if (isIP(host) !== 0) {
    const most = isIPv4(host) ? 32 : 128;
    if (bits !== undefined && Number(bits) > most) return `a network of this family has 0 to ${most} bits`;
    return { entry, name: null, network: networkOf([[host, Number(bits ?? most)]]), port };
  }
  if (bits !== undefined || parts.six !== undefined) return `${host} is not an address`;
  if (host === "localhost") return { entry, name: "localhost", network: loopback, port };
  if (host === "*") return { entry, name: "*", network: null, port };
  const name = nameOf(host.startsWith("*.") ? host.slice(2) : host);
  if (name === null) return `${host} is neither a name nor an address`;
  return { entry, name: host.startsWith("*.") ? `.${name}` : name, network: null, port };
}

/**
 * Reads an entry of `listen`: an address of this machine, a network, or localhost, and a port. 0.0.0.0 is every IPv4
 * address and [::] every address. Port 0, which the system chooses, needs `*`.
 */
export function parseListenRule(entry: string): Rule | string {
  const rule = parseRule(entry);
  if (typeof rule === "string") return rule;
  if (rule.network === null) return "listen takes addresses, like 127.0.0.1:8080 or 0.0.0.0:*";
  if (entry.startsWith("0.0.0.0:")) return { ...rule, network: networkOf([["0.0.0.0", 0]]) };
  if (entry.startsWith("[::]:"))
    return {
      ...rule,
      network: networkOf([
        ["0.0.0.0", 0],
        ["::", 0],
      ]),
    };
  return rule;
}

/** A host name as it is compared: ASCII, lower case, without the final dot; null if it is none. */
export function nameOf(host: string): string | null {
  const ascii = domainToASCII(host.replace(/\.$/, "")).toLowerCase();
  // domainToASCII reads numbers as IPv4 addresses ("127.1"), as getaddrinfo does: they are no names.
  return nameForm.test(ascii) && isIP(ascii) === 0 ? ascii : null;
}

/** True if the rule names this host and port. */
export function isNamedBy(rule: Rule, name: string, port: number): boolean {
  if (rule.name === null || (rule.port !== null && rule.port !== port)) return false;
  if (rule.name === "*") return true;
  return rule.name.startsWith(".") ? name.endsWith(rule.name) : rule.name === name;
}

/** True if the rule names this very address, or any public one where it is public. */
export function isAddressOf(rule: Rule, { address, port }: Endpoint): boolean {
  if (rule.port !== null && rule.port !== port) return false;
  const family = familyOf(address);
  if (rule.network?.[family]?.check(address, family) === true) return true;
  return rule.name === "*" && !isForbiddenAddress(address);
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIPv4(address) ? "ipv4" : "ipv6";
}

function networkOf(networks: readonly (readonly [address: string, bits: number])[]): Network {
  const lists: Partial<Record<"ipv4" | "ipv6", BlockList>> = {};
  for (const [address, bits] of networks) {
    const family = familyOf(address);
    lists[family] ??= new BlockList();
    lists[family].addSubnet(address, bits, family);
  }
  return lists;
}

const loopback = networkOf([
  ["127.0.0.0", 8],
  ["::1", 128],
]);
