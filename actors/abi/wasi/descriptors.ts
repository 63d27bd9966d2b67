// fd_*: what a descriptor is and can, its file's size and times, listing a directory, preopened directories, closing.
import { closeSync, fdatasyncSync, fstatSync, fsyncSync, ftruncateSync, openSync } from "node:fs";
import { COST } from "../../../wire/cost.ts";
import { hostPath } from "../../files/beneath.ts";
import { DirectoryStream } from "../../files/directory-stream.ts";
import { answering, ERRNO, fail } from "../../files/errno.ts";
import type { Descriptor, UsableDirectory } from "../../files/files.ts";
import { FILESTAT_BYTES, FILETYPE, writeFilestat } from "../../files/filestat.ts";
import { RIGHT, rightsOf } from "../../files/rights.ts";
import type { Host, HostFunctions } from "../host.ts";
import { fileOffset } from "./input-output.ts";
import { openFlags } from "./open.ts";
import { setTimes } from "./times.ts";

const FDFLAG_APPEND = 1;
const FDFLAG_NONBLOCK = 4;
const ADVICES = 6;
const DIRENT_BYTES = 24;
/** A listing's buffer. Guests take a shorter answer for the end of the directory, so that a larger one is refused. */
const LISTING_BYTES_MAX = 256 << 10;
const NAME_DIRECTORY = 0;

const filetypes = { stream: FILETYPE.characterDevice, file: FILETYPE.regularFile, directory: FILETYPE.directory };

