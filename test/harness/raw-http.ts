// A raw socket client for tests: sends any bytes, in any pieces, and reads answers by their Content-Length.
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

export interface RawAnswer {
  readonly status: number;
  readonly reason: string;
  /** Names in lower case, values as latin1, in order. */
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Buffer;
}

/** All values of one header of an answer. */
export const valuesOf = (answer: RawAnswer, name: string): string[] =>
  answer.headers.filter(([each]) => each === name).map(([, value]) => value);

export class RawClient {
  readonly socket: Socket;
  isClosed = false;
  #bytes: Buffer = Buffer.alloc(0);
  #total = 0;
  readonly #watchers = new Set<() => void>();

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (bytes: Buffer) => {
      this.#bytes = this.#bytes.length === 0 ? bytes : Buffer.concat([this.#bytes, bytes]);
      this.#total += bytes.length;
      this.#wake();
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      this.isClosed = true;
      this.#wake();
    });
  }

  /** `address` as an acceptor's listen gives it. With `tls` any certificate will do. `from`: its own address. */
  static open(address: string, options: { readonly tls?: boolean; readonly from?: string } = {}): Promise<RawClient> {
    const target = address.startsWith("unix:")
      ? { path: address.slice(5) }
      : {
          host: address.slice(0, address.lastIndexOf(":")).replace(/[[\]]/g, ""),
          port: Number(/\d+$/.exec(address)![0]),
          ...(options.from === undefined ? {} : { localAddress: options.from }),
        };
    return new Promise((resolve, reject) => {
      const socket = options.tls ? connectTls({ ...target, rejectUnauthorized: false }) : connect(target);
      socket.once("error", reject);
      socket.once(options.tls ? "secureConnect" : "connect", () => {
        socket.off("error", reject);
        resolve(new RawClient(socket));
      });
    });
  }

  /** Bytes that were received in all. */
  get total(): number {
    return this.#total;
  }

  /** What was received and not yet taken as an answer, as latin1. */
  get pending(): string {
    return this.#bytes.toString("latin1");
  }

  /** A string is sent as latin1: one character, one byte. */
  send(bytes: string | Uint8Array): this {
    if (!this.isClosed) this.socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
    return this;
  }

  /** Resolves once `holds` is true of this client; it is asked at every event of the socket. */
  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (!holds()) return;
        this.#watchers.delete(check);
        resolve();
      };
      this.#watchers.add(check);
      check();
    });
  }

  closed(): Promise<void> {
    return this.until(() => this.isClosed);
  }

  /** The next answer; null if the connection closed before it was whole. 1xx answers come like any other. */
  async answer(method = "GET"): Promise<RawAnswer | null> {
    let found: RawAnswer | null = null;
    await this.until(() => {
      found ??= this.#take(method);
      return found !== null || this.isClosed;
    });
    return found;
  }

  /** Sends a request and reads its answer. */
  request(text: string, method = text.slice(0, text.indexOf(" "))): Promise<RawAnswer | null> {
    return this.send(text).answer(method);
  }

  destroy(): void {
    this.socket.destroy();
  }

  #wake(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }

  #take(method: string): RawAnswer | null {
    const end = this.#bytes.indexOf("\r\n\r\n");
    if (end < 0) return null;
    const [first, ...lines] = this.#bytes.subarray(0, end).toString("latin1").split("\r\n");
    const [, status, reason] = /^HTTP\/1\.1 (\d{3}) ?(.*)$/.exec(first!) ?? [];
    if (status === undefined) throw new Error(`no status line: ${JSON.stringify(first)}`);
    const headers = lines.map((line): [string, string] => {
      const colon = line.indexOf(":");
      if (colon < 1) throw new Error(`no header: ${JSON.stringify(line)}`);
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    });
    const lengths = headers.filter(([name]) => name === "content-length");
    if (lengths.length > 1) throw new Error("two Content-Length headers in an answer");
    const isBodiless = method === "HEAD" || /^(1..|204|304)$/.test(status);
    // uWS's own pages of HTML have no length and end with the connection.
    const rest = this.#bytes.length - (end + 4);
    const length = isBodiless
      ? 0
      : lengths[0]
        ? Number(lengths[0][1])
        : this.isClosed
          ? rest
          : Number.POSITIVE_INFINITY;
    if (rest < length) return null;
    const body = this.#bytes.subarray(end + 4, end + 4 + length);
    this.#bytes = this.#bytes.subarray(end + 4 + length);
    return { status: Number(status), reason: reason!, headers, body };
  }
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
