// Makes a folder and those above it. Node's own `recursive` never comes back where the kernel says that a folder's
// parent is not there although it is, as in /proc: it goes up and down for ever, at 100 % of a core.
import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";

/** A folder that is there already keeps its mode. @throws the system's error if it cannot be made or is no folder */
export async function makeFolder(path: string, mode: number): Promise<void> {
  try {
    await mkdir(path, mode);
  } catch (thrown) {
    const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
    if (code === "EEXIST" && (await stat(path)).isDirectory()) return;
    const parent = dirname(path);
    if (code !== "ENOENT" || parent === path) throw thrown;
    await makeFolder(parent, mode);
    await mkdir(path, mode);
  }
}
