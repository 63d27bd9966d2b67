// frenezulo reload: lets a running node read its config again.
import type { ReloadResult } from "../admin/verbs.ts";
import { call, clientOptions } from "./client.ts";
import { type Command, json } from "./command.ts";

export const reload: Command = {
  usage: "reload [options]",
  summary: "Lets a running node read its config again. Only what changed restarts; an invalid file changes nothing.",
  options: { ...clientOptions, json },
  async run(_given, values) {
    const result = (await call(values, { method: "POST", path: "/services/-/reload" })) as ReloadResult;
    process.stdout.write(`${values.json === true ? JSON.stringify(result) : text(result)}\n`);
    return 0;
  },
};

function text(result: ReloadResult): string {
  const lines = Object.entries(result)
    .filter(([, names]) => names.length > 0)
    .map(([what, names]) => `${what.replace("_", " ")}: ${names.join(", ")}`);
  return lines.length === 0 ? "nothing changed" : lines.join("\n");
}
