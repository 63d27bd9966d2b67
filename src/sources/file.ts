// Reads a module from a file under the one configured folder.
import { constants, open, realpath } from "node:fs/promises";
import { relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { FrenezuloError, reasonOf } from "../errors.ts";

/**
 * @param folder whoever may write in it is trusted: what is checked is where its links lead now
 * @throws source_refused, source_failed, module_too_large
 */
export async function readFileUrl(url: URL, folder: string | null, bytesMax: number): Promise<Uint8Array> {
  if (folder === null) refuse("files are off: sources.folder is not set");
  if (url.hostname !== "" || url.search !== "" || url.hash !== "") refuse("write file:///absolute/path");
  const path = pathOf(url);
  try {
    const root = await realpath(folder);
    // Before anything outside is touched, so that an answer does not tell which files there are.
    if (!isInside(root, path) && !isInside(resolve(folder), path)) refuse(`only files under ${folder} are read`);
    const real = await realpath(path);
    if (!isInside(root, real)) refuse(`only files under ${folder} are read, and this is a link that leads out of it`);
    return await readRegular(real, bytesMax);
  } catch (thrown) {
    if (thrown instanceof FrenezuloError) throw thrown;
    throw new FrenezuloError("source_failed", { why: reasonOf(thrown) }, { cause: thrown });
  }
}

function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== "" && way !== ".." && !way.startsWith(`..${sep}`);
}

/** `..`, encoded or not, is resolved by URL parsing; an encoded slash or NUL is refused here. */
function pathOf(url: URL): string {
  try {
    const path = fileURLToPath(url);
    if (!path.includes("\0")) return path;
  } catch (thrown) {
    refuse(reasonOf(thrown));
  }
  return refuse("the path has a NUL");
}

async function readRegular(path: string, bytesMax: number): Promise<Uint8Array> {
  // Without O_NONBLOCK opening a FIFO blocks a thread of libuv's for ever; O_NOFOLLOW: the path is already resolved.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  try {
    const stat = await file.stat();
    if (!stat.isFile()) refuse("it is not a regular file");
    if (stat.size > bytesMax) throw new FrenezuloError("module_too_large", { limit: bytesMax });
    const buffer = Buffer.allocUnsafeSlow(stat.size);
    let used = 0;
    while (used < buffer.length) {
      const { bytesRead } = await file.read(buffer, used, buffer.length - used, used);
      if (bytesRead === 0) break;
      used += bytesRead;
    }
    return new Uint8Array(buffer.buffer, 0, used);
  } finally {
    await file.close();
  }
}

function refuse(why: string): never {
  throw new FrenezuloError("source_refused", { why });
}
