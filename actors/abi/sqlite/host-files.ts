// SQLite's files: its VFS over Node's file functions. A name is found for whom SQLite works now, beneath that process's
// directories; a file that is open stays its owner's.
//
// What the methods must do: sqlite.org/c3ref/vfs.html and io_methods.html.
import { randomFillSync } from "node:crypto";
import { closeSync, fstatSync, fsyncSync, ftruncateSync, readSync, writeSync } from "node:fs";
import { type FileLocks, LEVEL, type LockHolder } from "../../../wire/file-locks.ts";
import { systemCode } from "../../files/errno.ts";
import { CODE, type Sqlite3 } from "./c-api.ts";
import type { Directories } from "./directories.ts";

const OPEN = { readOnly: 1, readWrite: 2, create: 4, deleteOnClose: 8, mainDb: 0x100 } as const;
const IOERR = { read: 0x10a, shortRead: 0x20a, write: 0x30a, fsync: 0x40a, truncate: 0x60a, fstat: 0x70a } as const;
const IOERR_DELETE = 0xa0a;
const IOERR_DELETE_NOENT = 0x170a;
const PATH_MAX = 1024;
const SECTOR_BYTES = 4096;
/** The day of 1970-01-01 in Julian days, and the ms of a day. */
const EPOCH_DAY = 2_440_587.5;
const DAY_MS = 86_400_000;

interface OpenFile extends LockHolder {
  readonly fd: number;
  readonly owner: Directories;
  readonly path: string;
  readonly isTemporary: boolean;
  /** True until its directory is on disk, too: a journal must be there after a power loss. */
  isNew: boolean;
}

export class HostFiles {
  /** For whom SQLite works now: names mean something in its directories. */
  current: Directories | null = null;
  readonly #locks: FileLocks;
  readonly #open = new Map<number, OpenFile>();

  constructor(locks: FileLocks) {
    this.#locks = locks;
  }

