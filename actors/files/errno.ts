// WASI's error numbers, and what becomes of the errors of Node's file functions.
//
// Numbers: WebAssembly/WASI, legacy/preview1 (witx).

export const ERRNO = {
  success: 0,
  badf: 8,
  exist: 20,
  fbig: 22,
  ilseq: 25,
  inval: 28,
  io: 29,
  isdir: 31,
  loop: 32,
  mfile: 33,
  nametoolong: 37,
  nfile: 41,
  noent: 44,
  nosys: 52,
  notdir: 54,
  notsup: 58,
  perm: 63,
  rofs: 69,
  spipe: 70,
  notcapable: 76,
} as const;

/** The numbers of what Linux says, by Node's name. What is not here is an error of input and output. */
const byCode: Readonly<Record<string, number>> = {
  E2BIG: 1,
  EACCES: 2,
  EAGAIN: 6,
  EBADF: ERRNO.badf,
  EBUSY: 10,
  EDEADLK: 16,
  EDQUOT: 19,
  EEXIST: ERRNO.exist,
  EFAULT: 21,
  EFBIG: ERRNO.fbig,
  EILSEQ: ERRNO.ilseq,
  EINTR: 27,
  EINVAL: ERRNO.inval,
  EIO: ERRNO.io,
  EISDIR: ERRNO.isdir,
  ELOOP: ERRNO.loop,
  EMFILE: ERRNO.mfile,
  EMLINK: 34,
  ENAMETOOLONG: ERRNO.nametoolong,
  ENFILE: ERRNO.nfile,
  ENODEV: 43,
  ENOENT: ERRNO.noent,
  ENOLCK: 46,
  ENOMEM: 48,
  ENOSPC: 51,
  ENOSYS: ERRNO.nosys,
  ENOTDIR: ERRNO.notdir,
  ENOTEMPTY: 55,
  ENOTSUP: ERRNO.notsup,
  EOPNOTSUPP: ERRNO.notsup,
  ENXIO: 60,
  EOVERFLOW: 61,
  EPERM: ERRNO.perm,
  EPIPE: 64,
  ERANGE: 68,
  EROFS: ERRNO.rofs,
  ESPIPE: ERRNO.spipe,
  ESTALE: 72,
  ETIMEDOUT: 73,
  ETXTBSY: 74,
  EXDEV: 75,
};

/** Thrown inside a WASI function; the guest gets the number. */
export class WasiFailure extends Error {
  readonly errno: number;

  constructor(errno: number) {
    super(`WASI error ${errno}`);
    this.errno = errno;
  }
}

/** Ends a WASI function with an error number. */
export function fail(errno: number): never {
  throw new WasiFailure(errno);
}

/** True for what a system call of Node's fs threw. */
function isSystemError(thrown: unknown): thrown is Error & { readonly code: string } {
  return thrown instanceof Error && "syscall" in thrown && "code" in thrown && typeof thrown.code === "string";
}

/** The code of a system call's error ("ENOENT"), or undefined for anything else. */
export function systemCode(thrown: unknown): string | undefined {
  return isSystemError(thrown) ? thrown.code : undefined;
}

/**
 * A WASI function from one that returns nothing and throws: what a file function threw becomes its number, all else, a
 * trap above all, goes on.
 */
export function answering<Args extends unknown[]>(run: (...args: Args) => void): (...args: Args) => number {
  return (...args) => {
    try {
      run(...args);
      return ERRNO.success;
    } catch (thrown) {
      if (thrown instanceof WasiFailure) return thrown.errno;
      if (isSystemError(thrown)) return byCode[thrown.code] ?? ERRNO.io;
      throw thrown;
    }
  };
}
