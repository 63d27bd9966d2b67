// The smallest host that runs a service (lunatic-abi.md, section 8): one instance, canned messages, no threads.
// For tests of guests.
import { randomFillSync } from "node:crypto";
import { Packr, Unpackr } from "msgpackr";
import { LIGHT_EXPORTS } from "../../wire/abi/light.ts";

const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: false });

export interface RequestParts {
  readonly method?: string;
  readonly uri?: string;
  readonly headers?: ReadonlyMap<string, readonly string[]>;
  readonly body?: Uint8Array;
  readonly tag?: number | bigint;
  readonly node?: number;
  readonly pid?: number | bigint;
}

/** The bytes of one request as a guest reads them (lunatic-abi.md, section 3.5). */
export function requestMessage(parts: RequestParts = {}): Buffer {
  const { method = "Get", uri = "/test1/", headers = new Map(), body = new Uint8Array(), tag = 130 } = parts;
  const { node = 0, pid = 7 } = parts;
  const values = new Map([...headers].map(([name, list]) => [name, list.map((value: string) => Buffer.from(value))]));
  return packr.pack({ Request: [[tag], [[method, uri, "Http11", values], Buffer.from(body)], [node, pid]] });
}

export interface Reply {
  readonly tag: number | bigint;
  readonly status: number;
  readonly version: string;
  readonly headers: ReadonlyMap<string, readonly string[]>;
  readonly body: Buffer;
}

/** Reads a reply that has the right form; throws on any other. */
export function readReply(bytes: Uint8Array): Reply {
  const message: unknown = unpackr.unpack(bytes);
  const fields = message instanceof Map && message.size === 1 ? message.get("CompleteRequest") : undefined;
  if (!Array.isArray(fields)) throw new Error("the reply is not a CompleteRequest");
  const [[tag], [[status, version, headers], body]] = fields;
  const texts = [...(headers as Map<string, Buffer[]>)].map(
    ([name, values]) => [name, values.map((value) => value.toString())] as const,
  );
  if (!Buffer.isBuffer(body)) throw new Error("the reply's body is not a binary");
  return { tag, status, version, headers: new Map(texts), body };
}

export interface Sent {
  readonly node: bigint;
  readonly pid: bigint;
  readonly tag: bigint;
  readonly bytes: Buffer;
}

/** Thrown by proc_exit. */
export class Exited extends Error {
  readonly code: number;
  constructor(code: number) {
    super(`proc_exit(${code})`);
    this.code = code;
  }
}

const ESUCCESS = 0;
const EBADF = 8;
const RECEIVE_TIMEOUT = 9027;

type HostFunction = (...args: never[]) => unknown;

/** One instance of a guest and what it did. A `receive` with nothing queued returns 9027 at once. */
export class MinimalHost {
  readonly sent: Sent[] = [];
  /** Text written to descriptors 1 and 2. */
  output = "";
  /** Names of the host functions called since `calls` was last emptied. */
  calls: string[] = [];
  readonly instance: WebAssembly.Instance;
  readonly #queue: { tag: bigint; bytes: Buffer }[] = [];
  #scratch: { tag: bigint; bytes: Buffer; cursor: number } | null = null;

  /** @param more host functions beside those here, by module and name */
  constructor(module: Uint8Array, more: Record<string, Record<string, HostFunction>> = {}) {
    const compiled = new WebAssembly.Module(module as Uint8Array<ArrayBuffer>);
    const known: Record<string, Record<string, HostFunction>> = {
      ...more,
      "lunatic::message": this.#message(),
      "lunatic::distributed": this.#distributed(),
      "lunatic::process": { process_id: () => 1n, environment_id: () => 1n, sleep_ms: () => undefined },
      wasi_snapshot_preview1: this.#wasi(),
    };
    const imports: Record<string, Record<string, HostFunction>> = {};
    for (const { module: space, name } of WebAssembly.Module.imports(compiled)) {
      const found = known[space]?.[name];
      if (found === undefined) throw new Error(`the minimal host has no ${space}.${name}`);
      imports[space] ??= {};
      imports[space][name] = (...args: never[]) => {
        this.calls.push(name);
        return found(...args);
      };
    }
    this.instance = new WebAssembly.Instance(compiled, imports);
    // A light module's start section is an export, to be called first.
    for (const name of [LIGHT_EXPORTS.start, "_initialize"]) {
      const start = this.instance.exports[name];
      if (typeof start === "function") start();
    }
  }

  get memory(): WebAssembly.Memory {
    return this.instance.exports.memory as WebAssembly.Memory;
  }

  deliver(bytes: Buffer, tag = 0n): void {
    this.#queue.push({ tag, bytes });
  }

