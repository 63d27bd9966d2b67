// From a directory's descriptor and a guest's path to the place that it names, and never out of that directory.
//
// Node has no openat(2). On Linux `/proc/self/fd/N/name` is the same: the kernel follows N to the directory itself,
// and O_NOFOLLOW keeps it from following `name`. So each component is opened by itself, from the descriptor of the one
// before; a link that was put there a moment ago is met as a link, read, and walked like the rest of the path. `..`
// goes back to the descriptor that we came from, which stays what it was even if the directory is moved meanwhile.
// Elsewhere there is no such way: preopened directories need Linux with /proc (src/config/dirs.ts refuses them).
//
// What is opened at the end is first looked at through O_PATH, which opens nothing: a FIFO does not block, a device
// does nothing. Then the very same file is opened by its descriptor, if it is a regular one.
import { isUtf8 } from "node:buffer";
import { type BigIntStats, closeSync, constants, fstatSync, openSync, readlinkSync } from "node:fs";
import { ERRNO, fail, systemCode } from "./errno.ts";

/** Linux's, the same on x64 and arm64; Node does not name it. */
const O_PATH = 0o10000000;
const LOOK = O_PATH | constants.O_NOFOLLOW;
const ENTER = LOOK | constants.O_DIRECTORY;

const PATH_BYTES_MAX = 4096;
const LINKS_MAX = 40;
/** Directories below each other, each with a descriptor while a path is walked. */
const DEPTH_MAX = 128;
/** Components of a path and of all links in it: each costs a few system calls. */
const STEPS_MAX = 1024;

/** Where a path leads. Valid until the callback that got it returns. */
export interface Place {
  /** The host's descriptor of the directory that it lies in. */
  readonly parent: number;
  /** Its name there; null: it is that directory itself ("." or ".." or an end in such). */
  readonly name: string | null;
  /** The path ended in a slash: only a directory will do. */
  readonly isDirectoryAsked: boolean;
}

/** What is at a place. */
export interface Found {
  /** An O_PATH descriptor. Closed after the callback, unless `keep` is called. */
  readonly fd: number;
  readonly stat: BigIntStats;
  /** Leaves the descriptor open, for the caller to close. */
  keep(): number;
}

/** The guest's path. @throws ilseq, inval, nametoolong, noent for an empty one, perm for an absolute one */
export function pathText(bytes: Buffer): string {
  if (bytes.length > PATH_BYTES_MAX) fail(ERRNO.nametoolong);
  if (!isUtf8(bytes)) fail(ERRNO.ilseq);
  if (bytes.includes(0)) fail(ERRNO.inval);
  if (bytes.length === 0) fail(ERRNO.noent);
  if (bytes[0] === SLASH) fail(ERRNO.perm);
  return bytes.toString("utf8");
}
const SLASH = 0x2f;

/** The host's path of something in an open directory; of the open thing itself without a name. */
export function hostPath(fd: number, name: string | null = null): string {
  return name === null ? `/proc/self/fd/${fd}` : `/proc/self/fd/${fd}/${name}`;
}

/**
 * Opens a preopened directory: an absolute path without links, since whoever can write in one of its parents must not
 * lead it elsewhere after it was checked.
 */
export function openPreopen(path: string): number {
  let fd = openSync("/", O_PATH | constants.O_DIRECTORY);
  for (const name of path.split("/").filter((each) => each !== "")) {
    const parent = fd;
    try {
      fd = openSync(hostPath(parent, name), ENTER);
    } finally {
      closeSync(parent);
    }
  }
  return fd;
}

/** Calls `use` with the place of the last component, which is not looked at and not followed. @throws WasiFailure */
export function locate<T>(base: number, path: string, use: (place: Place) => T): T {
  const walk = new Walk(base, path);
  try {
    return use(walk.toLast());
  } finally {
    walk.close();
  }
}

/**
 * Calls `use` with what is there, or with null if nothing is; `place` is then where it would be.
 * @param isFollowing whether a link at the end is followed; one before a slash at the end always is
 */
