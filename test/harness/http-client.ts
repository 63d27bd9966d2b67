// A strict client for tests: one request at a time on a kept connection, each with an id of its own that the answer
// must bear, and not a byte beyond the answer. Lanes and bystanders are many of them.
import { RawClient, sleep } from "./raw-http.ts";

/** A connection that has been idle for so long is not used again: the server may be closing it. ms */
const IDLE_MS = 3_000;
let clients = 0;

const bytesOf = (body: string | Uint8Array): Uint8Array => (typeof body === "string" ? Buffer.from(body) : body);

export interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

export interface Reply {
  readonly status: number;
  readonly body: Buffer;
  readonly headers: ReadonlyMap<string, string>;
  /** From the first byte sent to the last one received. */
  readonly ms: number;
}

export class HttpClient {
  readonly #address: string;
  readonly #name = `c${++clients}-${process.pid}`;
  #raw: RawClient | null = null;
  #usedMs = 0;
  #requests = 0;

  constructor(address: string) {
    this.#address = address;
  }

  /** @throws if there is no answer, one to another request, or more than one */
  async request(path: string, { method = "GET", headers = {}, body = "" }: Asked = {}): Promise<Reply> {
    const raw = await this.#connection();
    const id = `${this.#name}-${++this.#requests}`;
    const bytes = bytesOf(body);
    const began = performance.now();
    raw.send(this.#head(path, method, id, headers, bytes.length));
    if (bytes.length > 0) raw.send(bytes);
    const answer = await raw.answer(method);
    this.#usedMs = performance.now();
    const ms = this.#usedMs - began;
    if (answer === null) throw new Error(`${method} ${path} (${id}) has no answer; the connection closed`);
    const answerHeaders = new Map(answer.headers);
    if (answerHeaders.get("x-request-id") !== id) {
      throw new Error(`${method} ${path} (${id}) got the answer of ${answerHeaders.get("x-request-id")}`);
    }
    if (raw.pending !== "") throw new Error(`${method} ${path} (${id}) got more than its answer: ${raw.pending}`);
    return { status: answer.status, body: answer.body, headers: answerHeaders, ms };
  }

  /** Sends a request and leaves: at once, or when `when` is over. */
  async abort(path: string, asked: Asked & { readonly when?: (raw: RawClient) => Promise<void> } = {}): Promise<void> {
    const { method = "GET", headers = {}, body = "", when } = asked;
    const raw = await RawClient.open(this.#address);
    const bytes = bytesOf(body);
    raw.send(this.#head(path, method, `${this.#name}-abort-${++this.#requests}`, headers, bytes.length));
    if (bytes.length > 0) raw.send(bytes);
    if (when === undefined) await new Promise<void>((resolve) => raw.socket.write("", () => resolve()));
    else await when(raw);
    raw.destroy();
    await raw.closed();
  }

  close(): void {
    this.#raw?.destroy();
    this.#raw = null;
  }

  async #connection(): Promise<RawClient> {
    if (this.#raw !== null && (this.#raw.isClosed || performance.now() - this.#usedMs > IDLE_MS)) this.close();
    this.#raw ??= await RawClient.open(this.#address);
    return this.#raw;
  }

  #head(path: string, method: string, id: string, headers: Asked["headers"], length: number): string {
    const lines = Object.entries({ "x-request-id": id, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
    const framing = length > 0 ? `content-length: ${length}\r\n` : "";
    return `${method} ${path} HTTP/1.1\r\nhost: ${this.#address}\r\n${framing}${lines.join("")}\r\n`;
  }
}

/** Runs `each` for 0 … count − 1 on so many connections at once. */
export async function runLanes(
  address: string,
  lanes: number,
  count: number,
  each: (client: HttpClient, index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    const client = new HttpClient(address);
    try {
      while (next < count) await each(client, next++);
    } finally {
      client.close();
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

/** Asks one path again and again, beside whatever a test does, and remembers what went wrong. */
export class Bystander {
  requests = 0;
  worstMs = 0;
  readonly failures: string[] = [];
  #isStopped = false;
  readonly #ended: Promise<unknown>;

  constructor(address: string, path: string, wanted: string, lanes = 2) {
    this.#ended = Promise.all(Array.from({ length: lanes }, () => this.#run(address, path, wanted)));
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#ended;
  }

  async #run(address: string, path: string, wanted: string): Promise<void> {
    const client = new HttpClient(address);
    while (!this.#isStopped) {
      try {
        const { status, body, ms } = await client.request(path);
        this.worstMs = Math.max(this.worstMs, ms);
        if (status !== 200 || body.toString() !== wanted) this.failures.push(`${status} ${body}`);
      } catch (error) {
        this.failures.push(String(error));
        client.close();
      }
      this.requests++;
      await sleep(1);
    }
    client.close();
  }
}
