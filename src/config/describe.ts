// The table of settings for people: rows for the documents and --help, names of variables, the JSON Schema. Pure.
import { z } from "zod";
import { fileTable } from "./config.ts";
import type { Setting } from "./kinds.ts";
import { schemaOf, settingsOf } from "./table.ts";

export interface SettingRow {
  /** "limits.deadline"; NAME stands for a name the user chooses. */
  readonly name: string;
  readonly type: string;
  readonly default: string;
  readonly range: string;
  /** Empty where the user chooses the name. */
  readonly env: string;
  /** "--listen", or empty. */
  readonly flag: string;
  readonly doc: string;
}

/**
 * Every setting once. What [services.NAME] takes of a policy is not repeated: it is what [defaults] takes.
 */
export function settingsTable(): SettingRow[] {
  const { services, ...others } = fileTable;
  const { source, sha256 } = services.each;
  return [...settingsOf({ ...others, services: { each: { source, sha256 } } })].map(([path, setting]) => ({
    name: path.join("."),
    type: setting.kind,
    default: setting.initialText,
    range: setting.range,
    env: path.includes("NAME") ? "" : environmentName(path, setting),
    flag: setting.flag === undefined ? "" : `--${setting.flag}`,
    doc: setting.doc,
  }));
}

/**
 * THE rule for environment variables: FRENEZULO_ and the setting's flag, or its path where it has none, in upper case
 * with dots and dashes as underscores. store.data has the flag --data: FRENEZULO_DATA. limits.in_flight has none:
 * FRENEZULO_LIMITS_IN_FLIGHT. An empty variable counts as not given.
 */
export function environmentName(path: readonly string[], setting: Pick<Setting<unknown>, "flag">): string {
  return `FRENEZULO_${(setting.flag ?? path.join(".")).replace(/[.-]/g, "_").toUpperCase()}`;
}

/** The JSON Schema of frenezulo.toml, as frenezulo.schema.json publishes it. */
export function configSchema(): Record<string, unknown> {
  const { $schema, ...schema } = z.toJSONSchema(schemaOf(fileTable), { io: "input" });
  return {
    $schema,
    title: "frenezulo.toml",
    description: "The config of a frenezulo node. Generated from src/config/config.ts by `node build.mjs docs`.",
    ...schema,
  };
}

/** The text of frenezulo.schema.json. */
export function configSchemaText(): string {
  return `${JSON.stringify(configSchema(), null, 2)}\n`;
}
