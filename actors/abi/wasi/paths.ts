// path_*: what is done to names in directories. path_open is in open.ts.
import { linkSync, lstatSync, mkdirSync, readlinkSync, renameSync, rmdirSync, symlinkSync, unlinkSync } from "node:fs";
import { hostPath, locate, type Place, pathText, reach } from "../../files/beneath.ts";
import { answering, ERRNO, fail } from "../../files/errno.ts";
import { FILESTAT_BYTES, writeFilestat } from "../../files/filestat.ts";
import { RIGHT } from "../../files/rights.ts";
import type { Host, HostFunctions } from "../host.ts";
import { setTimes } from "./times.ts";

const LOOKUP_FOLLOW = 1;

export function pathFunctions(host: Host): HostFunctions {
  const path = (pointer: number, length: number): string => pathText(host.slice(pointer, length));

  return {
    path_create_directory: answering((fd: number, pointer: number, length: number) => {
      host.enter();
      const directory = host.files().writable(fd, RIGHT.createDirectory);
      locate(directory.fd, path(pointer, length), (place) => mkdirSync(named(place, ERRNO.exist)));
    }),
    path_remove_directory: answering((fd: number, pointer: number, length: number) => {
      host.enter();
      const directory = host.files().writable(fd, RIGHT.removeDirectory);
      locate(directory.fd, path(pointer, length), (place) => rmdirSync(named(place, ERRNO.inval)));
    }),
    path_unlink_file: answering((fd: number, pointer: number, length: number) => {
      host.enter();
      const directory = host.files().writable(fd, RIGHT.unlinkFile);
      locate(directory.fd, path(pointer, length), (place) => {
        const at = named(place, ERRNO.isdir);
        if (place.isDirectoryAsked) fail(isDirectory(at) ? ERRNO.isdir : ERRNO.notdir);
        unlinkSync(at);
      });
    }),
    path_rename: answering(
      (fd: number, from: number, fromLength: number, newFd: number, to: number, toLength: number) => {
        host.enter();
        const source = host.files().writable(fd, RIGHT.renameSource);
        const target = host.files().writable(newFd, RIGHT.renameTarget);
        locate(source.fd, path(from, fromLength), (old) => {
          locate(target.fd, path(to, toLength), (place) => {
            const at = named(old, ERRNO.inval);
            const isDirectoryAsked = old.isDirectoryAsked || place.isDirectoryAsked;
            if (isDirectoryAsked && !isDirectory(at)) fail(ERRNO.notdir);
            renameSync(at, named(place, ERRNO.inval));
          });
        });
      },
    ),
    path_link: answering(
      (fd: number, lookup: number, from: number, fromLength: number, newFd: number, to: number, toLength: number) => {
        host.enter();
        // A second name in a writable directory would make a read-only file writable.
        const source = host.files().writable(fd, RIGHT.linkSource);
        const target = host.files().writable(newFd, RIGHT.linkTarget);
        if ((lookup & LOOKUP_FOLLOW) !== 0) fail(ERRNO.inval);
        locate(source.fd, path(from, fromLength), (old) => {
          locate(target.fd, path(to, toLength), (place) => {
            if (old.isDirectoryAsked) fail(ERRNO.notdir);
            const at = named(place, ERRNO.exist);
            if (place.isDirectoryAsked) fail(ERRNO.noent);
            linkSync(named(old, ERRNO.perm), at);
          });
        });
      },
    ),
    path_symlink: answering((from: number, fromLength: number, fd: number, to: number, toLength: number) => {
      host.enter();
      const directory = host.files().writable(fd, RIGHT.symlink);
      // Absolute targets are refused here as everywhere.
      const target = path(from, fromLength);
      locate(directory.fd, path(to, toLength), (place) => {
        const at = named(place, ERRNO.exist);
        if (place.isDirectoryAsked) fail(ERRNO.noent);
        symlinkSync(target, at);
      });
    }),
    path_readlink: answering(
      (fd: number, pointer: number, length: number, buffer: number, bufferLength: number, out: number) => {
        host.enter();
        const directory = host.files().directory(fd, RIGHT.readlink);
        host.range(out, 4);
        const into = host.slice(buffer, bufferLength);
        locate(directory.fd, path(pointer, length), (place) => {
          if (place.isDirectoryAsked) fail(ERRNO.inval);
          const target = readlinkSync(named(place, ERRNO.inval), { encoding: "buffer" });
          host.writeU32(out, target.copy(into));
        });
      },
    ),
    path_filestat_get: answering((fd: number, lookup: number, pointer: number, length: number, out: number) => {
      host.enter();
      const directory = host.files().directory(fd, RIGHT.pathStat);
      const isFollowing = (lookup & LOOKUP_FOLLOW) !== 0;
      const into = host.slice(out, FILESTAT_BYTES);
      reach(directory.fd, path(pointer, length), isFollowing, (found) => {
        if (found === null) fail(ERRNO.noent);
        writeFilestat(into, found.stat);
      });
    }),
    path_filestat_set_times: answering(
      (
        fd: number,
        lookup: number,
        pointer: number,
        length: number,
        accessed: bigint,
        modified: bigint,
        flags: number,
      ) => {
        host.enter();
        const directory = host.files().writable(fd, RIGHT.pathSetTimes);
        const isFollowing = (lookup & LOOKUP_FOLLOW) !== 0;
        reach(directory.fd, path(pointer, length), isFollowing, (found, place) => {
          if (found === null) fail(ERRNO.noent);
          const at = found.stat.isSymbolicLink() ? hostPath(place.parent, place.name) : hostPath(found.fd);
          setTimes(at, found.stat, accessed, modified, flags);
        });
      },
    ),
  };
}

/** The host's path of a place that must have a name. */
function named({ parent, name }: Place, otherwise: number): string {
  return name === null ? fail(otherwise) : hostPath(parent, name);
}

function isDirectory(path: string): boolean {
  return lstatSync(path).isDirectory();
}