export function reach<T>(
  base: number,
  path: string,
  isFollowing: boolean,
  use: (found: Found | null, place: Place) => T,
): T {
  const walk = new Walk(base, path);
  try {
    for (;;) {
      const place = walk.toLast();
      const fd = look(place);
      if (fd === null) return use(null, place);
      let isKept = false;
      try {
        const stat = fstatSync(fd, { bigint: true });
        if (stat.isSymbolicLink() && (isFollowing || place.isDirectoryAsked)) {
          walk.follow(place);
          continue;
        }
        if (place.isDirectoryAsked && !stat.isDirectory()) fail(ERRNO.notdir);
        const keep = (): number => {
          isKept = true;
          return fd;
        };
        return use({ fd, stat, keep }, place);
      } finally {
        if (!isKept) closeSync(fd);
      }
    }
  } finally {
    walk.close();
  }
}

/** An O_PATH descriptor of what is at a place, or null. */
function look({ parent, name }: Place): number | null {
  try {
    return openSync(hostPath(parent, name), name === null ? O_PATH : LOOK);
  } catch (thrown) {
    if (systemCode(thrown) === "ENOENT") return null;
    throw thrown;
  }
}

/** A walk down a path: the directories it went through, and the components that are left. */
class Walk {
  /** The first is not ours to close. */
  readonly #directories: number[];
  /** The next one last. */
  #left: string[];
  #isDirectoryAsked: boolean;
  #links = 0;
  #steps = 0;

  constructor(base: number, path: string) {
    this.#directories = [base];
    this.#isDirectoryAsked = path.endsWith("/");
    this.#left = componentsOf(path);
  }

  get #here(): number {
    return this.#directories.at(-1) as number;
  }

  /** Goes through all components but the last. @throws perm where it would leave, loop, notdir, nametoolong, … */
  toLast(): Place {
    for (let name = this.#left.pop(); name !== undefined; name = this.#left.pop()) {
      if (++this.#steps > STEPS_MAX) fail(ERRNO.nametoolong);
      if (name === ".") continue;
      if (name === "..") this.#leave();
      else if (this.#left.length === 0) return { parent: this.#here, name, isDirectoryAsked: this.#isDirectoryAsked };
      else this.#enter(name);
    }
    return { parent: this.#here, name: null, isDirectoryAsked: true };
  }

  /** Goes on with the target of the link at a place, or looks there again if it is no link any more. */
  follow({ parent, name }: Place): void {
    if (name !== null && !this.#expand(parent, name)) this.#left.push(name);
  }

  close(): void {
    for (const fd of this.#directories.splice(1)) closeSync(fd);
  }

  #leave(): void {
    if (this.#directories.length === 1) fail(ERRNO.perm);
    closeSync(this.#directories.pop() as number);
  }

  #enter(name: string): void {
    if (this.#directories.length > DEPTH_MAX) fail(ERRNO.nametoolong);
    try {
      this.#directories.push(openSync(hostPath(this.#here, name), ENTER));
    } catch (thrown) {
      // A link, or no directory. ELOOP is what other kernels than today's say of a link.
      const code = systemCode(thrown);
      if ((code !== "ENOTDIR" && code !== "ELOOP") || !this.#expand(this.#here, name)) throw thrown;
    }
  }

  /** Puts a link's target before what is left; false if it is no link. @throws loop; perm for an absolute target */
  #expand(parent: number, name: string): boolean {
    let target: string;
    try {
      target = readlinkSync(hostPath(parent, name));
    } catch (thrown) {
      if (systemCode(thrown) === "EINVAL") return false;
      throw thrown;
    }
    if (++this.#links > LINKS_MAX) fail(ERRNO.loop);
    if (target.startsWith("/")) fail(ERRNO.perm);
    if (this.#left.length === 0 && target.endsWith("/")) this.#isDirectoryAsked = true;
    this.#left.push(...componentsOf(target));
    return true;
  }
}

/** The next one last; empty ones mean nothing, nor does "." but at the end: what is before it is a directory. */
function componentsOf(path: string): string[] {
  return path
    .split("/")
    .filter((each, i, all) => each !== "" && (each !== "." || i === all.length - 1))
    .reverse();
}
