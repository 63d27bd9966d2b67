// What can be made of a table of settings, whichever it is: its types, its validator, its values. Pure.
import { z } from "zod";
import { type Setting, SettingProblem, show } from "./kinds.ts";
import { nearest } from "./nearest.ts";

/** Settings by name, in sections. */
export interface Table {
  readonly [name: string]: Setting<unknown> | Named | Table;
}

/** Sections that the user names, each with the same settings: [services.NAME]. */
export interface Named {
  readonly each: Table;
}

/** The values of a table, as the program sees them. */
export type ValuesOf<T> = {
  -readonly [K in keyof T]: T[K] extends Setting<infer Value> ? Value : ValuesOf<T[K]>;
};

/** Part of a table's values: what one source (the file, the environment, …) gives. */
export type PartOf<T> = {
  -readonly [K in keyof T]?: T[K] extends Setting<infer Value>
    ? Value | undefined
    : T[K] extends { readonly each: infer Each }
      ? Record<string, PartOf<Each>>
      : PartOf<T[K]>;
};

/** Something wrong with what was given, and where in it. */
export interface Problem {
  readonly path: readonly string[];
  /** Begins with the name of the setting where there is one. */
  readonly text: string;
}

function isSetting(entry: Table[string]): entry is Setting<unknown> {
  return "read" in entry && typeof entry.read === "function";
}

function isNamed(entry: Setting<unknown> | Named | Table): entry is Named {
  return "each" in entry;
}

/** Each setting with its path; NAME stands for what the user names. */
export function* settingsOf(table: Table, above: readonly string[] = []): Iterable<[string[], Setting<unknown>]> {
  for (const [name, entry] of Object.entries(table)) {
    const path = [...above, name];
    if (isSetting(entry)) yield [path, entry];
    else if (isNamed(entry)) yield* settingsOf(entry.each, [...path, "NAME"]);
    else yield* settingsOf(entry, path);
  }
}

/** Made once: zod compiles a schema at its first use, which takes a millisecond, and each service has a policy. */
const schemas = new WeakMap<Table, z.ZodType>();

/** The zod schema of a table: everything may be left out, nothing unknown may be there. */
export function schemaOf(table: Table): z.ZodType {
  const known = schemas.get(table);
  if (known !== undefined) return known;
  const shape: Record<string, z.ZodType> = {};
  for (const [name, entry] of Object.entries(table)) {
    if (isSetting(entry)) shape[name] = schemaOfSetting(entry).optional();
    else if (isNamed(entry)) shape[name] = z.record(z.string(), schemaOf(entry.each)).optional();
    else shape[name] = schemaOf(entry).optional();
  }
  const schema = z.strictObject(shape);
  schemas.set(table, schema);
  return schema;
}

/** The setting's own `read` decides; the JSON form is what the published schema says of it. */
function schemaOfSetting(setting: Setting<unknown>): z.ZodType {
  return z
    .unknown()
    .meta({ ...setting.json, description: setting.doc })
    .transform((given, context) => {
      try {
        return setting.read(given);
      } catch (error) {
        if (!(error instanceof SettingProblem)) throw error;
        context.addIssue({ code: "custom", message: error.message });
        return z.NEVER;
      }
    });
}

/** Checks what was given against a table. With problems, there is no part. */
export function readTable<T extends Table>(table: T, given: unknown): { part: PartOf<T>; problems: Problem[] } {
  const result = schemaOf(table).safeParse(given);
  if (result.success) return { part: result.data as PartOf<T>, problems: [] };
  return { part: {}, problems: result.error.issues.flatMap((issue) => problemsOf(table, given, issue)) };
}

function problemsOf(table: Table, given: unknown, issue: z.core.$ZodIssue): Problem[] {
  const path = issue.path.map(String);
  const name = path.join(".");
  if (issue.code === "unrecognized_keys") {
    const known = Object.keys(tableAt(table, path));
    const place = name === "" ? "" : ` in ${name}`;
    return issue.keys.map((key) => ({
      path: [...path, key],
      text: `unknown key ${show(key)}${place}; did you mean "${nearest(key, known)}"?`,
    }));
  }
  if (issue.code === "custom") return [{ path, text: `${name}: ${issue.message}` }];
  const found = path.reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], given);
  const known = Object.keys(tableAt(table, path)).join(", ");
  const place = name === "" ? "this" : name;
  return [{ path, text: `${place} is a table (of ${known === "" ? "names" : known}), not ${show(found)}` }];
}

/** The section at a path; empty where the user chooses the names. */
function tableAt(table: Table, path: readonly string[]): Table {
  const [name, ...rest] = path;
  if (name === undefined) return table;
  const entry = table[name];
  if (entry === undefined || isSetting(entry)) return {};
  if (isNamed(entry)) return rest.length === 0 ? {} : tableAt(entry.each, rest.slice(1));
  return tableAt(entry, rest);
}

/** Every value of a table without named sections: from the last part that has it, else the default. */
export function fill<T extends Table>(table: T, parts: readonly PartOf<T>[]): ValuesOf<T> {
  const values: Record<string, unknown> = {};
  for (const [name, entry] of Object.entries(table)) {
    const given = parts.map((part) => part[name]).filter((value) => value !== undefined);
    if (isSetting(entry)) values[name] = given.length > 0 ? given.at(-1) : entry.initial();
    else if (!isNamed(entry)) values[name] = fill(entry, given as PartOf<Table>[]);
  }
  return values as ValuesOf<T>;
}
