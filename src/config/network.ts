// The policy's `network`: which addresses guests may connect to and listen on. Pure.
import { isIP } from "node:net";
import { HANDSHAKES_MAX, NODE_SOCKETS_MAX } from "../networking/limits.ts";
import { isWithin, parseListenRule, parseRule } from "../networking/rules.ts";
import { type Form, int, list } from "./kinds.ts";
import type { PartOf, Problem, ValuesOf } from "./table.ts";

const port = "(:(\\d{1,5}|\\*))";
const six = "\\[[0-9a-fA-F:.]+(\\/\\d{1,3})?\\]";

const connectForm: Form = {
  pattern: new RegExp(`^(${six}|(\\*\\.)?[a-zA-Z0-9._-]+(\\/\\d{1,2})?|\\*)${port}$`),
  what: 'HOST:PORT like "api.example.com:443", "*.example.com:443", "192.0.2.7:*", "10.0.0.0/8:5432" or "*:443"',
};
const listenForm: Form = {
  pattern: new RegExp(`^(${six}|localhost|[0-9.]+(\\/\\d{1,2})?)${port}$`),
  what: 'ADDRESS:PORT like "127.0.0.1:8080", "0.0.0.0:8080", "[::1]:*"',
};

/** A name server of `dns.servers`. */
export const nameServer: Form = {
  pattern: /^((\d{1,3}\.){3}\d{1,3}|\[[0-9a-fA-F:.]+\])(:\d{1,5})?$/,
  what: 'an address like "192.0.2.53", "127.0.0.1:5353" or "[2001:db8::53]:53"',
};

/** admin.network: what a policy that comes by the API may have in network. */
export const grantTable = {
  connect: list(connectForm, "What a policy given by the API may name in network.connect, with all within it."),
  listen: list(listenForm, "What a policy given by the API may name in network.listen, with all within it."),
};

export const networkTable = {
  connect: list(connectForm, "What guests may connect to; empty: nothing. Not public: only what is named by address."),
  listen: list(listenForm, "What guests may listen on; empty: nothing. Port 0, any free one, needs the port *."),
  sockets: int(
    1_024,
    [0, NODE_SOCKETS_MAX],
    "Sockets of the guests of a version at once; clones and waiting connections count.",
  ),
  handshakes: int(
    100,
    [1, HANDSHAKES_MAX],
    "TLS handshakes of the guests of a version that begin in a second; further ones wait.",
  ),
};

type Lists = ValuesOf<typeof grantTable>;
const kinds = [
  ["connect", parseRule],
  ["listen", parseListenRule],
] as const;

/** What the patterns cannot see: a network with too many bits, a name that is read as an address. */
export function networkProblems(lists: Lists, section = "network"): Problem[] {
  return kinds.flatMap(([kind, parse]) =>
    lists[kind].flatMap((entry) => {
      const rule = parse(entry);
      return typeof rule === "string" ? [problemOf(section, kind, `${JSON.stringify(entry)}: ${rule}`)] : [];
    }),
  );
}

/** What the pattern of name servers cannot see. */
export function nameServerProblems(servers: readonly string[]): Problem[] {
  return servers.flatMap((server) => {
    const [, host = "", , number = "53"] = /^\[?([^\]]*?)\]?(:(\d+))?$/.exec(server) ?? [];
    if (isIP(host) !== 0 && Number(number) > 0 && Number(number) <= 65_535) return [];
    const why = isIP(host) === 0 ? `${host} is no address` : "a port is 1 to 65535";
    return [{ path: ["dns", "servers"], text: `dns.servers: ${JSON.stringify(server)}: ${why}` }];
  });
}

/** Entries of a policy given by the API that lie within nothing that the operator gave away: it may not have those. */
export function ungranted(asked: PartOf<typeof grantTable> | undefined, given: Lists): Problem[] {
  return kinds.flatMap(([kind, parse]) => {
    const outer = given[kind].map(parse).filter((rule) => typeof rule !== "string");
    return (asked?.[kind] ?? []).flatMap((entry) => {
      const rule = parse(entry);
      if (typeof rule === "string" || outer.some((each) => isWithin(rule, each))) return [];
      const text = `${JSON.stringify(entry)} is within no entry of the node's admin.network.${kind}`;
      return [problemOf("network", kind, text)];
    });
  });
}

function problemOf(section: string, kind: string, text: string): Problem {
  return { path: [...section.split("."), kind], text: `${section}.${kind}: ${text}` };
}
