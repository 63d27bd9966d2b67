// Where keys stand in TOML text: smol-toml gives values only. smol-toml must have accepted the text. Pure.

export interface Position {
  /** From 1. */
  readonly line: number;
  readonly column: number;
}

/** Positions of the keys of a TOML text, by path. */
export class KeyPositions {
  readonly #text: string;
  readonly #offsets = new Map<string, number>();
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    let section: string[] = [];
    for (;;) {
      this.#skip(/(?:[ \t\r\n]|#[^\n]*)*/y);
      if (this.#at >= text.length) return;
      if (text[this.#at] === "[") {
        this.#skip(/\[\[?[ \t]*/y);
        section = this.#key([]);
        this.#skip(/[ \t]*\]\]?/y);
      } else this.#pair(section);
    }
  }

  has(path: readonly string[]): boolean {
    return this.#offsets.has(JSON.stringify(path));
  }

  /** Where a key stands, or what it is in, as near as is known; undefined if none of it is in the text. */
  of(path: readonly string[]): Position | undefined {
    for (let length = path.length; length > 0; length--) {
      const offset = this.#offsets.get(JSON.stringify(path.slice(0, length)));
      if (offset === undefined) continue;
      const before = this.#text.slice(0, offset);
      const lineStart = before.lastIndexOf("\n") + 1;
      return { line: before.split("\n").length, column: [...before.slice(lineStart)].length + 1 };
    }
    return undefined;
  }

  /** key = value; what stands in inline tables is noted below it. */
  #pair(above: readonly string[]): void {
    const path = this.#key(above);
    this.#skip(/[ \t]*=[ \t]*/y);
    this.#value(path);
  }

  /** A key, dotted or not, quoted or not. Notes where each of its parts first stands. */
  #key(above: readonly string[]): string[] {
    const path = [...above];
    do {
      this.#skip(/[ \t]*/y);
      const start = this.#at;
      const part = this.#skip(/"(?:\\.|[^"\\])*"|'[^']*'|[^\s.=\]"']+/y);
      if (part === "") throw new Error(`no key at offset ${start}`);
      path.push(part.startsWith('"') ? unquote(part) : part.startsWith("'") ? part.slice(1, -1) : part);
      const id = JSON.stringify(path);
      if (!this.#offsets.has(id)) this.#offsets.set(id, start);
    } while (this.#skip(/[ \t]*\./y) !== "");
    return path;
  }

  #value(path: readonly string[]): void {
    const first = this.#text[this.#at];
    if (first === "{") this.#items(path, "}");
    else if (first === "[") this.#items(path, "]");
    else this.#skip(/"""(?:\\[\s\S]|[^\\])*?"{3,5}(?!")|'''[\s\S]*?'{3,5}(?!')|"(?:\\.|[^"\\])*"|'[^']*'|[^,\]}#\n]+/y);
  }

  /** The items of an inline table or an array; an array's are noted under their index. */
  #items(path: readonly string[], end: "}" | "]"): void {
    this.#at++;
    for (let index = 0; ; index++) {
      this.#skip(/(?:[ \t\r\n,]|#[^\n]*)*/y);
      if (this.#at >= this.#text.length) return;
      if (this.#text[this.#at] === end) break;
      if (end === "}") this.#pair(path);
      else this.#value([...path, String(index)]);
    }
    this.#at++;
  }

  /** Steps over what the (sticky) pattern takes here and returns it. */
  #skip(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? "";
    this.#at += found.length;
    return found;
  }
}

/** A basic string of TOML; the escapes that JSON does not have are \e, \x and \U. */
function unquote(quoted: string): string {
  const json = quoted.replace(/\\(?:U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2})|(.))/g, (whole, long, short, other) => {
    const hex = long ?? short ?? (other === "e" ? "1b" : undefined);
    return hex === undefined ? whole : JSON.stringify(String.fromCodePoint(Number.parseInt(hex, 16))).slice(1, -1);
  });
  return JSON.parse(json) as string;
}
