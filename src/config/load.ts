// From flags, environment, file and defaults to the effective config, with the source of each value. At start.
import { resolve } from "node:path";
import { FrenezuloError } from "../errors.ts";
import {
  defaultPolicy,
  type NodeConfig,
  nodeTable,
  type PolicyPart,
  policyTable,
  type ServiceConfig,
  type SupervisorConfig,
  supervisorTable,
} from "./config.ts";
import { environmentName } from "./describe.ts";
import { canonicalPreopen } from "./dirs.ts";
import { ConfigFile } from "./file.ts";
import { type Setting, SettingProblem } from "./kinds.ts";
import { nearest } from "./nearest.ts";
import { nameServerProblems, networkProblems } from "./network.ts";
import { applyPolicy, policyProblems } from "./policy.ts";
import { supervisorProblems } from "./supervisors.ts";
import { fill, type PartOf, type Problem, settingsOf } from "./table.ts";
import { readTokenFile } from "./token-file.ts";

export interface ConfigSources {
  /** The config file; undefined: FRENEZULO_CONFIG, else frenezulo.toml in `cwd` if there is one, else none. */
  readonly file: string | undefined;
  /** Values by flag, without dashes: { listen: "…" }. */
  readonly flags: Readonly<Record<string, string | undefined>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

/** A setting in force. */
export interface EffectiveSetting {
  /** "limits.deadline" */
  readonly name: string;
  /** As it would be written in a file; secrets are masked. */
  readonly value: string;
  /** "--listen", "FRENEZULO_LISTEN", "frenezulo.toml:3" or "default". */
  readonly from: string;
}

export interface LoadedConfig {
  readonly config: NodeConfig;
  readonly effective: readonly EffectiveSetting[];
  /** Absolute path of the config file, or null if there is none. */
  readonly file: string | null;
  /** For people: variables that look like settings and are none. */
  readonly warnings: readonly string[];
}

/** The settings that flags and the environment can give. */
const flatTable = { ...nodeTable, defaults: policyTable };
type FlatPart = PartOf<typeof flatTable>;

/** Variables that are no settings: the config file's path, and the node that the other verbs speak to. */
const otherVariables = ["FRENEZULO_CONFIG", "FRENEZULO_NODE"];

/**
 * The effective config: flag before environment before file before default.
 * @throws bad_config with its place, for the first problem in the file's order; token_needed for an unfit token file
 */
export async function loadConfig(sources: ConfigSources): Promise<LoadedConfig> {
  const file = ConfigFile.read(sources.file ?? (sources.env.FRENEZULO_CONFIG || undefined), sources.cwd);
  if (file.problems.length > 0) throw failureOf(file.problems, file);
  const given = givenOutside(sources);
  const values = fill(flatTable, [file.part, given.part]);
  values.defaults = applyPolicy(applyPolicy(defaultPolicy, file.part.defaults ?? {}), given.part.defaults ?? {});
  for (const [path, setting] of settingsOf(flatTable)) {
    const value = valueAt(values, path);
    if (setting.inFolder === undefined || value === undefined) continue;
    const isFromFile = !given.from.has(path.join(".")) && file.has(path);
    setAt(values, path, setting.inFolder(value, isFromFile ? file.folder : sources.cwd));
  }
  values.limits.spare = Math.min(values.limits.spare, values.limits.carriers);
  const supervisors = new Map<string, SupervisorConfig>();
  for (const [name, part] of Object.entries(file.part.supervisors ?? {}))
    supervisors.set(name, fill(supervisorTable, [part]));
  const services = new Map<string, ServiceConfig>();
  for (const [prefix, { source = "", sha256, ...part }] of Object.entries(file.part.services ?? {}))
    services.set(prefix, {
      source: /^[a-z]+:\/\//.test(source) ? source : resolve(file.folder, source),
      sha256: sha256?.toLowerCase(),
      policy: applyPolicy(values.defaults, withPreopensIn(file.folder, part)),
      where: file.line(["services", prefix]),
    });

  const config: NodeConfig = { ...values, supervisors, services };
  const problems = problemsBetween(config, file);
  if (problems.length > 0) throw failureOf(problems, file, given.from);
  if (config.admin.token_file !== undefined) config.admin.token = await readTokenFile(config.admin.token_file);
  const effective = effectiveOf(config, file, given.from);
  return { config, effective, file: file.path, warnings: given.warnings };
}

interface Given {
  readonly part: FlatPart;
  /** Setting → flag or variable that gave it. */
  readonly from: ReadonlyMap<string, string>;
  readonly warnings: readonly string[];
}

/** @throws bad_config naming the flag or variable */
function givenOutside({ flags, env }: ConfigSources): Given {
  const part: FlatPart = {};
  const from = new Map<string, string>();
  const names = [...otherVariables];
  for (const [path, setting] of settingsOf(flatTable)) {
    const variable = environmentName(path, setting);
    names.push(variable);
    const byFlag = setting.flag === undefined ? undefined : flags[setting.flag];
    const text = byFlag ?? (env[variable] || undefined);
    if (text === undefined) continue;
    const where = byFlag === undefined ? variable : `--${setting.flag}`;
    setAt(part, path, readText(setting, text, where));
    from.set(path.join("."), where);
  }
  const warnings = Object.keys(env)
    .filter((variable) => variable.startsWith("FRENEZULO_") && !names.includes(variable))
    .map((variable) => `${variable} is no setting and is ignored; did you mean ${nearest(variable, names)}?`);
  return { part, from, warnings };
}

function readText(setting: Setting<unknown>, text: string, where: string): unknown {
  try {
    return setting.readText(text);
  } catch (error) {
    if (!(error instanceof SettingProblem)) throw error;
    throw new FrenezuloError("bad_config", { where, why: error.message });
  }
}

/** A service's part of a policy with its directories made canonical. */
function withPreopensIn(folder: string, { dirs, ...part }: PolicyPart): PolicyPart {
  return dirs === undefined ? part : { ...part, dirs: dirs.map((each) => canonicalPreopen(each, folder)) };
}

/** What does not fit together. */
function problemsBetween(config: NodeConfig, file: ConfigFile): Problem[] {
  const { listen, admin, supervisors, services } = config;
  const problems: Problem[] = [];
  const refuse = (path: string[], text: string): void => void problems.push({ path, text });
  if ((listen.tls.cert === undefined) !== (listen.tls.key === undefined))
    refuse(["listen", "tls"], "listen.tls: cert and key go together, and one is missing");
  if (admin.token !== undefined && admin.token_file !== undefined)
    refuse(["admin", "token_file"], "admin.token_file: admin.token is given, too; keep one of them");
  problems.push(...networkProblems(config.admin.network, "admin.network"), ...nameServerProblems(config.dns.servers));
  problems.push(...supervisorProblems(supervisors, (path) => file.has(path)));
  const policies = [["defaults"], ...[...services.keys()].map((prefix) => ["services", prefix])];
  for (const section of policies) {
    const policy = section[1] === undefined ? config.defaults : services.get(section[1])?.policy;
    for (const { path, text } of policyProblems(policy ?? config.defaults, config))
      refuse([...section, ...path], `${section.join(".")}.${text}`);
  }
  return problems;
}

/** One line: the first problem with its place, and how many more there are. */
function failureOf(problems: readonly Problem[], file: ConfigFile, from?: ReadonlyMap<string, string>): FrenezuloError {
  const [first] = file.inOrder(problems);
  const { path, text } = first as Problem;
  const where = from?.get(path.join(".")) ?? file.place(path);
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : "";
  return new FrenezuloError("bad_config", { where, why: text + more });
}

function effectiveOf(config: NodeConfig, file: ConfigFile, from: ReadonlyMap<string, string>): EffectiveSetting[] {
  const rows = [...settingsOf(flatTable)].map(([path, setting]) => {
    const name = path.join(".");
    const ofFile = file.has(path) ? file.line(path) : "default";
    return { name, value: setting.write(valueAt(config, path)), from: from.get(name) ?? ofFile };
  });
  for (const [prefix, { source, where }] of config.services)
    rows.push({ name: `services.${prefix}.source`, value: source, from: where });
  return rows;
}

function valueAt(values: object, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], values);
}

/** The keys are those of the table of settings. */
function setAt(values: object, path: readonly string[], value: unknown): void {
  let section = values as Record<string, unknown>;
  for (const key of path.slice(0, -1)) {
    section[key] ??= {};
    section = section[key] as Record<string, unknown>;
  }
  section[path.at(-1) as string] = value;
}
