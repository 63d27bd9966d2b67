// Markdown as the tests read it: lines with what they are part of, headings with GitHub's anchors, links.

export type LineKind = "prose" | "heading" | "table" | "code";

export interface Line {
  /** From 1. */
  readonly number: number;
  readonly text: string;
  readonly kind: LineKind;
}

export interface Heading {
  readonly level: number;
  /** As it is written, without the #. */
  readonly text: string;
  readonly line: number;
  readonly anchor: string;
}

export interface Link {
  readonly target: string;
  readonly line: number;
}

export interface MarkdownDocument {
  /** From the root. */
  readonly path: string;
  readonly text: string;
  readonly lines: readonly Line[];
  readonly headings: readonly Heading[];
  readonly links: readonly Link[];
}

export function parseMarkdown(path: string, text: string): MarkdownDocument {
  const lines = linesOf(text);
  return { path, text, lines, headings: headingsOf(lines), links: linksOf(lines) };
}

/** The lines below a heading, up to the next one of its level or above. */
export function sectionOf({ lines, headings }: MarkdownDocument, heading: Heading): readonly Line[] {
  const next = headings.find(({ line, level }) => line > heading.line && level <= heading.level);
  return lines.slice(heading.line, next === undefined ? undefined : next.line - 1);
}

/** Every anchor that a link to the document may name. */
export function anchorsOf({ headings, lines }: MarkdownDocument): ReadonlySet<string> {
  const named = proseOf(lines).matchAll(/<a (?:id|name)="([^"]+)"/g);
  return new Set([...headings.map(({ anchor }) => anchor), ...Array.from(named, ([, name]) => name as string)]);
}

/** What is not a block of code, with every line break. */
export function proseOf(lines: readonly Line[]): string {
  return lines.map(({ text, kind }) => (kind === "code" ? "" : text)).join("\n");
}

function linesOf(text: string): Line[] {
  let fence: string | undefined;
  let isBelowList = false;
  let before: LineKind | "blank" = "blank";
  return text.split("\n").map((line, at) => {
    const [, mark] = /^\s*(?:[-*>] )?\s*(`{3,}|~{3,})/.exec(line) ?? [];
    let kind: LineKind = "prose";
    if (fence !== undefined) {
      kind = "code";
      if (mark?.startsWith(fence) && line.trim() === mark) fence = undefined;
    } else if (mark !== undefined) {
      kind = "code";
      fence = mark;
    } else if (/^#{1,6} /.test(line)) kind = "heading";
    else if (/^\s*\|/.test(line)) kind = "table";
    // Four spaces begin a block of code after a blank line, unless they continue an item of a list.
    else if (/^ {4}/.test(line) && !isBelowList && (before === "blank" || before === "code")) kind = "code";
    if (/^\S/.test(line)) isBelowList = /^([-*+]|\d+[.)]) /.test(line);
    before = line.trim() === "" ? "blank" : kind;
    return { number: at + 1, text: line, kind };
  });
}

function headingsOf(lines: readonly Line[]): Heading[] {
  const times = new Map<string, number>();
  return lines.flatMap(({ number, text, kind }) => {
    const [, marks, written] = /^(#{1,6}) +(.*?)(?: +#+)?\s*$/.exec(text) ?? [];
    if (kind !== "heading" || marks === undefined || written === undefined) return [];
    const anchor = anchorOf(written);
    const count = times.get(anchor) ?? 0;
    times.set(anchor, count + 1);
    const unique = count === 0 ? anchor : `${anchor}-${count}`;
    return [{ level: marks.length, text: written, line: number, anchor: unique }];
  });
}

/** As GitHub makes it: the text without its marks in lower case, without punctuation, a dash for each space. */
function anchorOf(heading: string): string {
  const plain = heading.replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/[`*]|<[^>`]*>/g, "");
  return plain
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}\p{Pc} -]/gu, "")
    .replaceAll(" ", "-");
}

/** Links and images in the text and in definitions; not those in code. */
function linksOf(lines: readonly Line[]): Link[] {
  return lines.flatMap(({ number, text, kind }) => {
    if (kind === "code") return [];
    const plain = text.replace(/(`+)(?!`).*?(?<!`)\1(?!`)/g, (code) => "x".repeat(code.length));
    const inline = plain.matchAll(/\]\(\s*<?([^\s()<>]*(?:\([^\s()]*\)[^\s()<>]*)*)>?(?:\s+["'][^)]*)?\)/g);
    const defined = plain.matchAll(/^\s{0,3}\[[^\]]+\]:\s+<?(\S+?)>?(?:\s|$)/g);
    return [...inline, ...defined].map(([, target]) => ({ target: target as string, line: number }));
  });
}
