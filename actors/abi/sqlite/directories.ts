// A process's preopened directories as SQLite uses them: by the guest's path, and never out of them.
import { closeSync, constants, fsyncSync, openSync, unlinkSync } from "node:fs";
import type { Preopen } from "../../../wire/specs.ts";
import { hostPath, locate, openPreopen, type Place, pathText, reach } from "../../files/beneath.ts";
import { ERRNO, fail, systemCode, WasiFailure } from "../../files/errno.ts";
import type { FileTable } from "../../files/files.ts";

/** Before the umask. */
const MODE = 0o666;
/** The system's errors that say nothing of what is at a path. */
const SHORTAGES: readonly string[] = ["EMFILE", "ENFILE", "ENOMEM", "EIO"];
const HOW = constants.O_NONBLOCK | constants.O_NOCTTY | constants.O_NOFOLLOW;

interface Found {
  readonly preopen: Preopen;
  /** The path below it. */
  readonly rest: string;
}

export class Directories {
  readonly files: FileTable;
  /** Why the last file was refused, for a text; null: it was not. */
  refused: string | null = null;
  readonly #preopens: readonly Preopen[];
  /** Their descriptors, opened when they are first used. */
  readonly #bases = new Map<Preopen, number>();

  constructor(preopens: readonly Preopen[], files: FileTable) {
    this.#preopens = preopens;
    this.files = files;
  }

  /** The directory whose name is the longest beginning of the path; undefined: none. */
  find(path: string): Found | undefined {
    const wanted = plain(path);
    let best: Found | undefined;
    let longest = -1;
    for (const preopen of this.#preopens) {
      const name = plain(preopen.guest);
      const prefix = name === "." ? "" : name.endsWith("/") ? name : `${name}/`;
      if (!wanted.startsWith(prefix) || (prefix === "" && wanted.startsWith("/")) || prefix.length <= longest) continue;
      longest = prefix.length;
      best = { preopen, rest: wanted.slice(prefix.length).replace(/^\/+/, "") };
    }
    return best;
  }

  /**
   * Opens a regular file, and no link: its journal would lie beside the link.
   * @throws WasiFailure, what Node's file functions do
   */
  open(path: string, isWriting: boolean, isCreating: boolean): { fd: number; isReadOnly: boolean; isNew: boolean } {
    this.refused = null;
    try {
      return this.#in(path, (base, rest, { isReadOnly }) =>
        reach(base, rest, false, (found, place) => {
          if (found === null) {
            if (isReadOnly && isCreating) this.#refuse("its directory is read-only", ERRNO.rofs);
            if (!isCreating || place.name === null) fail(ERRNO.noent);
            const how = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | HOW;
            const fd = this.files.hold(() => openSync(hostPath(place.parent, place.name), how, MODE));
            return { fd, isReadOnly, isNew: true };
          }
          if (!found.stat.isFile()) this.#refuse("it is no regular file", ERRNO.notsup);
          const opened = (flags: number): number =>
            this.files.hold(() => openSync(hostPath(found.fd), flags | (HOW & ~constants.O_NOFOLLOW)));
          if (!isWriting || isReadOnly) return { fd: opened(constants.O_RDONLY), isReadOnly: true, isNew: false };
          try {
            return { fd: opened(constants.O_RDWR), isReadOnly: false, isNew: false };
          } catch (thrown) {
            if (!["EACCES", "EROFS", "EPERM"].includes(systemCode(thrown) ?? "")) throw thrown;
            return { fd: opened(constants.O_RDONLY), isReadOnly: true, isNew: false };
          }
        }),
      );
    } catch (thrown) {
      if (thrown instanceof WasiFailure && this.refused === null) {
        if (thrown.errno === ERRNO.perm) this.refused = "it leads out of its directory";
        if (thrown.errno === ERRNO.nfile) this.refused = "too many files are open";
      }
      throw thrown;
    }
  }

  /** True if a regular file that is not empty is there. @throws where it may be there: a journal must not be missed */
  has(path: string): boolean {
    try {
      return this.#in(path, (base, rest) =>
        reach(base, rest, false, (found) => found?.stat.isFile() === true && found.stat.size > 0n),
      );
    } catch (thrown) {
      const isNotSeen = thrown instanceof WasiFailure && thrown.errno === ERRNO.nfile;
      if (isNotSeen || SHORTAGES.includes(systemCode(thrown) ?? "")) throw thrown;
      return false;
    }
  }

  /** Unlinks a file; `isSynced`: and its directory is on disk then. @throws as `open` */
  remove(path: string, isSynced: boolean): void {
    this.#in(path, (base, rest, { isReadOnly }) => {
      if (isReadOnly) fail(ERRNO.rofs);
      locate(base, rest, (place: Place) => {
        if (place.name === null) fail(ERRNO.isdir);
        unlinkSync(hostPath(place.parent, place.name));
        if (isSynced) syncDirectory(place);
      });
    });
  }

  /** Has a file's directory on disk, so that a new file in it is there after a power loss. @throws as `open` */
  sync(path: string): void {
    this.#in(path, (base, rest) => locate(base, rest, syncDirectory));
  }

  /** The process has ended. */
  close(): void {
    for (const fd of this.#bases.values()) this.files.release(() => closeSync(fd));
    this.#bases.clear();
  }

  #in<T>(path: string, use: (base: number, rest: string, preopen: Preopen) => T): T {
    const found = this.find(path) ?? this.#refuse("it lies in no directory of the process", ERRNO.perm);
    const { preopen, rest } = found;
    let base = this.#bases.get(preopen);
    if (base === undefined) {
      base = this.files.hold(() => openPreopen(preopen.host));
      this.#bases.set(preopen, base);
    }
    return use(base, pathText(Buffer.from(rest)), preopen);
  }

  #refuse(why: string, errno: number): never {
    this.refused = why;
    fail(errno);
  }
}

function syncDirectory({ parent }: Place): void {
  const directory = openSync(hostPath(parent), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

/** Without "./" before it and slashes after it. */
function plain(path: string): string {
  const name = path.replace(/^(\.\/+)+/, "");
  return name.length > 1 ? name.replace(/\/+$/, "") || "/" : name;
}
