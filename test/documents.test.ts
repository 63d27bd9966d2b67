// Holds the documents: links, lengths, the manual of host functions, what comments and documents cite and name.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { remarks } from "../wire/abi/remarks.ts";
import { abiTable } from "../wire/abi/table.ts";
import { type CitedPage, citationsIn, citationText, citedPages, isThere } from "./documents/citations.ts";
import { commentsOf } from "./documents/comments.ts";
import { filesOf, readText, topFolders } from "./documents/files.ts";
import { manualProblems } from "./documents/host-manual.ts";
import { deadLinks, unpackedLinks } from "./documents/links.ts";
import { parseMarkdown, proseOf } from "./documents/markdown.ts";
import { isPathThere, pathsIn } from "./documents/named-paths.ts";

const root = join(import.meta.dirname, "..");
const COLUMNS_MAX = 120;
const linesMax: Readonly<Record<string, number>> = { "README.md": 180, "ARCHITECTURE.md": 150 };
const MANUAL = "docs/reference/host-functions.md";

const files = filesOf(root);
const documents = files.filter((path) => path.endsWith(".md")).map((path) => parseMarkdown(path, readText(root, path)));

/** Pieces of running text, with their places: comments of sources, and documents without their blocks of code. */
const pieces = files.flatMap((path) => {
  const document = documents.find((each) => each.path === path);
  if (document === undefined) {
    return commentsOf(path, readText(root, path)).map(({ line, text }) => ({ path, place: `${path}:${line}`, text }));
  }
  // What a link leads to is looked at by the tests of links.
  const text = proseOf(document.lines).replace(/\]\([^)\s]*\)/g, "]");
  return [{ path, place: path, text: text.replace(/\s+/g, " ") }];
});

describe("links of documents", () => {
  it("lead to a file, folder or heading that is there", () => {
    expect(deadLinks(root, documents)).toEqual([]);
  });

  it("in the package lead to what is packed with it", () => {
    const args = ["pack", "--dry-run", "--json", "--ignore-scripts"];
    const told = execFileSync("npm", args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    const [packed] = JSON.parse(told) as { files: { path: string }[] }[];
    expect(
      unpackedLinks(
        documents,
        packed!.files.map(({ path }) => path),
      ),
    ).toEqual([]);
  });
});

describe("documents", () => {
  it(`have lines of at most ${COLUMNS_MAX} columns, outside of tables, code and headings of functions`, () => {
    const wrong = documents.flatMap(({ path, lines }) =>
      lines
        .filter(({ text, kind }) => kind === "prose" || (kind === "heading" && !text.startsWith("#### `")))
        .filter(({ text }) => [...text].length > COLUMNS_MAX)
        .map(({ number }) => `${path}:${number}`),
    );
    expect(wrong).toEqual([]);
  });

  for (const [path, most] of Object.entries(linesMax)) {
    it(`that everybody reads are short: ${path} has at most ${most} lines`, () => {
      expect(readText(root, path).trimEnd().split("\n").length).toBeLessThanOrEqual(most);
    });
  }
});

describe("the manual of host functions", () => {
  it("has a section for each function, with the types of the table", () => {
    expect(manualProblems(parseMarkdown(MANUAL, readText(root, MANUAL)), abiTable, remarks)).toEqual([]);
  });
});

describe("comments and documents", () => {
  it("cite what is in the pages of the design", () => {
    const pages = Object.fromEntries(
      Object.entries(citedPages).map(([page, path]) => [
        page,
        existsSync(join(root, path)) ? readText(root, path) : "",
      ]),
    ) as Record<CitedPage, string>;
    const wrong = pieces.flatMap(({ place, text }) =>
      citationsIn(text)
        .filter((citation) => !isThere(pages[citation.page], citation))
        .map((citation) => `${place} cites ${citationText(citation)}`),
    );
    expect(wrong).toEqual([]);
  });

  it("name files and folders that are there", () => {
    const folders = topFolders(root);
    const wrong = pieces.flatMap(({ path, place, text }) =>
      pathsIn(text, folders)
        .filter((named) => !isPathThere(root, path, named))
        .map((named) => `${place} names ${named}`),
    );
    expect(wrong).toEqual([]);
  });
});
