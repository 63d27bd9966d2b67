// The documents that are generated from the source: what `node build.mjs docs` writes and structure.test.ts compares.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { errorTable } from "../src/errors.ts";

export interface Document {
  readonly path: string;
  /** What of it is generated. */
  readonly what: string;
  /** The whole file as it is; empty where there is none. */
  readonly found: string;
  /** The whole file as it should be. */
  readonly text: string;
}

/** Every generated document of the checkout at `root`, as it should be. */
export function documents(root: string): Document[] {
  const readme = join(root, "README.md");
  const written = existsSync(readme) ? readFileSync(readme, "utf8") : "";
  return [{ path: readme, what: "error table", found: written, text: withTable(written, "errors", errorRows()) }];
}

function errorRows(): string[][] {
  const rows = Object.entries(errorTable).map(([code, { status, sentence }]) => [
    `\`${code}\``,
    status === null ? "–" : String(status),
    sentence,
  ]);
  return [["code", "status", "sentence"], ...rows];
}

/** `text` with the lines between `<!-- table: name -->` and `<!-- end -->` replaced by a table. */
function withTable(text: string, name: string, [head, ...rows]: string[][]): string {
  const line = (cells: string[]): string => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  const table = [line(head!), line(head!.map(() => "---")), ...rows.map(line)].join("\n");
  const place = new RegExp(`(<!-- table: ${name} -->\n)[\\s\\S]*?(<!-- end -->)`);
  return place.test(text)
    ? text.replace(place, (_, begin, end) => `${begin}${table}\n${end}`)
    : `${text}\n<!-- table: ${name} -->\n${table}\n<!-- end -->\n`;
}
