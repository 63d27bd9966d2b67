// One directory as fd_readdir reads it: entries by number, from the first on, without ever holding all of them.
import { type Dir, type Dirent, fstatSync, lstatSync, opendirSync } from "node:fs";
import { hostPath } from "./beneath.ts";
import { systemCode } from "./errno.ts";
import { FILETYPE, filetypeOf } from "./filestat.ts";

export interface Entry {
  readonly name: Buffer;
  /** 0 if it was gone when it was looked at. */
  readonly inode: bigint;
  readonly type: number;
}

/** Entries that Node reads ahead. */
const READ_AHEAD = 32;
const dots = [Buffer.from("."), Buffer.from("..")] as const;

export class DirectoryStream {
  readonly #fd: number;
  #dir: Dir;
  /** The number of the entry that is read next. */
  #next = 0;
  /** The entry before it: a guest asks again for one that its buffer cut off. */
  #last: Entry | null = null;

  /** Opens one descriptor of the host. @param fd the directory's, which stays open as long as this is in use */
  constructor(fd: number) {
    this.#fd = fd;
    this.#dir = open(fd);
  }

  /** The entry of a number, or null at the end. Going back reads from the beginning again. */
  entry(number: number): Entry | null {
    if (number === this.#next - 1) return this.#last;
    if (number < this.#next) this.#rewind();
    while (this.#next <= number) {
      const found = this.#read();
      if (found === null) return null;
      this.#next++;
      this.#last = found;
    }
    return this.#last;
  }

  close(): void {
    this.#dir.closeSync();
  }

  #rewind(): void {
    this.#dir.closeSync();
    this.#dir = open(this.#fd);
    this.#next = 0;
    this.#last = null;
  }

  #read(): Entry | null {
    const dot = dots[this.#next];
    // Of its parent nothing is told that the directory itself does not tell: that may lie outside.
    if (dot !== undefined)
      return { name: dot, inode: fstatSync(this.#fd, { bigint: true }).ino, type: FILETYPE.directory };
    const entry = this.#dir.readSync() as Dirent<Buffer> | null;
    if (entry === null) return null;
    try {
      const stat = lstatSync(Buffer.concat([Buffer.from(`${hostPath(this.#fd)}/`), entry.name]), { bigint: true });
      return { name: entry.name, inode: stat.ino, type: filetypeOf(stat) };
    } catch (thrown) {
      if (systemCode(thrown) === undefined) throw thrown;
      return { name: entry.name, inode: 0n, type: FILETYPE.unknown };
    }
  }
}

function open(fd: number): Dir {
  // Names are bytes here: not every one is UTF-8. The types of Node 20 know only texts.
  return opendirSync(hostPath(fd), { encoding: "buffer" as BufferEncoding, bufferSize: READ_AHEAD });
}
