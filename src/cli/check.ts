// frenezulo check: is the config right, and can its modules be served? Nothing is served, and no store is opened.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { assertAdminAddress } from "../admin/auth.ts";
import { type NodeConfig, nodeTable, type Policy, type ServiceConfig } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import { asFrenezuloError, FrenezuloError, reasonOf } from "../errors.ts";
import { Modules } from "../modules/modules.ts";
import { type Command, json, textOf } from "./command.ts";

/** What was found of one service, or of the node. */
interface Finding {
  readonly about: string;
  readonly level: "ok" | "warning" | "error";
  readonly text: string;
}

export const check: Command = {
  usage: "check [options]",
  summary: "Validates the config and the modules it names, without serving. Exit code 1 if anything is wrong.",
  options: {
    config: { type: "string", value: "FILE", doc: "the config file (frenezulo.toml); or FRENEZULO_CONFIG" },
    json,
  },
  async run(_given, values) {
    const findings = await findingsOf(textOf(values, "config"));
    if (values.json === true) process.stdout.write(`${JSON.stringify(findings)}\n`);
    else for (const { about, level, text } of findings) process.stdout.write(`${level.padEnd(7)} ${about}: ${text}\n`);
    return findings.some(({ level }) => level === "error") ? 1 : 0;
  },
};

async function findingsOf(file: string | undefined): Promise<Finding[]> {
  const { config, warnings } = await loadConfig({ file, flags: {}, env: process.env, cwd: process.cwd() });
  const findings: Finding[] = warnings.map((text) => ({ about: "environment", level: "warning", text }));
  findings.push(nodeFinding(config), ...listenWarnings(config.listen), ...policyWarnings("defaults", config.defaults));
  if (config.services.size === 0) return findings;
  const modules = new Modules({
    threads: 1,
    cacheBytesMax: config.limits.code_bytes,
    modulesMax: config.limits.modules,
  });
  try {
    for (const [prefix, service] of config.services) {
      findings.push(await moduleFinding(prefix, service, config, modules));
      findings.push(...policyWarnings(`services.${prefix}`, service.policy));
    }
  } finally {
    await modules.close();
  }
  return findings;
}

/** The node decides again when its sockets are there: a unix socket may turn out to be open to others. */
function nodeFinding({ listen, admin }: NodeConfig): Finding {
  const ofAddress = (address: string) => ({ address, unixMode: address.startsWith("unix:") ? 0o600 : undefined });
  try {
    assertAdminAddress({
      token: admin.token,
      listen: ofAddress(listen.address),
      adminListen: admin.listen === undefined ? undefined : ofAddress(admin.listen),
      isPublic: admin.public,
    });
    return { about: "node", level: "ok", text: `listens on ${listen.address}` };
  } catch (error) {
    return { about: "node", level: "error", text: asFrenezuloError(error).message };
  }
}

async function moduleFinding(
  prefix: string,
  { source, sha256, policy, where }: ServiceConfig,
  { limits }: NodeConfig,
  modules: Modules,
): Promise<Finding> {
  const about = `services.${prefix}`;
  if (/^https?:\/\//.test(source))
    return { about, level: "ok", text: `${source} is loaded at start, not checked here` };
  try {
    const compiled = await modules.compile(await bytesOf(source), {
      moduleBytesMax: limits.module_bytes,
      compileMs: limits.compile,
      memoryBytes: policy.limits.memory,
      tableElements: policy.limits.table,
    });
    if (sha256 !== undefined && compiled.digest !== sha256)
      throw new FrenezuloError("digest_mismatch", { actual: compiled.digest, expected: sha256 });
    return { about, level: "ok", text: `${source}: ${compiled.bytes} bytes, sha256 ${compiled.digest}` };
  } catch (error) {
    return { about, level: "error", text: `${where}: ${source}: ${reasonOf(error)}` };
  }
}

async function bytesOf(source: string): Promise<Uint8Array> {
  return readFile(source.startsWith("file:") ? fileURLToPath(source) : source).catch((error: unknown) => {
    throw new FrenezuloError("source_failed", { why: reasonOf(error) }, { cause: error });
  });
}

/** What is set and cannot be honoured. */
function listenWarnings({ http, idle_timeout }: NodeConfig["listen"]): Finding[] {
  if (http !== "uws" || idle_timeout === nodeTable.listen.idle_timeout.initial()) return [];
  const text =
    "listen.idle_timeout: uWebSockets.js closes idle connections after 8 to 14 s whatever is set here; " +
    'listen.http = "node" keeps to it.';
  return [{ about: "node", level: "warning", text }];
}

/** What is allowed and may still not be what was meant (DECISIONS 5.4). */
function policyWarnings(about: string, { state, scale }: Policy): Finding[] {
  if (state !== "kept") return [];
  const texts: string[] = [];
  if (scale.max > 1)
    texts.push(
      `state = "kept" with scale.max = ${scale.max}: each of the actors has a state of its own, and which of them a ` +
        "request meets is left to chance. scale.max = 1 has one state.",
    );
  if (scale.idle_timeout !== Number.POSITIVE_INFINITY)
    texts.push(
      `state = "kept" with a scale.idle_timeout: the state is lost when the service is idle. "never" keeps it.`,
    );
  return texts.map((text) => ({ about, level: "warning", text }));
}
