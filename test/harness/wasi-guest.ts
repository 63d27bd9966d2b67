// A guest that calls WASI's file functions one by one, with the numbers that they take and give.
import type { ActorSpec, Preopen } from "../../wire/specs.ts";
import { type Inside, inside, type LocalCarrier, type Ran } from "./local-carrier.ts";

export const ALL_RIGHTS = (1n << 29n) - 1n;
export const READ = 1n << 1n;
export const WRITE = 1n << 6n;
export const OFLAGS = { create: 1, directory: 2, exclusive: 4, truncate: 8 } as const;
export const FDFLAGS = { append: 1, dsync: 2, nonblock: 4, rsync: 8, sync: 16 } as const;
/** The first preopened directory. */
export const DIR = 3;

/** Places in its memory. */
const [PATH, OTHER_PATH, VECTORS, OUT, DATA] = [1024, 8192, 16_384, 17_000, 65_536];

export interface OpenOptions {
  readonly oflags?: number;
  readonly rights?: bigint;
  readonly inheriting?: bigint;
  readonly flags?: number;
  readonly isFollowing?: boolean;
}

export interface Entry {
  readonly next: bigint;
  readonly inode: bigint;
  readonly type: number;
  readonly name: string;
}

export class WasiGuest {
  readonly carrier: LocalCarrier;
  readonly #inside: Inside;

  constructor(guest: Inside) {
    this.#inside = guest;
    this.carrier = guest.carrier;
  }

  get memory(): Buffer {
    return this.#inside.memory();
  }

  /** Any function by its name; texts become a pointer and a length. @returns its error number */
  call(name: string, ...args: (number | bigint | string)[]): number {
    let at = PATH;
    const given = args.flatMap((each) => {
      if (typeof each !== "string") return [each];
      const place = at;
      at = OTHER_PATH;
      return [place, this.memory.write(each, place)];
    });
    return this.#inside.call(`wasi.${name}`, ...given) as number;
  }

  /** A descriptor, or minus the error number. */
  open(path: string, options: OpenOptions = {}, fd = DIR): number {
    const { oflags = 0, rights = ALL_RIGHTS, inheriting = ALL_RIGHTS, flags = 0, isFollowing = true } = options;
    const errno = this.call("path_open", fd, isFollowing ? 1 : 0, path, oflags, rights, inheriting, flags, OUT);
    return errno === 0 ? this.memory.readUInt32LE(OUT) : -errno;
  }

  /** What a read gives, or the error number. @param sizes of the vectors */
  read(fd: number, sizes: readonly number[], offset?: bigint): string | number {
    let at = DATA;
    for (const [i, size] of sizes.entries()) {
      this.memory.writeUInt32LE(at, VECTORS + i * 8);
      this.memory.writeUInt32LE(size, VECTORS + i * 8 + 4);
      at += size;
    }
    const errno =
      offset === undefined
        ? this.call("fd_read", fd, VECTORS, sizes.length, OUT)
        : this.call("fd_pread", fd, VECTORS, sizes.length, offset, OUT);
    return errno === 0 ? this.memory.toString("latin1", DATA, DATA + this.memory.readUInt32LE(OUT)) : errno;
  }

  /** Bytes written, or minus the error number. */
  write(fd: number, text: string, offset?: bigint): number {
    this.memory.write(text, DATA, "latin1");
    this.memory.writeUInt32LE(DATA, VECTORS);
    this.memory.writeUInt32LE(text.length, VECTORS + 4);
    const errno =
      offset === undefined
        ? this.call("fd_write", fd, VECTORS, 1, OUT)
        : this.call("fd_pwrite", fd, VECTORS, 1, offset, OUT);
    return errno === 0 ? this.memory.readUInt32LE(OUT) : -errno;
  }

  /** The u64 that a function of this name writes, or minus the error number. */
  number(name: string, ...args: (number | bigint)[]): bigint {
    const errno = this.call(name, ...args, OUT);
    return errno === 0 ? this.memory.readBigUInt64LE(OUT) : BigInt(-errno);
  }

  /** One call of fd_readdir: whole entries, and the bytes it used. */
  readdir(fd: number, length: number, cookie: bigint): { errno: number; used: number; entries: Entry[] } {
    const errno = this.call("fd_readdir", fd, DATA, length, cookie, OUT);
    if (errno !== 0) return { errno, used: 0, entries: [] };
    const used = this.memory.readUInt32LE(OUT);
    const entries: Entry[] = [];
    for (let at = DATA; at + 24 <= DATA + used; ) {
      const end = at + 24 + this.memory.readUInt32LE(at + 16);
      if (end > DATA + used) break;
      entries.push({
        next: this.memory.readBigUInt64LE(at),
        inode: this.memory.readBigUInt64LE(at + 8),
        type: this.memory[at + 20] as number,
        name: this.memory.toString("utf8", at + 24, end),
      });
      at = end;
    }
    return { errno, used, entries };
  }

  /** A filestat, or the error number. */
  stat(path: string, isFollowing = true, fd = DIR): number | Record<"type" | "links" | "size" | "modified", bigint> {
    const errno = this.call("path_filestat_get", fd, isFollowing ? 1 : 0, path, OUT);
    if (errno !== 0) return errno;
    const at = (offset: number): bigint => this.memory.readBigUInt64LE(OUT + offset);
    return { type: at(16), links: at(24), size: at(32), modified: at(48) };
  }
}

/** Runs `step` as a guest with these directories. */
export function withFiles(
  preopens: readonly Preopen[],
  step: (guest: WasiGuest) => void,
  spec: Partial<ActorSpec> = {},
): Ran & { carrier: LocalCarrier } {
  const ran = inside((guest) => step(new WasiGuest(guest)), { spec: { ...spec, preopens } });
  ran.carrier.process.files?.closeAll();
  return ran;
}
