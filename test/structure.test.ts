// Holds the house rules over the sources themselves: who may import whom, what a file looks like, current documents.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, expect, it } from "vitest";
import { documents } from "./documents/generated.ts";

const root = join(import.meta.dirname, "..");
const LINES_MAX = 300;
const COLUMNS_MAX = 120;
interface Import {
  readonly from: string;
  readonly typeOnly: boolean;
}

interface Source {
  /** Path from the root, e.g. "src/acceptor/gate.ts". */
  readonly path: string;
  readonly text: string;
  /** The text without comments. */
  readonly uncommented: string;
  /** The text without comments and without the insides of strings. */
  readonly code: string;
  readonly imports: readonly Import[];
}

const sources = ["src", "wire", "actors", "supervisors", "test", "load", "services", "."]
  .flatMap(filesBelow)
  .map(parse);
const program = sources.filter(({ path }) => /^(src|wire|actors|supervisors)\//.test(path));

describe("imports", () => {
  it("keep the law: src and actors never meet but in wire, supervisors know the types of exits, wire knows nothing", () => {
    const wrong = program.flatMap((source) =>
      localImports(source).flatMap(({ target, typeOnly }) =>
        mayImport(source.path, target, typeOnly) ? [] : [`${source.path} imports ${target}`],
      ),
    );
    expect(wrong).toEqual([]);
  });

  it("have no cycles of files", () => {
    const graph = new Map(program.map((source) => [source.path, localImports(source).map(({ target }) => target)]));
    expect(cycles(graph)).toEqual([]);
  });

  it("have no cycles of folders, types included", () => {
    const graph = new Map<string, string[]>();
    for (const source of program) {
      const folder = folderOf(source.path);
      const targets = localImports(source).map(({ target }) => folderOf(target));
      graph.set(folder, [...(graph.get(folder) ?? []), ...targets.filter((target) => target !== folder)]);
    }
    expect(cycles(graph)).toEqual([]);
  });

  it("name files that exist, with their extension", () => {
    const known = new Set(sources.map(({ path }) => path));
    const wrong = program.flatMap((source) =>
      localImports(source).flatMap(({ target }) => (known.has(target) ? [] : [`${source.path} imports ${target}`])),
    );
    expect(wrong).toEqual([]);
  });

  it("reach node's own modules by their node: names and packages by a dependency of package.json", () => {
    const { dependencies: needed, optionalDependencies } = JSON.parse(read("package.json"));
    const dependencies = [...Object.keys(needed), ...Object.keys(optionalDependencies)];
    const wrong = program.flatMap(({ path, imports }) =>
      imports.flatMap(({ from }) => {
        if (from.startsWith(".") || from.startsWith("node:")) return [];
        const name = from.split("/", from.startsWith("@") ? 2 : 1).join("/");
        return dependencies.includes(name) ? [] : [`${path} imports ${from}`];
      }),
    );
    expect(wrong).toEqual([]);
  });

  it("take binaryen in src/modules/lighten.ts only, and when it is called", () => {
    const users = program.filter(({ imports }) => imports.some(({ from }) => from === "binaryen"));
    expect(users.map(({ path }) => path)).toEqual(["src/modules/lighten.ts"]);
    expect(users.filter(({ code }) => /^import\b.*binaryen/m.test(code))).toEqual([]);
  });

  it("take SQLite in actors/abi/sqlite/library.ts only, and when it is called", () => {
    const users = program.filter(({ imports }) => imports.some(({ from }) => from === "@sqlite.org/sqlite-wasm"));
    expect(users.map(({ path }) => path)).toEqual(["actors/abi/sqlite/library.ts"]);
    expect(users.filter(({ text }) => /^import\b.*sqlite-wasm/m.test(text))).toEqual([]);
  });

  it("take uWebSockets.js in src/acceptor/uws.ts only", () => {
    const users = program.filter(({ imports }) => imports.some(({ from }) => from === "uWebSockets.js"));
    expect(users.map(({ path }) => path)).toEqual(["src/acceptor/uws.ts"]);
  });
});

describe("threads", () => {
  it("of actors are made in src/carriers/carriers.ts only", () => {
    const makers = program.filter(({ code }) => /\bnew\s+Worker\s*\(/.test(code)).map(({ path }) => path);
    expect(makers).toEqual(["src/carriers/carriers.ts"]);
  });

  it("have no part in supervisors: no clock, no timer, no I/O, no chance", () => {
    const pure = program.filter(({ path }) => path.startsWith("supervisors/"));
    expect(
      offenders(
        pure,
        /\bDate\.now\b|\bnew Date\b|\bperformance\.|\bset(Timeout|Interval|Immediate)\b|\bMath\.random\b|\bprocess\./,
      ),
    ).toEqual([]);
    expect(pure.filter(({ imports }) => imports.some(({ from }) => from.startsWith("node:")))).toEqual([]);
  });
});

describe("every file", () => {
  it("begins with a comment that says what it is for", () => {
    const wrong = sources.filter(({ text }) => !/^(#!.*\n)?\/\/ \S.{14}/.test(text));
    expect(wrong.map(({ path }) => path)).toEqual([]);
  });

  it(`has at most ${LINES_MAX} lines of code, blank ones and comments apart`, () => {
    const lines = (code: string): number => code.split("\n").filter((line) => line.trim() !== "").length;
    const long = program.flatMap(({ path, uncommented }) => (lines(uncommented) > LINES_MAX ? [path] : []));
    expect(long).toEqual([]);
  });

  it(`has lines of at most ${COLUMNS_MAX} columns`, () => {
    const wrong = sources.flatMap(({ path, text }) =>
      text
        .split("\n")
        // A sentence for people stays in one piece, so that it can be found.
        .map((line) => line.replace(/(["`])[^"`]{60,}\1/, '""'))
        .flatMap((line, at) => ([...line].length > COLUMNS_MAX ? [`${path}:${at + 1}`] : [])),
    );
    expect(wrong).toEqual([]);
  });

  it("has no default export; config files, k6 scripts and descriptions of others' modules may", () => {
    const others = sources.filter(({ path }) => !/^vitest\.config\.ts$|^load\/\w+\.js$|\.d\.ts$/.test(path));
    expect(offenders(others, /\bexport\s+default\b|\bas\s+default\b/)).toEqual([]);
  });

  it("has no any, no enum, no namespace and no unchecked line", () => {
    const typed = sources.filter(({ path }) => path.endsWith(".ts") && !path.endsWith(".d.ts"));
    expect(
      offenders(typed, /[:<|&,]\s*any\b|\bas\s+any\b|^\s*(export\s+)?(const\s+)?enum\s|^\s*(export\s+)?namespace\s/m),
    ).toEqual([]);
    expect(
      typed.filter(({ text }) => /@ts-(ignore|nocheck)/.test(text) && !text.includes("/@ts-(")).map(({ path }) => path),
    ).toEqual([]);
  });

  it("holds nothing that was put off", () => {
    const mark = new RegExp(`\\b(${["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"].join("|")})\\b`);
    expect(sources.filter(({ text }) => mark.test(text)).map(({ path }) => path)).toEqual([]);
  });

  it("is named for what it holds", () => {
    expect(sources.filter(({ path }) => /(^|\/)(utils?|helpers?|common|misc|types|index)\.\w+$/.test(path))).toEqual(
      [],
    );
  });
});

describe("documents", () => {
  for (const { path, what, found, text } of documents(root)) {
    it(`${relative(root, path)} has the ${what} of the source`, () => {
      expect(found, "run `node build.mjs docs` to bring it up to date").toBe(text);
    });
  }
});

describe("package-lock.json", () => {
  it("names the optional packages of every platform, also those that the registry at hand does not serve", () => {
    const packages: Record<string, { optionalDependencies?: Record<string, string> }> = JSON.parse(
      read("package-lock.json"),
    ).packages;
    const named = Object.keys(packages);
    const missing = Object.values(packages).flatMap(({ optionalDependencies = {} }) =>
      Object.keys(optionalDependencies).filter((name) => !named.some((path) => path.endsWith(`node_modules/${name}`))),
    );
    expect(missing, "npm ci refuses such a lock file; restore the entries that the last `npm install` dropped").toEqual(
      [],
    );
  });
});

/** Whom the files of each top-level folder may import; a folder of which only types may be imported has "types". */
const law: Readonly<Record<string, Readonly<Record<string, "all" | "types">>>> = {
  src: { src: "all", wire: "all", supervisors: "all" },
  actors: { actors: "all", wire: "all" },
  supervisors: { supervisors: "all", "wire/exits.ts": "types" },
  wire: { wire: "all" },
};

function mayImport(path: string, target: string, typeOnly: boolean): boolean {
  const allowed = law[path.split("/")[0]!]!;
  const how = allowed[target] ?? allowed[target.split("/")[0]!];
  return how === "all" || (how === "types" && typeOnly);
}

/** The wing that a file is in ("src/hosting", "actors/abi"), or the file itself where it lies beside the wings. */
function folderOf(path: string): string {
  return path.split("/").slice(0, 2).join("/");
}

/** The imports of other files here, as paths from the root. */
function localImports(source: Source): { target: string; typeOnly: boolean }[] {
  return source.imports
    .filter(({ from }) => from.startsWith("."))
    .map(({ from, typeOnly }) => ({ target: join(dirname(source.path), from), typeOnly }));
}

/** Every cycle once, as "a → b → a". */
function cycles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path);
    if (at >= 0) found.push([...trail.slice(at), path].join(" → "));
    if (at >= 0 || done.has(path)) return;
    for (const next of graph.get(path) ?? []) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  return found;
}

function offenders(files: readonly Source[], pattern: RegExp): string[] {
  return files.flatMap(({ path, code }) => {
    const match = pattern.exec(code);
    return match === null ? [] : [`${path}:${code.slice(0, match.index).split("\n").length}: ${match[0].trim()}`];
  });
}

/** TypeScript and JavaScript files of a folder; of "." only those that lie in it. Sources of guests are left out. */
function filesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: folder !== ".", encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((path) => /\.(ts|mjs|js)$/.test(path) && !/(^|\/)(build|dist|node_modules|target|\.tmp)\//.test(path))
    .filter((path) => !/\.as\.ts$|^services\/(sdk-assemblyscript|examples)\//.test(path));
}

function parse(path: string): Source {
  const text = read(path);
  const uncommented = blanked(text, ["/"]);
  const code = blanked(text, ["/", '"', "'", "`"]);
  const imports: Import[] = [];
  for (const match of text.matchAll(/^\s*(?:import|export)\b(?<what>[^;"']*?)\bfrom\s*["'](?<from>[^"']+)["']/gm)) {
    imports.push({ from: match.groups!.from!, typeOnly: /^\s*type\b/.test(match.groups!.what!) });
  }
  for (const match of text.matchAll(/(?:^\s*import\s*|\bimport\s*\(\s*)["']([^"']+)["']/gm)) {
    imports.push({ from: match[1]!, typeOnly: false });
  }
  return { path, text, uncommented, code, imports };
}

/** Comments ("/") and strings (by their quotes) blanked out. Line breaks stay, and so do offsets. */
function blanked(text: string, firsts: readonly string[]): string {
  const part = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/g;
  return text.replace(part, (found) => (firsts.includes(found[0]!) ? found.replace(/[^\n]/g, " ") : found));
}

function read(path: string): string {
  return readFileSync(join(root, path), "utf8");
}
