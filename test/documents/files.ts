// The files of the checkout that the tests of documents read: documents, sources, the folders that outputs go to.
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";

/** Folders, by their path from the root, whose content is made or installed. */
const outputs =
  /^(\.git|dist|data|coverage|services\/build|test\/guests\/build|test\/\.tmp)$|(^|\/)(node_modules|target|\.tmp)$/;

/** True of a path that is made by a build or a run, and of what lies below it. */
export function isOutput(path: string): boolean {
  const parts = path.split("/");
  return parts.some((_, i) => outputs.test(parts.slice(0, i + 1).join("/")));
}

/** Paths from the root of the files in the checkout that somebody wrote, sorted. */
export function filesOf(root: string): string[] {
  const found: string[] = [];
  const walk = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (isOutput(path)) continue;
      if (entry.isDirectory()) walk(path);
      else if (entry.isFile()) found.push(path);
    }
  };
  walk(".");
  return found.sort();
}

/** Names of the folders at the root that somebody wrote. */
export function topFolders(root: string): string[] {
  return readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !isOutput(entry.name))
    .map(({ name }) => name);
}

export function readText(root: string, path: string): string {
  return readFileSync(join(root, path), "utf8");
}

/** A path that a document at `from` names, as a path from the root; it begins with ".." where it leaves the root. */
export function resolveFrom(from: string, target: string): string {
  return relative(".", join(from, "..", target)) || ".";
}
