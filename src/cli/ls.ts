// frenezulo ls: the services of a running node.
import type { ServiceView } from "../admin/verbs.ts";
import { call, clientOptions } from "./client.ts";
import { type Command, columns, json, type Values } from "./command.ts";

/** Services asked for at once. */
const PAGE = 1_000;

interface Page {
  readonly services: readonly ServiceView[];
  /** Not there in the answer of a node that knows no pages: it gave all. */
  readonly next?: string | null;
}

export const ls: Command = {
  usage: "ls [options]",
  summary: "Lists the services of a running node.",
  options: { ...clientOptions, json },
  async run(_given, values) {
    const services = await all(values);
    process.stdout.write(`${values.json === true ? JSON.stringify(services) : table(services)}\n`);
    return 0;
  },
};

/** Page by page: a node with thousands of services answers others in between. */
async function all(values: Values): Promise<ServiceView[]> {
  const found = new Map<string, ServiceView>();
  let cursor: string | undefined;
  do {
    const query = { limit: String(PAGE), cursor };
    const answer = (await call(values, { method: "GET", path: "/services", query })) as Page;
    for (const service of answer.services) found.set(service.prefix, service);
    cursor = answer.next ?? undefined;
  } while (cursor !== undefined);
  return [...found.values()];
}

function table(services: readonly ServiceView[]): string {
  const head = ["PREFIX", "VERSION", "STATUS", "IN FLIGHT", "REQUESTS", "FAILURES", "SHA256", "ORIGIN"];
  const rows = services.map((each) => [
    each.prefix,
    String(each.version),
    each.status,
    String(each.inFlight),
    String(each.counts.requests),
    String(each.counts.failures),
    each.sha256.slice(0, 12),
    each.where ?? each.origin,
  ]);
  return columns([head, ...rows]);
}
