// Paths that comments and documents name, and whether there is something at each.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { isOutput } from "./files.ts";

/** What a path may have of placeholders: from the first one on it is not looked at. */
const placeholder = /[*{<…]|\bNAME\b|\.\.\./;

/**
 * Paths with a slash that begin with one of the folders, without what belongs to the sentence around them. Those within
 * longer paths ("../src/x.ts", "/services/x", "https://…") are not meant.
 */
export function pathsIn(text: string, folders: readonly string[]): string[] {
  const names = folders.map((name) => name.replaceAll(".", "\\.")).join("|");
  const pattern = new RegExp(String.raw`(?<![\w./@:$~}>*-])(?:${names})/[\w./*{},<>…@-]*`, "g");
  return Array.from(text.matchAll(pattern), ([path]) => path.replace(/([.,>]|\{,?)+$/, "")).filter(
    (path) => !path.endsWith("://"),
  );
}

/**
 * True if there is a file or folder at the path, if it is made by a build, or if it is a pattern in a folder there. It
 * begins at the root, or in a folder that the naming file lies in: src/README.md may name the folder src/services as
 * "services/".
 * @param from the file that names it, from the root
 */
export function isPathThere(root: string, from: string, path: string): boolean {
  if (isOutput(path.replace(/\/$/, ""))) return true;
  const at = path.search(placeholder);
  const known = at < 0 ? path : dirname(`${path.slice(0, at)}x`);
  const folders = from.split("/").map((_, i, parts) => parts.slice(0, i).join("/"));
  return folders.some((folder) => existsSync(join(root, folder, known)));
}
