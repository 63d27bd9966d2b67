// The documents that are generated from the source: what `node build.mjs docs` writes and structure.test.ts compares.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { configSchemaText, settingsTable } from "../../src/config/describe.ts";
import { errorTable } from "../../src/errors.ts";
import { coverageRows, moduleRows } from "./compatibility.ts";

export interface GeneratedDocument {
  readonly path: string;
  /** What of it is generated. */
  readonly what: string;
  /** The whole file as it is; empty where there is none. */
  readonly found: string;
  /** The whole file as it should be. */
  readonly text: string;
}

/** Every generated document of the checkout at `root`, as it should be. */
export function documents(root: string): GeneratedDocument[] {
  const settings = readIfThere(root, "docs/reference/settings.md");
  const errors = readIfThere(root, "docs/reference/errors.md");
  const functions = readIfThere(root, "docs/reference/host-functions.md");
  const schema = readIfThere(root, "frenezulo.schema.json");
  const modules = withTable(functions.found, "functions", moduleRows(root));
  return [
    { ...settings, what: "table of settings", text: withTable(settings.found, "settings", settingRows()) },
    { ...errors, what: "table of errors", text: withTable(errors.found, "errors", errorRows()) },
    {
      ...functions,
      what: "tables of host functions",
      text: withTable(modules, "coverage", coverageRows(root, functions.found)),
    },
    { ...schema, what: "schema of the settings", text: configSchemaText() },
  ];
}

function readIfThere(root: string, name: string): { path: string; found: string } {
  const path = join(root, name);
  return { path, found: existsSync(path) ? readFileSync(path, "utf8") : "" };
}

function settingRows(): string[][] {
  const rows = settingsTable().map(({ name, type, default: usual, range, env, flag, doc }) => [
    code(name),
    type,
    usual === "" ? "" : code(usual),
    range,
    [flag, env]
      .filter((each) => each !== "")
      .map(code)
      .join(" "),
    doc,
  ]);
  return [["setting", "type", "default", "range", "flag, environment", "what it does"], ...rows];
}

function errorRows(): string[][] {
  const rows = Object.entries(errorTable).map(([name, { status, sentence }]) => [
    code(name),
    status === null ? "–" : String(status),
    sentence,
  ]);
  return [["code", "status", "sentence"], ...rows];
}

const code = (text: string): string => `\`${text}\``;

/** `text` with a table between `<!-- table: name -->` and `<!-- end -->`; at its end where it has no such place. */
function withTable(text: string, name: string, [head = [], ...rows]: string[][]): string {
  const line = (cells: string[]): string => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  const table = [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
  const whole = `<!-- table: ${name} -->\n${table}\n<!-- end -->`;
  const place = new RegExp(`<!-- table: ${name} -->[\\s\\S]*?<!-- end -->`);
  return place.test(text) ? text.replace(place, () => whole) : `${text}\n${whole}\n`;
}
