// frenezulo add: gives a running node a module, from a file here or from a URL that the node loads.
import { readFile } from "node:fs/promises";
import type { AddResult } from "../admin/verbs.ts";
import { FrenezuloError, reasonOf } from "../errors.ts";
import { call, clientOptions, servicePath } from "./client.ts";
import { type Command, json, textOf, textsOf, usageError } from "./command.ts";

export const add: Command = {
  usage: "add PREFIX FILE|URL [options]",
  summary: "Adds or replaces a service. Answers when its first instance has run; a failure changes nothing.",
  options: {
    ...clientOptions,
    policy: { type: "string", value: "JSON|@FILE", doc: `policy, like '{"state": "kept"}'; the rest is the default` },
    env: { type: "string", multiple: true, value: "KEY=VALUE", doc: "environment variable of its guests; repeatable" },
    sha256: { type: "string", value: "HEX", doc: "refuse any other module" },
    json,
  },
  async run([prefix, source = ""], values) {
    const path = servicePath(prefix);
    const sha256 = textOf(values, "sha256");
    const policy = await policyOf(textOf(values, "policy"));
    const env = envOf(textsOf(values, "env"));
    const isUrl = /^[a-z][a-z0-9+.-]*:\/\//i.test(source);
    const result = (await (isUrl
      ? call(values, { method: "POST", path: "/services/add", body: { prefix, source, sha256, policy, env } })
      : call(values, {
          method: "PUT",
          path,
          query: { policy: jsonOf(policy), env: jsonOf(env), sha256 },
          body: await moduleOf(source),
        }))) as AddResult;
    const told = result.changed ? "is served" : "was served already; nothing changed";
    const text = `${result.prefix}: version ${result.version} (sha256 ${result.sha256}) ${told}`;
    process.stdout.write(`${values.json === true ? JSON.stringify(result) : text}\n`);
    return 0;
  },
};

async function moduleOf(file: string): Promise<Uint8Array> {
  return readFile(file).catch((error: unknown) => {
    throw new FrenezuloError("bad_usage", { why: `The module ${file} cannot be read: ${reasonOf(error)}.` });
  });
}

function jsonOf(value: object | undefined): string | undefined {
  return value && JSON.stringify(value);
}

async function policyOf(given: string | undefined): Promise<object | undefined> {
  if (given === undefined) return undefined;
  try {
    const parsed: unknown = JSON.parse(given.startsWith("@") ? await readFile(given.slice(1), "utf8") : given);
    if (typeof parsed !== "object" || parsed === null) throw new Error("it is not an object");
    return parsed;
  } catch (error) {
    throw usageError(add, `--policy needs a JSON object or @FILE with one (${reasonOf(error)})`);
  }
}

function envOf(given: readonly string[]): Record<string, string> | undefined {
  if (given.length === 0) return undefined;
  return Object.fromEntries(
    given.map((pair) => {
      const [, key, value] = /^([^=]+)=(.*)$/s.exec(pair) ?? [];
      if (key === undefined || value === undefined) throw usageError(add, `--env ${pair} is not KEY=VALUE`);
      return [key, value];
    }),
  );
}
