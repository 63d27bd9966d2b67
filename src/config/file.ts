// A config file as it was written: its part of the settings, where each key stands, and what is wrong with it.
import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { parse, TomlError } from "smol-toml";
import { FrenezuloError, reasonOf } from "../errors.ts";
import { fileTable } from "./config.ts";
import { name } from "./forms.ts";
import { KeyPositions } from "./locate.ts";
import { type PartOf, type Problem, readTable } from "./table.ts";

const reservedPrefixes = ["services", "add"];

export class ConfigFile {
  /** Relative paths in it begin here. */
  readonly folder: string;
  /** Absolute; null where there is no file. */
  readonly path: string | null;
  readonly part: PartOf<typeof fileTable>;
  readonly problems: readonly Problem[];
  /** As it was asked for; for messages. */
  readonly #name: string;
  readonly #positions: KeyPositions;

  /**
   * The file that was asked for, else frenezulo.toml where it exists, else an empty one.
   * @throws bad_config if it cannot be read or is not TOML
   */
  static read(asked: string | undefined, cwd: string): ConfigFile {
    const path = resolve(cwd, asked ?? "frenezulo.toml");
    if (asked === undefined && !existsSync(path)) return new ConfigFile(cwd, null, "config", "", false);
    const file = asked ?? basename(path);
    try {
      const isPrivate = (statSync(path).mode & 0o077) === 0;
      return new ConfigFile(dirname(path), path, file, readFileSync(path, "utf8"), isPrivate);
    } catch (error) {
      if (error instanceof FrenezuloError) throw error;
      throw new FrenezuloError("bad_config", { where: file, why: `it cannot be read (${reasonOf(error)})` });
    }
  }

  private constructor(folder: string, path: string | null, file: string, text: string, isPrivate: boolean) {
    this.folder = folder;
    this.path = path;
    this.#name = file;
    const given = parseToml(file, text);
    this.#positions = new KeyPositions(text);
    const { part, problems } = readTable(fileTable, given);
    this.part = part;
    problems.push(...problemsOfNames(given));
    if (part.admin?.token !== undefined && !isPrivate)
      problems.push({
        path: ["admin", "token"],
        text: `admin.token: others than its owner have access to this file; chmod 600 ${file}, or use admin.token_file`,
      });
    this.problems = problems;
  }

  /** True if the key itself stands in the file. */
  has(path: readonly string[]): boolean {
    return this.#positions.has(path);
  }

  /** "frenezulo.toml:3", of a key or of what it is in. */
  line(path: readonly string[]): string {
    const position = this.#positions.of(path);
    return position === undefined ? this.#name : `${this.#name}:${position.line}`;
  }

  /** "frenezulo.toml:3:1", of a key or of what it is in. */
  place(path: readonly string[]): string {
    const position = this.#positions.of(path);
    return position === undefined ? this.#name : `${this.#name}:${position.line}:${position.column}`;
  }

  /** Sorts problems as they stand in the file. */
  inOrder(problems: readonly Problem[]): Problem[] {
    const nowhere = { line: Number.MAX_SAFE_INTEGER, column: 0 };
    return problems
      .map((problem) => ({ problem, at: this.#positions.of(problem.path) ?? nowhere }))
      .sort((a, b) => a.at.line - b.at.line || a.at.column - b.at.column)
      .map(({ problem }) => problem);
  }
}

function parseToml(file: string, text: string): Record<string, unknown> {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [first = ""] = error.message.replace(/^Invalid TOML document: /, "").split("\n");
    throw new FrenezuloError("bad_config", { where: `${file}:${error.line}:${error.column}`, why: first });
  }
}

/** Names that the user chose, and services without a source. */
function problemsOfNames(given: Record<string, unknown>): Problem[] {
  const problems: Problem[] = [];
  for (const section of ["supervisors", "services"]) {
    for (const [key, value] of Object.entries(sectionOf(given[section]))) {
      const path = [section, key];
      if (!name.pattern.test(key))
        problems.push({ path, text: `${section}: ${JSON.stringify(key)} is not ${name.what}` });
      if (section === "supervisors") continue;
      if (reservedPrefixes.includes(key)) problems.push({ path, text: `services: the prefix ${key} is reserved` });
      if (sectionOf(value).source === undefined)
        problems.push({ path, text: `services.${key}: it has no source; add source = "path/of/module.wasm"` });
    }
  }
  return problems;
}

function sectionOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
