// Dead links of documents: relative ones whose file, folder or anchor is not there.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { resolveFrom } from "./files.ts";
import { anchorsOf, type Link, type MarkdownDocument } from "./markdown.ts";

/** "README.md:12 links to x.md: there is no such file", for each dead link. */
export function deadLinks(root: string, documents: readonly MarkdownDocument[]): string[] {
  const anchors = new Map(documents.map((each) => [each.path, anchorsOf(each)]));
  return documents.flatMap((document) =>
    localLinks(document).flatMap(({ link, path, anchor }) => {
      const why = whyDead(root, path, anchor, anchors);
      return why === null ? [] : [`${document.path}:${link.line} links to ${link.target}: ${why}`];
    }),
  );
}

/** Links of packed documents to what is not packed. @param packed paths from the root */
export function unpackedLinks(documents: readonly MarkdownDocument[], packed: readonly string[]): string[] {
  const isPacked = (path: string): boolean =>
    path === "." || packed.includes(path) || packed.some((each) => each.startsWith(`${path}/`));
  return documents
    .filter(({ path }) => packed.includes(path))
    .flatMap((document) =>
      localLinks(document).flatMap(({ link, path }) =>
        isPacked(path) ? [] : [`${document.path}:${link.line} links to ${link.target}, which is not packed`],
      ),
    );
}

interface LocalLink {
  readonly link: Link;
  /** From the root. */
  readonly path: string;
  /** Empty where there is none. */
  readonly anchor: string;
}

function localLinks(document: MarkdownDocument): LocalLink[] {
  return document.links
    .filter(({ target }) => !/^[a-z][a-z0-9+.-]*:/i.test(target))
    .map((link) => {
      const [file = "", anchor = ""] = link.target.split("#", 2).map(decodeURIComponent);
      return { link, path: file === "" ? document.path : resolveFrom(document.path, file), anchor };
    });
}

function whyDead(
  root: string,
  path: string,
  anchor: string,
  anchors: ReadonlyMap<string, ReadonlySet<string>>,
): string | null {
  if (path.startsWith("..")) return "that is outside of the repository";
  if (!existsSync(join(root, path))) return "there is no such file";
  if (anchor === "" || anchors.get(path)?.has(anchor) === true) return null;
  return anchors.has(path) ? `${path} has no such anchor` : "only documents have anchors";
}
