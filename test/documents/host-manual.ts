// The manual of host functions beside the table of them: a section for each, with its types, parameters and remarks.
import type { AbiModule } from "../../wire/abi/table.ts";
import { type Heading, type MarkdownDocument, sectionOf } from "./markdown.ts";

/** What the host has: import module → function → signatures, the newest first. */
export type HostFunctionsTable = Readonly<Record<string, AbiModule>>;
/** Import module → function → where it differs. */
export type HostRemarks = Readonly<Record<string, Readonly<Record<string, string | undefined>> | undefined>>;

interface Entry {
  /** "lunatic::message.send" */
  readonly name: string;
  readonly parameters: readonly string[];
  /** As in the table: "iI>i". */
  readonly signature: string;
  readonly heading: Heading;
  /** The section's lines. */
  readonly lines: readonly string[];
}

const letters: Readonly<Record<string, string>> = { i32: "i", i64: "I", f32: "f", f64: "F" };

/** What is missing or wrong in the manual, one line each. */
export function manualProblems(manual: MarkdownDocument, table: HostFunctionsTable, remarks: HostRemarks): string[] {
  const problems: string[] = [];
  const entries = new Map<string, Entry[]>();
  for (const heading of manual.headings.filter(({ level, text }) => level === 4 && text.startsWith("`"))) {
    const entry = entryOf(manual, heading);
    if (entry === null)
      problems.push(`${manual.path}:${heading.line}: "${heading.text}" is not \`MODULE.NAME(a: i32)\``);
    else entries.set(entry.name, [...(entries.get(entry.name) ?? []), entry]);
  }
  for (const [module, functions] of Object.entries(table)) {
    for (const [name, signatures] of Object.entries(functions)) {
      const full = `${module}.${name}`;
      const [entry, ...others] = entries.get(full) ?? [];
      entries.delete(full);
      if (entry === undefined) problems.push(`${full} has no section`);
      else {
        for (const { heading } of others) problems.push(`${full} has a second section at line ${heading.line}`);
        const wrong = entryProblems(entry, signatures, remarks[module]?.[name]);
        problems.push(...wrong.map((what) => `${full} (line ${entry.heading.line}): ${what}`));
      }
    }
  }
  return [...problems, ...[...entries.keys()].map((name) => `${name} has a section and is not in the table`)];
}

function entryProblems(entry: Entry, signatures: readonly string[], remark: string | undefined): string[] {
  const { signature, parameters, lines } = entry;
  const [newest = "", ...older] = signatures;
  const problems: string[] = [];
  if (signature !== newest) problems.push(`its heading has the type ${signature}, the table ${newest}`);
  const told = Array.from(lines.join("\n").matchAll(/older: `([^`]*)`/g), ([, text]) => signatureOf(text as string));
  for (const each of older.filter((one) => !told.includes(one))) {
    problems.push(`its older type ${each} is not mentioned, as older: \`(…) -> …\``);
  }
  const described = lines.filter((line) => /^\s*(\||[-*+] |\d+\. )/.test(line)).join("\n");
  for (const name of parameters.filter((each) => !described.includes(`\`${each}\``))) {
    problems.push(`its parameter ${name} is in no table or list of the section`);
  }
  const has = (word: string): boolean => lines.some((line) => line.startsWith(word));
  if (!newest.endsWith(">") && !has("Result:")) problems.push('no line begins with "Result:"');
  if (remark !== undefined && !has("Differs:")) problems.push('no line begins with "Differs:"');
  return problems;
}

function entryOf(manual: MarkdownDocument, heading: Heading): Entry | null {
  const [, name, type = ""] = /^`([\w:]+\.\w+)(\(.*\)(?: -> \w+)?)`$/.exec(heading.text) ?? [];
  const signature = signatureOf(type);
  if (name === undefined || signature === null) return null;
  const parameters = partsOf(type).flatMap((part) => /^(\w+): /.exec(part)?.[1] ?? []);
  if (parameters.length !== partsOf(type).length) return null;
  return { name, parameters, signature, heading, lines: sectionOf(manual, heading).map(({ text }) => text) };
}

/** "(a: i32, b: i64) -> i32" or "(i32, i64) -> i32" as "iI>i"; null for what is neither. */
function signatureOf(type: string): string | null {
  const [, result = ""] = /-> (\w+)$/.exec(type) ?? []; // "-> ()" is no result
  const codes = [...partsOf(type).map((part) => part.replace(/^\w+: /, "")), ...(result === "" ? [] : [result])].map(
    (each) => letters[each],
  );
  if (codes.includes(undefined) || !type.startsWith("(")) return null;
  const end = codes.length - (result === "" ? 0 : 1);
  return `${codes.slice(0, end).join("")}>${codes.slice(end).join("")}`;
}

/** What stands between the brackets, by commas. */
function partsOf(type: string): string[] {
  const inside = /^\((.*?)\)/.exec(type)?.[1] ?? "";
  return inside === "" ? [] : inside.split(",").map((part) => part.trim());
}
