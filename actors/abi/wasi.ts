// WASI preview 1 as far as guests need it without files: args, environ, clocks, random, output, sleeping, proc_exit.
//
// Numbers and layouts: WebAssembly/WASI, legacy/preview1 (witx). Descriptors 0 to 2 exist, no directory is preopened.
import { randomFillSync } from "node:crypto";
import { type Host, type HostFunctions, u64 } from "./host.ts";

const SUCCESS = 0;
const BADF = 8;
const INVAL = 28;
const NOSYS = 52;
const SPIPE = 70;
const NOTCAPABLE = 76;

const CLOCK_REALTIME = 0;
const CLOCKS = 4;
const NANOS_PER_MS = 1_000_000n;
/** Clocks are rounded: a guest gets no high-resolution timer (reliability.md §3.12). */
const RESOLUTION_NANOS = NANOS_PER_MS;
const CHARACTER_DEVICE = 2;
const RIGHT_FD_WRITE = 1n << 6n;
const RIGHT_FD_READ = 1n << 1n;
const IOVECS_MAX = 1024;

const SUBSCRIPTION_BYTES = 48;
const EVENT_BYTES = 32;
const EVENT_CLOCK = 0;
const EVENT_READ = 1;
const ABSTIME = 1;

export function wasiFunctions(host: Host): HostFunctions {
  return {
    ...startFunctions(host),
    ...clockFunctions(host),
    ...descriptorFunctions(host),
    random_get: (pointer: number, length: number) => {
      host.enter();
      host.entropyAsked = true;
      randomFillSync(host.slice(pointer, length));
      return SUCCESS;
    },
    proc_exit: (code: number) => {
      host.enter();
      return host.die(code === 0 ? { reason: "normal", text: "" } : { reason: "exit", text: String(code >>> 0) });
    },
    proc_raise: () => NOSYS,
    sched_yield: () => SUCCESS,
    poll_oneoff: (subscriptions: number, events: number, count: number, written: number) =>
      poll(host, subscriptions, events, count >>> 0, written),
    sock_accept: () => NOSYS,
    sock_recv: () => NOSYS,
    sock_send: () => NOSYS,
    sock_shutdown: () => NOSYS,
  };
}

function startFunctions(host: Host): HostFunctions {
  /** Both lists have one form: an array of pointers, and the strings with a NUL after each. */
  const sizes = (texts: readonly string[], countOut: number, bytesOut: number): number => {
    host.writeU32(countOut, texts.length);
    host.writeU32(
      bytesOut,
      texts.reduce((sum, text) => sum + Buffer.byteLength(text) + 1, 0),
    );
    return SUCCESS;
  };
  const list = (texts: readonly string[], pointers: number, bytes: number): number => {
    let at = bytes >>> 0;
    for (const [i, text] of texts.entries()) {
      const encoded = Buffer.from(`${text}\0`);
      host.writeU32((pointers >>> 0) + i * 4, at);
      host.slice(at, encoded.length).set(encoded);
      at += encoded.length;
    }
    return SUCCESS;
  };
  const environ = (): string[] => Object.entries(host.guest.env).map(([name, value]) => `${name}=${value}`);
  return {
    args_sizes_get: (count: number, bytes: number) => {
      host.enter();
      return sizes(host.guest.args, count, bytes);
    },
    args_get: (pointers: number, bytes: number) => {
      host.enter();
      return list(host.guest.args, pointers, bytes);
    },
    environ_sizes_get: (count: number, bytes: number) => {
      host.enter();
      return sizes(environ(), count, bytes);
    },
    environ_get: (pointers: number, bytes: number) => {
      host.enter();
      return list(environ(), pointers, bytes);
    },
  };
}

/** Nanoseconds of a clock, rounded down to the resolution. */
function now(clock: number): bigint {
  const nanos = clock === CLOCK_REALTIME ? BigInt(Date.now()) * NANOS_PER_MS : process.hrtime.bigint();
  return nanos - (nanos % RESOLUTION_NANOS);
}

function clockFunctions(host: Host): HostFunctions {
  return {
    clock_res_get: (clock: number, out: number) => {
      host.enter();
      if (clock >>> 0 >= CLOCKS) return INVAL;
      host.writeU64(out, RESOLUTION_NANOS);
      return SUCCESS;
    },
    clock_time_get: (clock: number, _precision: bigint, out: number) => {
      host.enter();
      if (clock >>> 0 >= CLOCKS) return INVAL;
      host.entropyAsked = true;
      host.writeU64(out, now(clock >>> 0));
      return SUCCESS;
    },
  };
}

