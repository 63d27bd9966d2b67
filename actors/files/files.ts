// The table of a process's open descriptors: standard streams, preopened directories, what it opened. Bounded, and
// closed with the process.
import { closeSync } from "node:fs";
import { COST } from "../../wire/cost.ts";
import { DESCRIPTORS_MAX, type Preopen } from "../../wire/specs.ts";
import { openPreopen } from "./beneath.ts";
import type { DirectoryStream } from "./directory-stream.ts";
import { ERRNO, fail } from "./errno.ts";
import { DIRECTORY_RIGHTS, FILE_RIGHTS, RIGHT } from "./rights.ts";

const STREAMS = 3;

/** What all processes of a carrier may hold open of the node's descriptors; beyond it ENFILE. */
export interface FileBudget {
  open: number;
  max: number;
}

interface Common {
  rights: number;
  /** Rights that what is opened below it can have. */
  inheriting: number;
  /** FDFLAGS of WASI: append 1, dsync 2, nonblock 4, rsync 8, sync 16. */
  flags: number;
}

/** 0, 1 or 2, wherever it was moved to. */
export interface StandardStream extends Common {
  readonly kind: "stream";
  readonly stream: 0 | 1 | 2;
}

export interface OpenFile extends Common {
  readonly kind: "file";
  /** The host's descriptor. */
  fd: number;
  /** Where the next read or write begins, in bytes. Only this descriptor moves it. */
  position: number;
  readonly isReadOnly: boolean;
}

export interface OpenDirectory extends Common {
  readonly kind: "directory";
  /** The host's descriptor (O_PATH), or null for a preopened directory that nobody has used yet. */
  fd: number | null;
  readonly preopen: Preopen | null;
  readonly isReadOnly: boolean;
  /** Where fd_readdir is in it. */
  listing: DirectoryStream | null;
}

export type Descriptor = StandardStream | OpenFile | OpenDirectory;

/** A directory whose host descriptor is open. */
export type UsableDirectory = OpenDirectory & { fd: number };

export class FileTable {
  /** True once anything was opened, closed or moved: what start code did with files is no part of an image. */
  isTouched = false;
  readonly #entries: (Descriptor | undefined)[] = [];
  readonly #budget: FileBudget;
  readonly #keep: (change: number) => void;
  /** All below it are taken. */
  #lowest: number;

  /** @param keep told of bytes that the host keeps more for it, or (negative) fewer */
  constructor(preopens: readonly Preopen[], budget: FileBudget, keep: (change: number) => void = () => {}) {
    this.#budget = budget;
    this.#keep = keep;
    for (const stream of [0, 1, 2] as const) {
      const rights = stream === 0 ? RIGHT.read : RIGHT.write;
      this.#entries.push({ kind: "stream", stream, rights, inheriting: 0, flags: 0 });
    }
    for (const preopen of preopens) {
      this.#entries.push({
        kind: "directory",
        fd: null,
        preopen,
        isReadOnly: preopen.isReadOnly,
        listing: null,
        rights: DIRECTORY_RIGHTS,
        inheriting: DIRECTORY_RIGHTS | FILE_RIGHTS,
        flags: 0,
      });
    }
    this.#lowest = this.#entries.length;
  }

  /** What a number stands for, if anything. */
  peek(fd: number): Descriptor | undefined {
    return this.#entries[fd >>> 0];
  }

  /** @throws badf */
  get(fd: number): Descriptor {
    return this.#entries[fd >>> 0] ?? fail(ERRNO.badf);
  }

  /** @throws badf for what is no file, notcapable without the right */
  file(fd: number, right: number): OpenFile {
    const entry = this.get(fd);
    if (entry.kind !== "file") fail(ERRNO.badf);
    if ((entry.rights & right) === 0) fail(ERRNO.notcapable);
    return entry;
  }

  /** A file, for what makes no sense on a stream. @throws spipe for a stream, else as `file` */
  seekable(fd: number, right: number): OpenFile {
    if (this.get(fd).kind === "stream") fail(ERRNO.spipe);
    return this.file(fd, right);
  }

  /** A directory, opened if it is preopened and this is its first use. @throws notdir, notcapable, what opening does */
  directory(fd: number, right: number): UsableDirectory {
    const entry = this.get(fd);
    if (entry.kind !== "directory") fail(ERRNO.notdir);
    if ((entry.rights & right) === 0) fail(ERRNO.notcapable);
    const { preopen } = entry;
    if (entry.fd === null && preopen !== null) entry.fd = this.hold(() => openPreopen(preopen.host));
    return entry as UsableDirectory;
  }

  /** Such a directory in which something is to be changed. @throws rofs for a read-only one, else as `directory` */
  writable(fd: number, right: number): UsableDirectory {
    const entry = this.get(fd);
    if (entry.kind === "directory" && entry.isReadOnly) fail(ERRNO.rofs);
    return this.directory(fd, right);
  }

  /** Runs `open`, which opens one descriptor of the host, within the carrier's budget. @throws nfile, what it throws */
  hold<T>(open: () => T, cost: number = COST.descriptor): T {
    this.isTouched = true;
    if (this.#budget.open >= this.#budget.max) fail(ERRNO.nfile);
    const opened = open();
    this.#budget.open++;
    this.#keep(cost);
    return opened;
  }

  /** Closes one descriptor of the host that `hold` counted. */
  release(close: () => void, cost: number = COST.descriptor): void {
    this.#budget.open--;
    this.#keep(-cost);
    close();
  }

  /** @throws mfile; call before anything is opened */
  assertRoom(): void {
    if (this.#free() >= DESCRIPTORS_MAX) fail(ERRNO.mfile);
  }

  /** Gives a descriptor the lowest free number. */
  add(entry: Descriptor): number {
    const fd = this.#free();
    this.#entries[fd] = entry;
    this.#lowest = fd + 1;
    return fd;
  }

  /** @throws badf */
  close(fd: number): void {
    this.#closeEntry(this.#take(fd));
  }

  /** Moves `from` to `to`, whose own descriptor is closed. @throws badf if either is not open */
  renumber(from: number, to: number): void {
    const entry = this.get(from);
    const replaced = this.get(to);
    if (entry === replaced) return;
    this.#entries[to >>> 0] = this.#take(from);
    this.#closeEntry(replaced);
  }

  /** Closes everything: the process has ended. Nobody is left to hear of an error. */
  closeAll(): void {
    for (const entry of this.#entries.splice(0)) {
      try {
        if (entry !== undefined) this.#closeEntry(entry);
      } catch {}
    }
  }

  #take(fd: number): Descriptor {
    const entry = this.get(fd);
    this.isTouched = true;
    this.#entries[fd >>> 0] = undefined;
    if (fd >>> 0 >= STREAMS) this.#lowest = Math.min(this.#lowest, fd >>> 0);
    return entry;
  }

  #free(): number {
    let fd = this.#lowest;
    while (this.#entries[fd] !== undefined) fd++;
    this.#lowest = fd;
    return fd;
  }

  #closeEntry(entry: Descriptor): void {
    if (entry.kind === "stream") return;
    if (entry.kind === "directory" && entry.listing !== null) {
      const { listing } = entry;
      entry.listing = null;
      this.release(() => listing.close(), COST.listing);
    }
    const { fd } = entry;
    if (fd !== null) this.release(() => closeSync(fd));
  }
}
