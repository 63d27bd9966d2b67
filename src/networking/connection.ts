// A connected TCP or TLS stream of guests: reads, peeks and writes that wait, within bounded memory.
import type { Socket } from "node:net";
import { SLICE_BYTES_MAX, STATUS } from "../../wire/network.ts";
import { after } from "../timer.ts";
import { type Call, millisecondsOf, NEVER, NetworkError, ok } from "./call.ts";
import type { Held } from "./handles.ts";
import { WaitingCalls } from "./waiting-calls.ts";

/** Bytes of accepted writes that the system has not taken; above it a write waits. */
const WRITE_BYTES_MAX = 65_536;
/** How long a closed connection may take to send what was accepted. */
const LINGER_MS = 10_000;

interface Read {
  readonly bytesMax: number;
  readonly isPeek: boolean;
}

/** Time-outs as the guest set them, in ms; all ones: none. They are the connection's, shared by its clones. */
export type Timeouts = { read: bigint; write: bigint; peek: bigint };

export class Connection implements Held {
  readonly kind = "stream";
  holders = 0;
  readonly timeouts: Timeouts = { read: NEVER, write: NEVER, peek: NEVER };
  readonly #socket: Socket;
  readonly #reads: WaitingCalls<Read>;
  /** null: a flush. */
  readonly #writes: WaitingCalls<Buffer | null>;
  /** What was read of the socket and not by a guest yet. */
  #head: Buffer | null = null;
  #failure: NetworkError | null = null;

  /** @param socket connected, paused, with allowHalfOpen; with `error` unheard of so far */
  constructor(socket: Socket) {
    this.#socket = socket;
    this.#reads = new WaitingCalls((read) => this.#read(read));
    this.#writes = new WaitingCalls((bytes) => this.#write(bytes));
    // Paused by "readable": the socket reads ahead up to its high-water mark, then TCP holds the sender back.
    socket.on("readable", () => this.#reads.serve());
    socket.on("end", () => this.#reads.serve());
    socket.on("error", (error) => this.#fail(error.message));
    socket.on("close", () => this.#fail("the connection is closed"));
  }

  get localAddress(): { readonly address: string; readonly port: number } | null {
    const { localAddress, localPort } = this.#socket;
    return localAddress === undefined || localPort === undefined ? null : { address: localAddress, port: localPort };
  }

  get peerAddress(): { readonly address: string; readonly port: number } | null {
    const { remoteAddress, remotePort } = this.#socket;
    return remoteAddress === undefined || remotePort === undefined
      ? null
      : { address: remoteAddress, port: remotePort };
  }

  /** At least one byte, or none at the end of the stream. */
  read(call: Call, bytesMax: number): Buffer | Promise<Buffer> {
    return this.#reads.add(call, { bytesMax, isPeek: false }, millisecondsOf(this.timeouts.read));
  }

  /** Like read, and the bytes stay. */
  peek(call: Call, bytesMax: number): Buffer | Promise<Buffer> {
    return this.#reads.add(call, { bytesMax, isPeek: true }, millisecondsOf(this.timeouts.peek));
  }

  /**
   * Answers once the bytes are accepted, all of them: they are sent even if the process ends. After a time-out none of
   * them is.
   */
  write(call: Call, bytes: Buffer): Buffer | Promise<Buffer> {
    // A copy: the payload lies in memory that is used again.
    return this.#writes.add(call, Buffer.from(bytes), millisecondsOf(this.timeouts.write));
  }

  /** Answers once the system has taken all that was written. */
  flush(call: Call): Buffer | Promise<Buffer> {
    return this.#writes.add(call, null, millisecondsOf(this.timeouts.write));
  }

  close(): void {
    this.#fail("the connection is closed");
    if (this.#socket.destroyed) return;
    const linger = after(LINGER_MS, () => this.#socket.destroy()).unref();
    this.#socket.once("close", () => linger.cancel());
    this.#socket.destroySoon();
  }

  #read({ bytesMax, isPeek }: Read): Buffer | undefined {
    if (bytesMax === 0) return Buffer.of(STATUS.ok);
    this.#head ??= this.#socket.read() as Buffer | null;
    const head = this.#head;
    if (head !== null) {
      const length = Math.min(head.length, bytesMax, SLICE_BYTES_MAX);
      if (!isPeek) this.#head = length === head.length ? null : head.subarray(length);
      return ok(length + 1).raw(head.subarray(0, length)).bytes;
    }
    if (this.#socket.readableEnded) return Buffer.of(STATUS.ok);
    if (this.#failure !== null) throw this.#failure;
    return undefined;
  }

  #write(bytes: Buffer | null): Buffer | undefined {
    if (this.#failure !== null) throw this.#failure;
    const waiting = this.#socket.writableLength;
    if (bytes === null) return waiting === 0 ? Buffer.of(STATUS.ok) : undefined;
    if (waiting >= WRITE_BYTES_MAX) return undefined;
    // Errors come by the socket's event, too.
    this.#socket.write(bytes, () => this.#writes.serve());
    return ok().u32(bytes.length).bytes;
  }

  #fail(text: string): void {
    this.#failure ??= new NetworkError(text);
    this.#reads.serve();
    this.#writes.serve();
  }
}