function descriptorFunctions(host: Host): HostFunctions {
  const isStdio = (fd: number): boolean => fd >>> 0 <= 2;
  /** For functions that make no sense on a stream and have nothing else to work on. */
  const onlyFiles = (fd: number): number => {
    host.enter();
    return isStdio(fd) ? SPIPE : BADF;
  };
  const noDirectory = (fd: number): number => {
    host.enter();
    return isStdio(fd) ? NOTCAPABLE : BADF;
  };
  return {
    fd_write: (fd: number, iovs: number, count: number, written: number) => {
      host.enter();
      if (fd !== 1 && fd !== 2) return BADF;
      if (count >>> 0 > IOVECS_MAX) return INVAL;
      const parts: Buffer[] = [];
      let total = 0;
      const start = host.range(iovs, (count >>> 0) * 8);
      const view = host.view();
      for (let i = 0; i < count >>> 0; i++) {
        const part = host.slice(view.getUint32(start + i * 8, true), view.getUint32(start + i * 8 + 4, true));
        parts.push(part);
        total += part.length;
      }
      // One call's text is one piece of output, cut where the limit will cut it anyway, so that no copy is guest-sized.
      const first = parts[0] ?? Buffer.alloc(0);
      host.services.output(host.process, fd, parts.length === 1 ? first : Buffer.concat(cut(parts, OUTPUT_PIECE_MAX)));
      host.writeU32(written, total);
      return SUCCESS;
    },
    fd_read: (fd: number, _iovs: number, _count: number, read: number) => {
      host.enter();
      if (fd !== 0) return BADF;
      host.writeU32(read, 0);
      return SUCCESS;
    },
    fd_fdstat_get: (fd: number, out: number) => {
      host.enter();
      if (!isStdio(fd)) return BADF;
      const stat = host.slice(out, 24).fill(0);
      stat[0] = CHARACTER_DEVICE;
      stat.writeBigUInt64LE(fd === 0 ? RIGHT_FD_READ : RIGHT_FD_WRITE, 8);
      return SUCCESS;
    },
    fd_filestat_get: (fd: number, out: number) => {
      host.enter();
      if (!isStdio(fd)) return BADF;
      host.slice(out, 64).fill(0)[16] = CHARACTER_DEVICE;
      return SUCCESS;
    },
    fd_close: (fd: number) => {
      host.enter();
      return isStdio(fd) ? SUCCESS : BADF;
    },
    fd_renumber: noDirectory,
    fd_fdstat_set_flags: (fd: number) => {
      host.enter();
      return isStdio(fd) ? SUCCESS : BADF;
    },
    fd_fdstat_set_rights: noDirectory,
    fd_filestat_set_size: onlyFiles,
    fd_filestat_set_times: onlyFiles,
    fd_advise: onlyFiles,
    fd_allocate: onlyFiles,
    fd_datasync: onlyFiles,
    fd_sync: onlyFiles,
    fd_pread: onlyFiles,
    fd_pwrite: onlyFiles,
    fd_readdir: noDirectory,
    fd_seek: onlyFiles,
    fd_tell: onlyFiles,
    fd_prestat_get: () => {
      host.enter();
      return BADF; // there is none: this ends a guest's search for preopened directories
    },
    fd_prestat_dir_name: () => {
      host.enter();
      return BADF;
    },
    path_create_directory: noDirectory,
    path_filestat_get: noDirectory,
    path_filestat_set_times: noDirectory,
    path_link: noDirectory,
    path_open: noDirectory,
    path_readlink: noDirectory,
    path_remove_directory: noDirectory,
    path_rename: noDirectory,
    path_symlink: (_path: number, _length: number, fd: number) => noDirectory(fd),
    path_unlink_file: noDirectory,
  };
}

/** Above every limit of output a request may have. */
const OUTPUT_PIECE_MAX = 1 << 20;

function cut(parts: readonly Buffer[], bytesMax: number): Buffer[] {
  const kept: Buffer[] = [];
  let room = bytesMax;
  for (const part of parts) {
    if (room <= 0) break;
    kept.push(part.subarray(0, room));
    room -= part.length;
  }
  return kept;
}

/** Sleeps until the first clock is due; reads and writes on the standard streams are ready at once. */
function poll(host: Host, subscriptions: number, events: number, count: number, written: number): number {
  host.enter();
  host.entropyAsked = true; // which of its clocks is due tells the time
  if (count === 0 || count > IOVECS_MAX) return INVAL;
  const start = host.range(subscriptions, count * SUBSCRIPTION_BYTES);
  host.range(events, count * EVENT_BYTES);
  const wanted = Array.from({ length: count }, (_, i) => readSubscription(host.view(), start + i * SUBSCRIPTION_BYTES));
  const soonest = Math.min(...wanted.map((each) => each.waitMs));
  return host.wait(
    () => undefined,
    soonest,
    () => {
      const due = wanted.filter(({ waitMs }) => waitMs <= soonest);
      for (const [i, each] of due.entries()) {
        const at = (events >>> 0) + i * EVENT_BYTES;
        host.slice(at, EVENT_BYTES).fill(0);
        const view = host.view();
        view.setBigUint64(at, each.userdata, true);
        view.setUint16(at + 8, each.errno, true);
        view.setUint8(at + 10, each.type);
      }
      host.writeU32(written, due.length);
      return SUCCESS;
    },
  );
}

interface Subscription {
  readonly userdata: bigint;
  readonly type: number;
  readonly errno: number;
  readonly waitMs: number;
}

function readSubscription(view: DataView, at: number): Subscription {
  const userdata = view.getBigUint64(at, true);
  const type = view.getUint8(at + 8);
  if (type !== EVENT_CLOCK) {
    const fd = view.getUint32(at + 16, true);
    const isOpen = type === EVENT_READ ? fd === 0 : fd === 1 || fd === 2;
    return { userdata, type, errno: isOpen ? SUCCESS : BADF, waitMs: 0 };
  }
  const clock = view.getUint32(at + 16, true);
  if (clock >= CLOCKS) return { userdata, type, errno: INVAL, waitMs: 0 };
  const timeout = u64(view.getBigUint64(at + 24, true));
  const isAbsolute = (view.getUint16(at + 40, true) & ABSTIME) !== 0;
  const nanos = isAbsolute ? timeout - now(clock) : timeout;
  return { userdata, type, errno: SUCCESS, waitMs: nanos <= 0n ? 0 : Math.ceil(Number(nanos) / 1e6) };
}
