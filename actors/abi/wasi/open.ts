// path_open: the flags of WASI become those of Linux, and only regular files and directories are opened.
import { constants, openSync } from "node:fs";
import { type Found, hostPath, type Place, pathText, reach } from "../../files/beneath.ts";
import { answering, ERRNO, fail, systemCode } from "../../files/errno.ts";
import type { Descriptor, FileTable, UsableDirectory } from "../../files/files.ts";
import { DIRECTORY_RIGHTS, FILE_RIGHTS, RIGHT, rightsOf, withoutWriting } from "../../files/rights.ts";
import type { Host, HostFunctions } from "../host.ts";

const LOOKUP_FOLLOW = 1;
const CREATE = 1;
const DIRECTORY = 2;
const EXCLUSIVE = 4;
const TRUNCATE = 8;
const APPEND = 1;
const DSYNC = 2;
const NONBLOCK = 4;
const RSYNC = 8;
const SYNC = 16;
const FDFLAGS = APPEND | DSYNC | NONBLOCK | RSYNC | SYNC;
/** Before the umask. */
const MODE = 0o666;
/** How often a name may appear and vanish between two looks. */
const TRIES = 16;

interface Wanted {
  readonly oflags: number;
  readonly flags: number;
  readonly rights: number;
  readonly inheriting: number;
  readonly isReadOnly: boolean;
}

export function openFunctions(host: Host): HostFunctions {
  return {
    path_open: answering(
      (
        fd: number,
        lookup: number,
        pointer: number,
        length: number,
        oflags: number,
        base: bigint,
        inheriting: bigint,
        flags: number,
        out: number,
      ) => {
        host.enter();
        const files = host.files();
        const directory = files.directory(fd, RIGHT.open);
        const path = pathText(host.slice(pointer, length));
        host.range(out, 4);
        files.assertRoom();
        const wanted = wantedOf(directory, oflags, flags, base, inheriting);
        const isFollowing = (lookup & LOOKUP_FOLLOW) !== 0 && (oflags & EXCLUSIVE) === 0;
        host.writeU32(out, files.add(openAt(files, directory.fd, path, isFollowing, wanted)));
      },
    ),
  };
}

/** What is asked for and may be had. @throws rofs, inval, notcapable */
function wantedOf(directory: UsableDirectory, oflags: number, flags: number, base: bigint, inheriting: bigint): Wanted {
  if ((flags & ~FDFLAGS) !== 0 || (oflags & ~(CREATE | DIRECTORY | EXCLUSIVE | TRUNCATE)) !== 0) fail(ERRNO.inval);
  if ((oflags & DIRECTORY) !== 0 && (oflags & (CREATE | EXCLUSIVE | TRUNCATE)) !== 0) fail(ERRNO.inval);
  const isWriting = (rightsOf(base) & RIGHT.write) !== 0 && (oflags & DIRECTORY) === 0;
  if (directory.isReadOnly && (isWriting || (oflags & (CREATE | TRUNCATE)) !== 0)) fail(ERRNO.rofs);
  if ((oflags & CREATE) !== 0 && (directory.rights & RIGHT.createFile) === 0) fail(ERRNO.notcapable);
  if ((oflags & TRUNCATE) !== 0 && (directory.rights & RIGHT.pathSetSize) === 0) fail(ERRNO.notcapable);
  const rights = rightsOf(base) & directory.inheriting;
  return {
    oflags,
    flags,
    rights: (rights & RIGHT.write) === 0 ? withoutWriting(rights) : rights,
    inheriting: rightsOf(inheriting) & directory.inheriting,
    isReadOnly: directory.isReadOnly,
  };
}

function openAt(files: FileTable, base: number, path: string, isFollowing: boolean, wanted: Wanted): Descriptor {
  for (let tries = 0; tries < TRIES; tries++) {
    const opened = reach(base, path, isFollowing, (found, place) =>
      found === null ? create(files, place, wanted) : openFound(files, found, place, wanted),
    );
    if (opened !== null) return opened;
  }
  return fail(ERRNO.io);
}

/** Makes a file. Null if one has just appeared. */
function create(files: FileTable, { parent, name, isDirectoryAsked }: Place, wanted: Wanted): Descriptor | null {
  if ((wanted.oflags & CREATE) === 0) fail(ERRNO.noent);
  if (isDirectoryAsked || name === null) fail(ERRNO.isdir);
  const how = openFlags(wanted.rights, wanted.flags) | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  try {
    return fileOf(
      files.hold(() => openSync(hostPath(parent, name), how, MODE)),
      wanted,
    );
  } catch (thrown) {
    if (systemCode(thrown) === "EEXIST" && (wanted.oflags & EXCLUSIVE) === 0) return null;
    throw thrown;
  }
}

/** Opens what was looked at, and nothing else that may have its name by now. */
function openFound(files: FileTable, found: Found, place: Place, wanted: Wanted): Descriptor {
  const { oflags, rights } = wanted;
  if ((oflags & CREATE) !== 0 && (oflags & EXCLUSIVE) !== 0) fail(ERRNO.exist);
  const { stat } = found;
  if (stat.isDirectory()) {
    const isWriting = (rights & RIGHT.write) !== 0 && (oflags & DIRECTORY) === 0 && !place.isDirectoryAsked;
    if (isWriting || (oflags & (CREATE | TRUNCATE)) !== 0) fail(ERRNO.isdir);
    return directoryOf(
      files.hold(() => found.keep()),
      wanted,
    );
  }
  if (stat.isSymbolicLink()) fail((oflags & DIRECTORY) !== 0 ? ERRNO.notdir : ERRNO.loop);
  if ((oflags & DIRECTORY) !== 0) fail(ERRNO.notdir);
  // A FIFO, a device or a socket could block the carrier for ever (DECISIONS 9.6).
  if (!stat.isFile()) fail(ERRNO.notsup);
  const how = openFlags(rights, wanted.flags) | ((oflags & TRUNCATE) === 0 ? 0 : constants.O_TRUNC);
  return fileOf(
    files.hold(() => openSync(hostPath(found.fd), how)),
    wanted,
  );
}

function fileOf(fd: number, { flags, rights, inheriting, isReadOnly }: Wanted): Descriptor {
  return { kind: "file", fd, position: 0, rights: rights & FILE_RIGHTS, inheriting, flags, isReadOnly };
}

function directoryOf(fd: number, { flags, rights, inheriting, isReadOnly }: Wanted): Descriptor {
  const own = { preopen: null, listing: null, isReadOnly };
  return { kind: "directory", fd, ...own, rights: rights & DIRECTORY_RIGHTS, inheriting, flags };
}

/** Linux's flags for opening a file that is known to be a regular one. */
export function openFlags(rights: number, flags: number): number {
  const isWriting = (rights & RIGHT.write) !== 0;
  const isReading = (rights & RIGHT.read) !== 0 || !isWriting;
  const access = isWriting ? (isReading ? constants.O_RDWR : constants.O_WRONLY) : constants.O_RDONLY;
  return (
    access |
    constants.O_NONBLOCK |
    constants.O_NOCTTY |
    ((flags & APPEND) === 0 ? 0 : constants.O_APPEND) |
    ((flags & DSYNC) === 0 ? 0 : constants.O_DSYNC) |
    ((flags & (RSYNC | SYNC)) === 0 ? 0 : constants.O_SYNC)
  );
}