  /**
   * Delivers a request, runs the entry, and returns what was sent meanwhile. Whatever the guest throws comes through.
   */
  run(request: Buffer, entry = "frenezulo_main"): Sent[] {
    this.deliver(request);
    const before = this.sent.length;
    (this.instance.exports[entry] as () => void)();
    return this.sent.slice(before);
  }

  /** As `run`, for a guest that answers as it should. */
  ask(parts: RequestParts = {}): Reply {
    const [sent, ...more] = this.run(requestMessage(parts));
    if (sent === undefined || more.length > 0) throw new Error(`the guest sent ${more.length} messages too many`);
    return readReply(sent.bytes);
  }

  #bytes(pointer: number, length: number): Buffer {
    const start = pointer >>> 0;
    if (start + (length >>> 0) > this.memory.buffer.byteLength) throw new Error("out of the guest's memory");
    return Buffer.from(this.memory.buffer, start, length >>> 0);
  }

  #word(pointer: number, value: number): void {
    this.#bytes(pointer, 4).writeUInt32LE(value);
  }

  #current(): { tag: bigint; bytes: Buffer; cursor: number } {
    if (this.#scratch === null) throw new Error("there is no message");
    return this.#scratch;
  }

  #send(node: bigint, pid: bigint): number {
    const { tag, bytes } = this.#current();
    this.#scratch = null;
    const own = node === 0n && pid === 1n;
    if (own) this.#queue.push({ tag, bytes });
    else this.sent.push({ node, pid, tag, bytes });
    return 0;
  }

  #message(): Record<string, HostFunction> {
    return {
      receive: (tags: number, count: number) => {
        const wanted = Array.from({ length: count }, (_, i) => this.#bytes(tags + 8 * i, 8).readBigInt64LE());
        const at = this.#queue.findIndex(({ tag }) => count === 0 || wanted.includes(tag));
        const [found] = at < 0 ? [] : this.#queue.splice(at, 1);
        if (found === undefined) return RECEIVE_TIMEOUT;
        this.#scratch = { ...found, cursor: 0 };
        return 0;
      },
      data_size: () => BigInt(this.#current().bytes.length),
      get_tag: () => this.#current().tag,
      get_process_id: () => 0n,
      seek_data: (position: bigint) => {
        this.#current().cursor = Number(position);
      },
      read_data: (pointer: number, length: number) => {
        const { bytes, cursor } = this.#current();
        const part = bytes.subarray(cursor, cursor + (length >>> 0));
        this.#bytes(pointer, part.length).set(part);
        this.#current().cursor += part.length;
        return part.length;
      },
      create_data: (tag: bigint) => {
        this.#scratch = { tag, bytes: Buffer.alloc(0), cursor: 0 };
      },
      write_data: (pointer: number, length: number) => {
        const current = this.#current();
        current.bytes = Buffer.concat([current.bytes, this.#bytes(pointer, length)]);
        return length;
      },
      send: (pid: bigint) => this.#send(0n, pid),
    };
  }

  #distributed(): Record<string, HostFunction> {
    return { node_id: () => 0n, send: (node: bigint, pid: bigint) => this.#send(node, pid) };
  }

  /** No arguments, no environment, no files; clocks and randomness are real. */
  #wasi(): Record<string, HostFunction> {
    const empty = (count: number, size: number) => {
      this.#word(count, 0);
      this.#word(size, 0);
      return ESUCCESS;
    };
    return {
      args_sizes_get: empty,
      args_get: () => ESUCCESS,
      environ_sizes_get: empty,
      environ_get: () => ESUCCESS,
      clock_time_get: (_id: number, _precision: bigint, out: number) => {
        this.#bytes(out, 8).writeBigUInt64LE(process.hrtime.bigint());
        return ESUCCESS;
      },
      random_get: (pointer: number, length: number) => {
        randomFillSync(this.#bytes(pointer, length));
        return ESUCCESS;
      },
      fd_write: (fd: number, vectors: number, count: number, written: number) => {
        if (fd !== 1 && fd !== 2) return EBADF;
        let total = 0;
        for (let i = 0; i < count; i++) {
          const vector = this.#bytes(vectors + 8 * i, 8);
          const bytes = this.#bytes(vector.readUInt32LE(0), vector.readUInt32LE(4));
          this.output += bytes.toString();
          total += bytes.length;
        }
        this.#word(written, total);
        return ESUCCESS;
      },
      fd_read: () => EBADF,
      fd_close: () => EBADF,
      fd_seek: () => EBADF,
      fd_fdstat_get: () => EBADF,
      fd_fdstat_set_flags: () => EBADF,
      fd_prestat_get: () => EBADF,
      fd_prestat_dir_name: () => EBADF,
      sched_yield: () => ESUCCESS,
      poll_oneoff: () => ESUCCESS,
      proc_exit: (code: number) => {
        throw new Exited(code);
      },
    };
  }
}
