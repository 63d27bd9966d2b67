// Comments of source files as running text: what they cite and name is compared with what there is.

type Syntax = "slashes" | "hash" | "semicolons";

const syntaxes: Readonly<Record<string, Syntax>> = {
  ...Object.fromEntries(["ts", "mjs", "js", "c", "h", "rs", "go", "zig"].map((ending) => [ending, "slashes"] as const)),
  ...Object.fromEntries(["sh", "toml", "yml", "yaml", "Dockerfile", "run"].map((name) => [name, "hash"] as const)),
  wat: "semicolons",
};

const slashes = [
  /\/\*[\s\S]*?\*\/|\/\/[^\n]*/, // comments
  /(?<=[=(,:[!&|?{};>]\s*|\breturn )\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\//, // regular expressions
  /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/, // strings
];

/** Comments, and what is skipped since it may look like one. */
const tokens: Readonly<Record<Syntax, RegExp>> = {
  slashes: new RegExp(slashes.map(({ source }) => source).join("|"), "g"),
  hash: /(?<=^|\s)#[^\n]*|"(?:\\.|[^"\\\n])*"|'[^'\n]*'/gm,
  semicolons: /;;[^\n]*|\(;[\s\S]*?;\)|"(?:\\.|[^"\\\n])*"/g,
};

export interface Comment {
  /** From 1: where it begins. */
  readonly line: number;
  /** Without its marks; a comment of several lines is one, with a space for each line break. */
  readonly text: string;
}

/** The comments of a file; none of a kind of file that is not known here. */
export function commentsOf(path: string, text: string): Comment[] {
  const syntax = syntaxes[/[^./]+$/.exec(path)?.[0] ?? ""];
  if (syntax === undefined) return [];
  const comments: (Comment & { readonly endLine: number })[] = [];
  let line = 1;
  let counted = 0;
  for (const { 0: token, index } of text.matchAll(tokens[syntax])) {
    if (/^["'`]|^\/[^/*]/.test(token)) continue;
    for (; counted < index; counted++) if (text[counted] === "\n") line++;
    const endLine = line + token.split("\n").length - 1;
    const plain = token
      .split("\n")
      .map((each) => each.replace(/^\s*(\/\*+|\*+\/|\*|\/\/+|#+!?|;;+|\(;)?|\s*(\*+\/|;\))$/g, "").trim())
      .join(" ")
      .trim();
    const last = comments.at(-1);
    // Lines of comments below each other are one text.
    if (last !== undefined && last.endLine === line - 1) {
      comments[comments.length - 1] = { line: last.line, text: `${last.text} ${plain}`, endLine };
    } else comments.push({ line, text: plain, endLine });
  }
  return comments;
}
