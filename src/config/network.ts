// The policy's `network`: which addresses guests may connect to and listen on. Pure.
import { parseListenRule, parseRule, type Rule } from "../networking/rules.ts";
import { type Form, int, list } from "./kinds.ts";
import type { Problem, ValuesOf } from "./table.ts";

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

export const networkTable = {
  connect: list(connectForm, "What guests may connect to; empty: nothing. Not public: only what is named by address."),
  listen: list(listenForm, "What guests may listen on; empty: nothing. Port 0, any free one, needs the port *."),
  sockets: int(256, [0, 4_096], "Sockets that the guests of a version hold at once, waiting connections included."),
};

/** What the patterns cannot see: a network with too many bits, a name that is read as an address. */
export function networkProblems({ connect, listen }: ValuesOf<typeof networkTable>): Problem[] {
  const check = (name: string, entries: readonly string[], parse: (entry: string) => Rule | string): Problem[] =>
    entries.flatMap((entry) => {
      const rule = parse(entry);
      if (typeof rule !== "string") return [];
      return [{ path: ["network", name], text: `network.${name}: ${JSON.stringify(entry)}: ${rule}` }];
    });
  return [...check("connect", connect, parseRule), ...check("listen", listen, parseListenRule)];
}