export function descriptorFunctions(host: Host): HostFunctions {
  /** A file or directory on the host, with the right. @throws badf for a stream, notcapable */
  const onHost = (fd: number, right: number): Exclude<Descriptor, { kind: "stream" }> & { fd: number } => {
    const kind = host.files().get(fd).kind;
    if (kind === "stream") fail(ERRNO.badf);
    return kind === "file" ? host.files().file(fd, right) : host.files().directory(fd, right);
  };
  const sync = (fd: number, right: number, call: (fd: number) => void): void => {
    const entry = onHost(fd, right);
    if (entry.kind === "file") {
      call(entry.fd);
      return;
    }
    // A directory is held by O_PATH, which cannot be synced.
    const opened = openSync(hostPath(entry.fd), "r");
    try {
      call(opened);
    } finally {
      closeSync(opened);
    }
  };

  return {
    fd_close: answering((fd: number) => {
      host.enter();
      host.files().close(fd);
    }),
    fd_renumber: answering((from: number, to: number) => {
      host.enter();
      host.files().renumber(from, to);
    }),
    fd_fdstat_get: answering((fd: number, out: number) => {
      host.enter();
      const { kind, flags, rights, inheriting } = host.files().get(fd);
      const stat = host.slice(out, 24).fill(0);
      stat[0] = filetypes[kind];
      stat.writeUInt16LE(flags, 2);
      stat.writeBigUInt64LE(BigInt(rights), 8);
      stat.writeBigUInt64LE(BigInt(inheriting), 16);
    }),
    fd_fdstat_set_flags: answering((fd: number, flags: number) => {
      host.enter();
      const entry = host.files().get(fd);
      if (entry.kind === "stream") return; // as if it were set: nobody can tell
      const settable = FDFLAG_APPEND | FDFLAG_NONBLOCK;
      if ((flags & ~settable) !== (entry.flags & ~settable)) fail(ERRNO.inval);
      if (entry.kind === "file") {
        host.files().file(fd, RIGHT.setFlags);
        if (((flags ^ entry.flags) & FDFLAG_APPEND) !== 0) {
          // Node has no fcntl(2): the same file is opened once more.
          const opened = openSync(hostPath(entry.fd), openFlags(entry.rights, flags));
          closeSync(entry.fd);
          entry.fd = opened;
        }
      }
      entry.flags = flags;
    }),
    fd_fdstat_set_rights: answering((fd: number, base: bigint, inheriting: bigint) => {
      host.enter();
      const entry = host.files().get(fd);
      const [rights, below] = [rightsOf(base), rightsOf(inheriting)];
      if ((rights & ~entry.rights) !== 0 || (below & ~entry.inheriting) !== 0) fail(ERRNO.notcapable);
      entry.rights = rights;
      entry.inheriting = below;
    }),
    fd_filestat_get: answering((fd: number, out: number) => {
      host.enter();
      const stat = host.slice(out, FILESTAT_BYTES).fill(0);
      if (host.files().get(fd).kind === "stream") stat[16] = FILETYPE.characterDevice;
      else writeFilestat(stat, fstatSync(onHost(fd, RIGHT.stat).fd, { bigint: true }));
    }),
    fd_filestat_set_size: answering((fd: number, size: bigint) => {
      host.enter();
      ftruncateSync(host.files().file(fd, RIGHT.setSize).fd, fileOffset(size));
    }),
    fd_filestat_set_times: answering((fd: number, accessed: bigint, modified: bigint, flags: number) => {
      host.enter();
      const entry = onHost(fd, RIGHT.setTimes);
      if (entry.isReadOnly) fail(ERRNO.rofs);
      setTimes(hostPath(entry.fd), fstatSync(entry.fd, { bigint: true }), accessed, modified, flags);
    }),
    fd_advise: answering((fd: number, offset: bigint, length: bigint, advice: number) => {
      host.enter();
      host.files().seekable(fd, RIGHT.advise);
      if (offset < 0n || length < 0n || advice >>> 0 >= ADVICES) fail(ERRNO.inval);
    }),
    fd_allocate: answering((fd: number, offset: bigint, length: bigint) => {
      host.enter();
      const file = host.files().seekable(fd, RIGHT.allocate);
      if (length <= 0n) fail(ERRNO.inval);
      // Node has no fallocate(2): the size is as asked, the blocks come when they are written.
      const size = fileOffset(BigInt(fileOffset(offset)) + length);
      if (fstatSync(file.fd).size < size) ftruncateSync(file.fd, size);
    }),
    fd_datasync: answering((fd: number) => {
      host.enter();
      sync(fd, RIGHT.datasync, fdatasyncSync);
    }),
    fd_sync: answering((fd: number) => {
      host.enter();
      sync(fd, RIGHT.sync, fsyncSync);
    }),
    fd_prestat_get: answering((fd: number, out: number) => {
      host.enter();
      const bytes = preopenName(host, fd);
      const stat = host.slice(out, 8).fill(0);
      stat[0] = NAME_DIRECTORY;
      stat.writeUInt32LE(bytes.length, 4);
    }),
    fd_prestat_dir_name: answering((fd: number, pointer: number, length: number) => {
      host.enter();
      const bytes = preopenName(host, fd);
      if (length >>> 0 < bytes.length) fail(ERRNO.nametoolong);
      host.slice(pointer, bytes.length).set(bytes);
    }),
    fd_readdir: answering((fd: number, pointer: number, length: number, cookie: bigint, out: number) => {
      host.enter();
      const directory = host.files().directory(fd, RIGHT.readdir);
      if (length >>> 0 > LISTING_BYTES_MAX) fail(ERRNO.inval);
      host.range(out, 4);
      host.writeU32(out, list(host, directory, host.slice(pointer, length), fileOffset(cookie)));
    }),
  };
}

/** The name of a preopened directory. @throws badf for anything else: this ends a guest's search for them */
function preopenName(host: Host, fd: number): Buffer {
  const entry = host.files().get(fd);
  if (entry.kind !== "directory" || entry.preopen === null) fail(ERRNO.badf);
  return Buffer.from(entry.preopen.guest);
}

/** Fills a buffer with entries from a number on, the last of them cut off where it does not fit. @returns bytes used */
function list(host: Host, directory: UsableDirectory, buffer: Buffer, first: number): number {
  directory.listing ??= host.files().hold(() => new DirectoryStream(directory.fd), COST.listing);
  let used = 0;
  for (let number = first; used < buffer.length; number++) {
    const entry = directory.listing.entry(number);
    if (entry === null) break;
    const head = Buffer.alloc(DIRENT_BYTES);
    head.writeBigUInt64LE(BigInt(number + 1), 0);
    head.writeBigUInt64LE(entry.inode, 8);
    head.writeUInt32LE(entry.name.length, 16);
    head[20] = entry.type;
    for (const part of [head, entry.name]) {
      part.copy(buffer, used);
      used = Math.min(buffer.length, used + part.length);
    }
  }
  return used;
}
