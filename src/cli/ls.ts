// frenezulo ls: the services of a running node.
import type { ServiceView } from "../admin/verbs.ts";
import { call, clientOptions } from "./client.ts";
import { type Command, columns, json } from "./command.ts";

export const ls: Command = {
  usage: "ls [options]",
  summary: "Lists the services of a running node.",
  options: { ...clientOptions, json },
  async run(_given, values) {
    const answer = await call(values, { method: "GET", path: "/services" });
    const { services } = answer as { services: readonly ServiceView[] };
    process.stdout.write(`${values.json === true ? JSON.stringify(services) : table(services)}\n`);
    return 0;
  },
};

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
