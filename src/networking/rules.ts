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

/** All addresses that share so many first bits with this one. */
interface Range {
  readonly address: string;
  readonly bits: number;
  readonly list: BlockList;
}

/** What an entry lets through. */
export interface Rule {
  /** A whole name, a suffix that begins with a dot, or "*" for any; null: the entry is of addresses. */
  readonly name: string | null;
  /** Addresses that the operator named: they may be private. */
  readonly ranges: readonly Range[];
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
    if (Number(bits ?? 0) > most) return `a network of this family has 0 to ${most} bits`;
    return { name: null, ranges: [rangeOf(host, Number(bits ?? most))], port };
  }
  if (bits !== undefined || parts.six !== undefined) return `${host} is not an address`;
  if (host === "localhost") return { name: null, ranges: loopback, port };
  if (host === "*") return { name: "*", ranges: [], port };
  const name = nameOf(host.startsWith("*.") ? host.slice(2) : host);
  if (name === null) return `${host} is neither a name nor an address`;
  return { name: host.startsWith("*.") ? `.${name}` : name, ranges: [], port };
}

/**
 * Reads an entry of `listen`: an address of this machine, a network, or localhost, and a port. 0.0.0.0 is every IPv4
 * address and [::] every address. Port 0, which the system chooses, needs `*`.
 */
export function parseListenRule(entry: string): Rule | string {
  const rule = parseRule(entry);
  if (typeof rule === "string") return rule;
  if (rule.name !== null) return "listen takes addresses, like 127.0.0.1:8080 or 0.0.0.0:*";
  if (entry.startsWith("0.0.0.0:")) return { ...rule, ranges: [everyFour] };
  return entry.startsWith("[::]:") ? { ...rule, ranges: [everyFour, everySix] } : rule;
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
  if (rule.ranges.some((range) => contains(range, address))) return true;
  return rule.name === "*" && !isForbiddenAddress(address);
}

/** True if all that the inner rule lets through is let through by the outer one, too. */
export function isWithin(inner: Rule, outer: Rule): boolean {
  if (outer.port !== null && outer.port !== inner.port) return false;
  if (inner.name === null) {
    return inner.ranges.every(({ address, bits }) =>
      outer.ranges.some((range) => range.bits <= bits && contains(range, address)),
    );
  }
  if (outer.name === null) return false;
  if (outer.name === "*" || outer.name === inner.name) return true;
  return outer.name.startsWith(".") && inner.name.endsWith(outer.name);
}

/** Only within a family: ranges of IPv6 that cover mapped addresses would have IPv4 ones, too. */
function contains({ address, list }: Range, other: string): boolean {
  return isIPv4(address) === isIPv4(other) && list.check(other, isIPv4(other) ? "ipv4" : "ipv6");
}

function rangeOf(address: string, bits: number): Range {
  const list = new BlockList();
  list.addSubnet(address, bits, isIPv4(address) ? "ipv4" : "ipv6");
  return { address, bits, list };
}

const everyFour = rangeOf("0.0.0.0", 0);
const everySix = rangeOf("::", 0);
const loopback = [rangeOf("127.0.0.0", 8), rangeOf("::1", 128)];
