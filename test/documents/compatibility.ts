// The tables of docs/reference/host-functions.md: each host function with its status and a test that calls it.
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { remarks } from "../../wire/abi/remarks.ts";
import { type AbiModuleName, abiTable, workingFunctions } from "../../wire/abi/table.ts";

export interface FunctionRow {
  readonly module: AbiModuleName;
  readonly name: string;
  readonly status: "works" | "differs" | "stub";
  readonly remark: string;
  /** Path of a test, or of a guest that a test runs, that calls it; undefined for a stub, and where there is none. */
  readonly test: string | undefined;
}

/** @param known the test that the document names now: it stays as long as it calls the function */
export function functionRows(root: string, known: ReadonlyMap<string, string> = new Map()): FunctionRow[] {
  const sources = sourcesBelow(root);
  return (Object.keys(abiTable) as AbiModuleName[]).flatMap((module) => {
    const names = Object.keys(abiTable[module]);
    // Tests before guests, and first the one that is about the module: that calls the most of its functions.
    const rank = ({ path, calls }: TestSource): number =>
      names.filter((name) => calls.has(`${module}.${name}`)).length + (path.endsWith(".ts") ? 1000 : 0);
    const byRank = sources.map((each) => [each, rank(each)] as const).sort((a, b) => b[1] - a[1]);
    return names.map((name) => {
      const remark = (remarks[module] as Readonly<Record<string, string>> | undefined)?.[name] ?? "";
      if (!(workingFunctions[module] as readonly string[]).includes(name))
        return { module, name, status: "stub", remark, test: undefined } as const;
      const named = known.get(`${module}.${name}`);
      const all = byRank.flatMap(([{ path, calls }]) => (calls.has(`${module}.${name}`) ? [path] : []));
      const test = all.find((path) => path === named) ?? all[0];
      return { module, name, status: remark === "" ? "works" : "differs", remark, test } as const;
    });
  });
}

/**
 * A row for each function: its name, its status, the path of its test. No link: the document is in the package, tests
 * are not. @param found the document as it is now
 */
export function coverageRows(root: string, found: string): string[][] {
  const known = new Map<string, string>();
  for (const [, key, path] of found.matchAll(/^\| `([^`]+)` \| \w+ \| `([^`]+)` \|$/gm))
    known.set(key as string, path as string);
  const rows = functionRows(root, known).map(({ module, name, status, test }) => [
    `\`${module}.${name}\``,
    status,
    test === undefined ? "" : `\`${test}\``,
  ]);
  return [["function", "status", "test"], ...rows];
}

/** A row for each module: how many of its functions have which status. */
export function moduleRows(root: string): string[][] {
  const rows = functionRows(root);
  const count = (module: string, status: string): string =>
    String(rows.filter((row) => row.module === module && row.status === status).length);
  const modules = Object.keys(abiTable).map((module) => [
    `\`${module}\``,
    ...["works", "differs", "stub"].map((status) => count(module, status)),
  ]);
  return [["module", "works", "differs", "stub"], ...modules];
}

interface TestSource {
  readonly path: string;
  /** "lunatic::process.spawn" and so on. */
  readonly calls: ReadonlySet<string>;
}

/** Tests first, then guests in C. */
function sourcesBelow(root: string): TestSource[] {
  const files = readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" })
    .map((name) => join(root, "test", name))
    .filter((path) => !/\/(build|node_modules|target)\//.test(path))
    .sort();
  const read = (path: string): string => readFileSync(path, "utf8");
  const headers = files.filter((path) => path.endsWith(".h")).map(read);
  const source = (path: string, calls: ReadonlySet<string>): TestSource => ({ path: relative(root, path), calls });
  return [
    ...files.filter((path) => path.endsWith(".test.ts")).map((path) => source(path, callsInTest(read(path)))),
    ...files.filter((path) => path.endsWith(".c")).map((path) => source(path, callsInC(read(path), headers))),
  ];
}

const wasi = "wasi_snapshot_preview1";

/** A test names it "process.spawn", or "fd_read" where it is WASI's. */
function callsInTest(text: string): ReadonlySet<string> {
  const calls = new Set<string>();
  for (const [, name] of text.matchAll(/["']([a-z0-9_]+(?:\.[a-z0-9_]+)?)["']/g)) {
    const [space, rest] = (name as string).split(".");
    if (rest === undefined) calls.add(`${wasi}.${space}`);
    else if (space === "wasi") calls.add(`${wasi}.${rest}`).add(`lunatic::wasi.${rest}`);
    else calls.add(`lunatic::${space}.${rest}`).add(`${space}.${rest}`);
  }
  return calls;
}

/** A guest names it as it or a header of guests declares it. */
function callsInC(text: string, headers: readonly string[]): ReadonlySet<string> {
  const all = [...headers, text].join("\n");
  const spaces = new Map<string, string>();
  for (const [, macro, module] of all.matchAll(/^#define (\w+)\(name\) HOST\("([^"]+)", name\)/gm))
    spaces.set(macro as string, module as string);
  const used = text.replace(/^\w+\("[^;]*;/gm, "").replace(/"[^"\n]*"|\/\/.*/g, "");
  const words = new Set(used.match(/\w+/g));
  const calls = new Set<string>();
  for (const [, macro, first, second, as] of all.matchAll(/^(\w+)\("([^"]+)"(?:, "([^"]+)")?\)[^;(]*?\b(\w+)\(/gm)) {
    const [module, name] = macro === "HOST" ? [first, second] : [spaces.get(macro as string), first];
    if (words.has(as as string)) calls.add(`${module}.${name}`);
  }
  return calls;
}
