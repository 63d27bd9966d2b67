// The lock on a data folder: one node at a time.
//
// It is a real flock(2), so the kernel gives it up with its process however that ends, and it holds across pid and
// network namespaces (two containers on one volume), where a pid file or an abstract socket would not. Node has no call
// for it; but the lock belongs to the open file description, so a child (`flock`, of util-linux or busybox) can take it
// on a descriptor that it inherits from us, and when the child has gone it is ours (M: 2-3 ms).
import { spawnSync } from "node:child_process";
import { closeSync, fstatSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { FrenezuloError, reasonOf } from "../errors.ts";

const fileName = "node.lock";

export class FolderLock {
  #descriptor: number | undefined;

  private constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  /**
   * Takes the lock of a folder that exists, without waiting.
   * @throws data_locked with the pid of the node that has it; bad_platform without a `flock` program; store_failed
   */
  static take(folder: string): FolderLock {
    const path = join(folder, fileName);
    const descriptor = openLock(path);
    const flock = spawnSync("flock", ["-n", "-x", "3"], { stdio: ["ignore", "ignore", "pipe", descriptor] });
    if (flock.status === 0) {
      ftruncateSync(descriptor);
      writeSync(descriptor, `${process.pid}\n`);
      return new FolderLock(descriptor);
    }
    closeSync(descriptor);
    if (flock.status === 1) throw new FrenezuloError("data_locked", { folder, pid: holderOf(path) });
    const why = flock.error ? reasonOf(flock.error) : flock.stderr.toString().trim();
    throw new FrenezuloError("bad_platform", {
      why: `the data folder is locked by the program flock (of util-linux or busybox), which failed: ${why}`,
    });
  }

  /** Gives the lock up. The file stays: removing it would let two nodes lock two files of one name. */
  release(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }
}

/** @throws store_failed */
function openLock(path: string): number {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, "a+", 0o600);
    if (!fstatSync(descriptor).isFile()) throw new Error("it is not a regular file");
    return descriptor;
  } catch (error) {
    if (descriptor !== undefined) closeSync(descriptor);
    throw new FrenezuloError("store_failed", { why: `${path} cannot be opened (${reasonOf(error)})` });
  }
}

/** The pid its holder wrote; "unknown" in the moment between its lock and its write. */
function holderOf(path: string): string {
  const text = readFileSync(path, "utf8").trim();
  return /^\d+$/.test(text) ? text : "unknown";
}
