// actors/files/beneath.ts against a model: random trees with links, random paths; what a guest sees is what POSIX says
// of a tree that has nothing above it, and where a path would leave it is refused.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, it } from "vitest";
import { withFiles } from "../../../harness/wasi-guest.ts";

const [LOOP, NOENT, NOTDIR, PERM] = [32, 44, 54, 63];
const LINKS_MAX = 40;

type Node = { readonly kind: "file" } | { readonly kind: "link"; readonly target: string } | Directory;
interface Directory {
  readonly kind: "directory";
  readonly entries: ReadonlyMap<string, Node>;
}

const names = ["a", "b", "c", "d"] as const;
const step = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom<string>(...names) },
  { weight: 2, arbitrary: fc.constantFrom("..", ".", "", "none") },
);
const path = fc
  .tuple(fc.array(step, { minLength: 1, maxLength: 6 }), fc.constantFrom("", "", "", "/"))
  .map(([steps, end]) => steps.join("/") + end);
const { tree } = fc.letrec<{ node: Node; tree: Directory }>((tie) => ({
  node: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constant<Node>({ kind: "file" }),
    path.filter((each) => each !== "").map<Node>((target) => ({ kind: "link", target })),
    tie("tree"),
  ),
  tree: fc
    .uniqueArray(fc.tuple(fc.constantFrom(...names), tie("node")), { selector: ([name]) => name, maxLength: 4 })
    .map((entries) => ({ kind: "directory", entries: new Map(entries) }) as const),
}));

/** What is there, by its kind, or the error. */
function resolve(root: Directory, text: string, isFollowing: boolean): Node["kind"] | number {
  if (text === "") return NOENT;
  if (text.startsWith("/")) return PERM;
  const left = text.split("/");
  const above: Directory[] = [root];
  let links = 0;
  while (left.length > 0) {
    const name = left.shift() as string;
    const here = above.at(-1) as Directory;
    if (name === "" || name === ".") continue;
    if (name === "..") {
      if (above.length === 1) return PERM;
      above.pop();
      continue;
    }
    const found = here.entries.get(name);
    if (found === undefined) return NOENT;
    const isLast = left.length === 0;
    if (found.kind === "directory") above.push(found);
    else if (found.kind === "link" && (!isLast || isFollowing)) {
      if (++links > LINKS_MAX) return LOOP;
      if (found.target.startsWith("/")) return PERM;
      left.unshift(...found.target.split("/"));
    } else if (!isLast) return NOTDIR;
    else return found.kind;
  }
  return "directory";
}

function make(folder: string, { entries }: Directory): void {
  for (const [name, node] of entries) {
    const at = join(folder, name);
    if (node.kind === "file") writeFileSync(at, "");
    else if (node.kind === "link") symlinkSync(node.target, at);
    else {
      mkdirSync(at);
      make(at, node);
    }
  }
}

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "frenezulo-beneath-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

it("finds what a path names, as if there were nothing above the directory", () => {
  const kinds: Record<string, Node["kind"]> = { 3: "directory", 4: "file", 7: "link" };
  const outcomes = new Set<string | number>();
  let runs = 0;
  fc.assert(
    fc.property(tree, fc.array(fc.tuple(path, fc.boolean()), { minLength: 20, maxLength: 20 }), (root, paths) => {
      const host = join(folder, String(runs++));
      mkdirSync(host);
      make(host, root);
      const { carrier } = withFiles([{ guest: "/", host, isReadOnly: true }], (guest) => {
        for (const [text, isFollowing] of paths) {
          const found = guest.stat(text, isFollowing);
          const outcome = typeof found === "number" ? found : kinds[String(found.type)];
          expect(outcome, `${JSON.stringify(text)}, ${isFollowing ? "" : "not "}following`).toBe(
            resolve(root, text, isFollowing),
          );
          outcomes.add(outcome ?? "");
        }
      });
      expect(carrier.host.fileBudget.open).toBe(0);
    }),
    { numRuns: process.env.TEST_LONG === "1" ? 1000 : 100 },
  );
  expect([...outcomes].sort()).toEqual(expect.arrayContaining([NOENT, NOTDIR, PERM, "directory", "file", "link"]));
});
