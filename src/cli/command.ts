// What a verb of the command line is, and the reading of its arguments.
import { type ParseArgsConfig, parseArgs } from "node:util";
import { FrenezuloError, reasonOf } from "../errors.ts";

export interface Option {
  readonly type: "string" | "boolean";
  readonly multiple?: true;
  /** What stands for the value in the help: "ADDR". */
  readonly value?: string;
  readonly doc: string;
}

/** Values of the options that were given. */
export type Values = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;

export interface Command {
  /** "add PREFIX FILE|URL"; its capital words are the arguments it needs. */
  readonly usage: string;
  readonly summary: string;
  readonly options: Readonly<Record<string, Option>>;
  /** Text below the options. */
  readonly details?: () => string;
  /** @returns the exit code */
  run(given: readonly string[], values: Values): Promise<number>;
}

const help: Option = { type: "boolean", doc: "this text" };
export const json: Option = { type: "boolean", doc: "answer with JSON" };

/** Reads the arguments and runs. @throws bad_usage and what the command throws */
export async function runCommand(command: Command, args: readonly string[]): Promise<number> {
  const options = { ...command.options, help };
  const needed = command.usage
    .split(" ")
    .slice(1)
    .filter((word) => /^[A-Z]/.test(word));
  const takesArguments = command.usage.includes("[ARGS…]");
  let parsed: { values: Values; positionals: string[] };
  try {
    const config: ParseArgsConfig = { args: [...args], options, allowPositionals: true, strict: true };
    parsed = parseArgs(config) as typeof parsed;
  } catch (error) {
    const why = reasonOf(error).replace(/\. To specify a positional argument.*$/, "");
    throw usageError(command, takesArguments ? `${why}; the program's own arguments follow a --` : why);
  }
  const { values, positionals } = parsed;
  if (values.help === true) {
    process.stdout.write(helpOf(command, options));
    return 0;
  }
  if (positionals.length < needed.length)
    throw usageError(command, `${needed.slice(positionals.length).join(" and ")} is missing`);
  if (positionals.length > needed.length && !command.usage.endsWith("…]"))
    throw usageError(command, `"${positionals[needed.length]}" is one argument too many`);
  return command.run(positionals, values);
}

export function usageError(command: Command, why: string): FrenezuloError {
  return new FrenezuloError("bad_usage", { why: `${why}. Usage: frenezulo ${command.usage} (see --help)` });
}

/** A string option. */
export function textOf(values: Values, name: string): string | undefined {
  const value = values[name];
  return typeof value === "string" ? value : undefined;
}

/** A string option that may be given more than once. */
export function textsOf(values: Values, name: string): string[] {
  const value = values[name];
  return Array.isArray(value) ? value.map(String) : [];
}

function helpOf(command: Command, options: Readonly<Record<string, Option>>): string {
  const rows = Object.entries(options).map(([name, { value, doc }]) => [`--${name}${value ? ` ${value}` : ""}`, doc]);
  const details = command.details === undefined ? "" : `\n${command.details()}\n`;
  return `Usage: frenezulo ${command.usage}\n\n${command.summary}\n\n${columns(rows)}\n${details}`;
}

/** Rows of cells, two spaces before each, as wide as the widest of their column. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => (row[i] ?? "").length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => `  ${cell.padEnd(widths[i] ?? 0)}`)
        .join("")
        .trimEnd(),
    )
    .join("\n");
}
