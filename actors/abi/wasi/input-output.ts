// Bytes in and out of descriptors: fd_read, fd_write and their kin, of files and of standard streams; seek and tell.
import { fstatSync, readvSync, writevSync } from "node:fs";
import { answering, ERRNO, fail } from "../../files/errno.ts";
import type { OpenFile } from "../../files/files.ts";
import { RIGHT } from "../../files/rights.ts";
import type { Host, HostFunctions } from "../host.ts";
import { cut, fileVectors, vectors } from "./vectors.ts";

/** Above every limit of output a request may have. */
const OUTPUT_PIECE_MAX = 1 << 20;
const STDIN_PIECE_MAX = 64 << 10;
const APPEND = 1;
/** Of fd_seek: from the beginning, from where it is, from the end. */
const SEEK_SET = 0;
const SEEK_CURRENT = 1;
const SEEK_END = 2;

export function inputOutputFunctions(host: Host): HostFunctions {
  const readFile = (file: OpenFile, position: number, iovs: number, count: number): number => {
    const parts = fileVectors(host, iovs, count);
    return parts.length === 0 ? 0 : readvSync(file.fd, parts, position);
  };

  const writeFile = (file: OpenFile, position: number, iovs: number, count: number): number => {
    const parts = fileVectors(host, iovs, count);
    return parts.length === 0 ? 0 : writevSync(file.fd, parts, position);
  };

  const writeStream = (stream: number, iovs: number, count: number): number => {
    const parts = vectors(host, iovs, count);
    const total = parts.reduce((sum, part) => sum + part.length, 0);
    // One call's text is one piece of output, cut where the limit will cut it anyway, so that no copy is guest-sized.
    const first = parts[0] ?? Buffer.alloc(0);
    host.services.output(
      host.process,
      stream,
      parts.length === 1 ? first : Buffer.concat(cut(parts, OUTPUT_PIECE_MAX)),
    );
    return total;
  };

  /** Waits until there is something, or the end. Without a stdin it is at its end. */
  const readStdin = (iovs: number, count: number, out: number): number => {
    const { stdin } = host.services;
    const finish = answering(() => {
      let total = 0;
      for (const part of cut(vectors(host, iovs, count), STDIN_PIECE_MAX)) {
        const got = stdin?.read(part) ?? 0;
        total += got;
        if (got < part.length) break;
      }
      host.writeU32(out, total);
    });
    return host.wait(() => (stdin === undefined ? 0 : stdin.available), Number.POSITIVE_INFINITY, finish);
  };

  const readAtPosition = answering((fd: number, iovs: number, count: number, out: number) => {
    const file = host.files().file(fd, RIGHT.read);
    host.range(out, 4);
    const got = readFile(file, file.position, iovs, count);
    file.position += got;
    host.writeU32(out, got);
  });

  return {
    fd_read: (fd: number, iovs: number, count: number, out: number) => {
      host.enter();
      const entry = host.files().peek(fd);
      if (entry?.kind !== "stream") return readAtPosition(fd, iovs, count, out);
      return entry.stream === 0 ? readStdin(iovs, count, out) : ERRNO.badf;
    },
    fd_write: answering((fd: number, iovs: number, count: number, out: number) => {
      host.enter();
      const entry = host.files().get(fd);
      host.range(out, 4);
      if (entry.kind === "stream") {
        if (entry.stream === 0) fail(ERRNO.badf);
        host.writeU32(out, writeStream(entry.stream, iovs, count));
        return;
      }
      const file = host.files().file(fd, RIGHT.write);
      const written = writeFile(file, file.position, iovs, count);
      // Where the kernel has appended is known only afterwards.
      file.position = (file.flags & APPEND) === 0 ? file.position + written : fstatSync(file.fd).size;
      host.writeU32(out, written);
    }),
    fd_pread: answering((fd: number, iovs: number, count: number, offset: bigint, out: number) => {
      host.enter();
      const file = host.files().seekable(fd, RIGHT.read);
      host.range(out, 4);
      host.writeU32(out, readFile(file, fileOffset(offset), iovs, count));
    }),
    fd_pwrite: answering((fd: number, iovs: number, count: number, offset: bigint, out: number) => {
      host.enter();
      const file = host.files().seekable(fd, RIGHT.write);
      host.range(out, 4);
      host.writeU32(out, writeFile(file, fileOffset(offset), iovs, count));
    }),
    fd_seek: answering((fd: number, by: bigint, whence: number, out: number) => {
      host.enter();
      const isAsking = by === 0n && whence === SEEK_CURRENT;
      const file = host.files().seekable(fd, isAsking ? RIGHT.seek | RIGHT.tell : RIGHT.seek);
      host.range(out, 8);
      const position = origin(file, whence) + by;
      file.position = fileOffset(position);
      host.writeU64(out, position);
    }),
    fd_tell: answering((fd: number, out: number) => {
      host.enter();
      host.writeU64(out, BigInt(host.files().seekable(fd, RIGHT.tell | RIGHT.seek).position));
    }),
  };
}

function origin(file: OpenFile, whence: number): bigint {
  if (whence === SEEK_SET) return 0n;
  if (whence === SEEK_CURRENT) return BigInt(file.position);
  return whence === SEEK_END ? fstatSync(file.fd, { bigint: true }).size : fail(ERRNO.inval);
}

/**
 * An offset as a number. Node takes no others where it writes, and it takes what is none for "where the file is".
 * @throws inval above 2^53, where no file ends
 */
export function fileOffset(offset: bigint): number {
  return offset < 0n || offset > Number.MAX_SAFE_INTEGER ? fail(ERRNO.inval) : Number(offset);
}