  /** Makes it the only VFS that is used. Called once. */
  install({ capi, wasm, vfs }: Sqlite3, name: string): void {
    const io = new capi.sqlite3_io_methods();
    io.$iVersion = 1; // no shared memory: no WAL
    const own = new capi.sqlite3_vfs();
    own.$iVersion = 1;
    own.$szOsFile = capi.sqlite3_file.structInfo.sizeof;
    own.$mxPathname = PATH_MAX;
    own.$zName = wasm.allocCString(name);
    const memory = (): Buffer => Buffer.from(wasm.memory.buffer);
    const u32 = (at: number, value: number): number => {
      memory().writeUInt32LE(value, at);
      return CODE.ok;
    };
    const file = (at: number): OpenFile => this.#open.get(at) as OpenFile;
    const ioMethods = {
      xClose: (at: number) => this.#close(at),
      xRead: (at: number, to: number, length: number, from: bigint) =>
        attempt(IOERR.read, () => {
          const got = readSync(file(at).fd, memory(), to, length, Number(from));
          if (got === length) return CODE.ok;
          memory().fill(0, to + got, to + length);
          return IOERR.shortRead;
        }),
      xWrite: (at: number, from: number, length: number, to: bigint) =>
        attempt(IOERR.write, () => {
          for (let done = 0; done < length; ) {
            done += writeSync(file(at).fd, memory(), from + done, length - done, Number(to) + done);
          }
          return CODE.ok;
        }),
      xTruncate: (at: number, size: bigint) => attempt(IOERR.truncate, () => ftruncateSync(file(at).fd, Number(size))),
      xSync: (at: number) => attempt(IOERR.fsync, () => this.#sync(file(at))),
      xFileSize: (at: number, out: number) =>
        attempt(IOERR.fstat, () => void memory().writeBigInt64LE(fstatSync(file(at).fd, { bigint: true }).size, out)),
      xLock: (at: number, level: number) => (this.#locks.lock(file(at), level) ? CODE.ok : CODE.busy),
      xUnlock: (at: number, level: number) => {
        this.#locks.unlock(file(at), level);
        return CODE.ok;
      },
      xCheckReservedLock: (at: number, out: number) => u32(out, this.#locks.isReserved(file(at)) ? 1 : 0),
      xFileControl: () => CODE.notFound,
      xSectorSize: () => SECTOR_BYTES,
      xDeviceCharacteristics: () => 0,
    };
    const methods = {
      xOpen: (_: number, path: number, at: number, flags: number, out: number) =>
        attempt(CODE.cantOpen, () => {
          const known = new capi.sqlite3_file(at);
          known.$pMethods = 0; // as long as it is not open
          if (path === 0) return CODE.cantOpen; // temporary files are kept in memory
          const isReadOnly = this.#openFile(at, wasm.cstrToJs(path), flags);
          known.$pMethods = io.pointer;
          known.dispose();
          const given = isReadOnly ? (flags & ~(OPEN.readWrite | OPEN.create)) | OPEN.readOnly : flags;
          return out === 0 ? CODE.ok : u32(out, given);
        }),
      xDelete: (_: number, path: number, isSynced: number) => {
        try {
          this.#owner.remove(wasm.cstrToJs(path), isSynced !== 0);
          return CODE.ok;
        } catch (thrown) {
          return systemCode(thrown) === "ENOENT" ? IOERR_DELETE_NOENT : IOERR_DELETE;
        }
      },
      xAccess: (_: number, path: number, __: number, out: number) =>
        attempt(CODE.ioerr, () => u32(out, this.#owner.has(wasm.cstrToJs(path)) ? 1 : 0)),
      xFullPathname: (_: number, path: number, length: number, out: number) => {
        const all = memory();
        const end = all.indexOf(0, path) + 1;
        if (end - path > length) return CODE.cantOpen;
        all.copy(all, out, path, end);
        return CODE.ok;
      },
      xRandomness: (_: number, length: number, out: number) => {
        randomFillSync(memory(), out, length);
        return length;
      },
      xSleep: () => 0,
      xCurrentTime: (_: number, out: number) => {
        memory().writeDoubleLE(EPOCH_DAY + Date.now() / DAY_MS, out);
        return CODE.ok;
      },
      xGetLastError: () => 0,
    };
    vfs.installVfs({ io: { struct: io, methods: ioMethods }, vfs: { struct: own, methods, asDefault: true } });
  }

  /** SQLite is given up: nobody will close its files. */
  closeAll(): void {
    for (const at of [...this.#open.keys()]) this.#close(at);
  }

  get #owner(): Directories {
    if (this.current === null) throw new Error("SQLite opens a file for nobody");
    return this.current;
  }

  /** @returns true if it could be opened for reading only */
  #openFile(at: number, path: string, flags: number): boolean {
    const owner = this.#owner;
    const { fd, isReadOnly, isNew } = owner.open(path, (flags & OPEN.readWrite) !== 0, (flags & OPEN.create) !== 0);
    const { dev, ino } = fstatSync(fd, { bigint: true });
    const word = (value: bigint): number => Number(BigInt.asIntN(32, value));
    const file = [word(dev), word(dev >> 32n), word(ino), word(ino >> 32n)];
    const isTemporary = (flags & OPEN.deleteOnClose) !== 0;
    this.#open.set(at, { fd, owner, path, isTemporary, isNew, file, entry: 0 });
    return isReadOnly;
  }

  #sync(file: OpenFile): void {
    fsyncSync(file.fd);
    if (!file.isNew) return;
    file.owner.sync(file.path);
    file.isNew = false;
  }

  #close(at: number): number {
    const file = this.#open.get(at);
    if (file === undefined) return CODE.ok;
    this.#open.delete(at);
    this.#locks.unlock(file, LEVEL.none);
    return attempt(CODE.ioerr, () => {
      file.owner.files.release(() => closeSync(file.fd));
      if (file.isTemporary) file.owner.remove(file.path, false);
    });
  }
}

/**
 * A number that `run` gives is the result, all else is OK. What a file function throws becomes a code: no exception may
 * go through SQLite. A full disk has its own.
 */
function attempt(code: number, run: () => unknown): number {
  try {
    const result = run();
    return typeof result === "number" ? result : CODE.ok;
  } catch (thrown) {
    const system = systemCode(thrown);
    return system === "ENOSPC" || system === "EDQUOT" ? CODE.full : code;
  }
}
