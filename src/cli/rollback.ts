// frenezulo rollback: lets a running node serve an earlier version of a service again.
import type { AddResult } from "../admin/verbs.ts";
import { call, clientOptions, servicePath } from "./client.ts";
import { type Command, json, usageError } from "./command.ts";

export const rollback: Command = {
  usage: "rollback PREFIX VERSION [options]",
  summary: "Serves an earlier version of a service again. The last versions are kept: store.versions.",
  options: { ...clientOptions, json },
  async run([prefix, version = ""], values) {
    const path = servicePath(prefix, "/rollback");
    if (!/^[1-9]\d{0,8}$/.test(version)) throw usageError(rollback, `VERSION is a number from 1, not "${version}"`);
    const result = (await call(values, { method: "POST", path, body: { version: Number(version) } })) as AddResult;
    const text = `${result.prefix}: version ${result.version} (sha256 ${result.sha256}) is served`;
    process.stdout.write(`${values.json === true ? JSON.stringify(result) : text}\n`);
    return 0;
  },
};
