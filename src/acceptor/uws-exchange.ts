// One request of the uWebSockets.js acceptor: its body in, its answer out.
import type { ErrorCode } from "../errors.ts";
import { after, type Timer } from "../timer.ts";
import { mayAnswer } from "./answer-later.ts";
import type { Share } from "./arrivals.ts";
import { BodyReader } from "./body.ts";
import { type AcceptorOptions, type Answer, type Exchange, type Front, ownBytes } from "./contract.ts";
import { headerBlock } from "./header-block.ts";
import { Sending } from "./sending.ts";
import { isBodiless, isDate, statusLine } from "./status.ts";
import type { UnsentAnswers } from "./unsent.ts";
import type { Transfers } from "./uws-transfers.ts";

/** What is used of a response of uWebSockets.js. After it was answered or aborted every call on it throws. */
export interface UwsResponse {
  pause(): unknown;
  resume(): unknown;
  close(): unknown;
  cork(write: () => void): unknown;
  writeStatus(line: string): unknown;
  writeHeader(name: string | Uint8Array, value: string | Uint8Array): unknown;
  end(body: string | Uint8Array, close?: boolean): unknown;
  endWithoutBody(): unknown;
  tryEnd(body: string | Uint8Array, totalBytes: number): [boolean, boolean];
  getWriteOffset(): number;
  onWritable(write: (offset: number) => boolean): unknown;
  onData(take: (chunk: ArrayBuffer, isLast: boolean) => void): unknown;
  getRemoteAddressAsText(): ArrayBuffer;
}

/** A body up to this goes into uWS's cork buffer whole, so that one system call writes the answer. */
const SMALL_BYTES_MAX = 16 * 1024;
/** Over TLS uWS takes a write wholly or not at all, so what a client has taken shows by pieces only (M). */
const TLS_PIECE_BYTES = 64 * 1024;
/** The rest of a body is read and thrown away this long after an answer that closes: a reset would destroy it. */
const LINGER_MS = 1000;

/** Callbacks of uWS that run now, of all acceptors: its one cork buffer is taken meanwhile (DESIGN fact 7). */
let callbacksRunning = 0;

/**
 * Runs a callback of uWS: an exception out of one aborts the process (DESIGN fact 6). A bug of ours cuts the connection
 * and is thrown where the process can deal with it.
 */
export function guarded(exchange: UwsExchange, callback: () => void): void {
  callbacksRunning++;
  try {
    callback();
  } catch (thrown) {
    exchange.cut();
    setImmediate(() => {
      throw thrown;
    });
  } finally {
    callbacksRunning--;
  }
}

export class UwsExchange implements Exchange {
  open = true;
  owner: unknown = undefined;
  isHead = false;
  /** Close after the answer: the client asked for it, the body is chunked, or the gate refused the head. */
  closes = false;
  /** uWS saw `Connection: close` itself; then it closes and leaves the header out. */
  uwsCloses = false;

  readonly #options: AcceptorOptions;
  readonly #front: Front;
  readonly #transfers: Transfers;
  /** Null once uWS has taken it back: aborted, or answered without a close of ours to come. */
  #res: UwsResponse | null;
  #announced = 0;
  /** A body was announced and its last byte has not arrived. */
  #isBodyPending = false;
  #reader: BodyReader | null = null;
  #isReading = false;
  /** The answer is out; what is left of the body is thrown away. */
  #isLingering = false;
  #lingering: Timer | null = null;
  /** What its client has not taken of the answer. */
  #sending: Sending | null = null;

  constructor(res: UwsResponse, options: AcceptorOptions, front: Front, transfers: Transfers) {
    this.#res = res;
    this.#options = options;
    this.#front = front;
    this.#transfers = transfers;
  }

  get remoteAddress(): string {
    return this.#res ? Buffer.from(this.#res.getRemoteAddressAsText()).toString("latin1") : "";
  }

  /** The head announces a body: `announced` bytes, or -1 if chunked. Until `readBody` it is thrown away. */
  expectBody(announced: number): void {
    this.#announced = announced;
    this.#isBodyPending = true;
    this.#res!.onData((chunk, isLast) => guarded(this, () => this.#take(chunk, isLast)));
  }

  readBody(bytesMax: number, service: Share | null): void {
    if (!this.#res) return;
    if (this.#announced > bytesMax) {
      setImmediate(() => this.#fail("body_too_large"));
      return;
    }
    const { arrivals, bodyPace } = this.#options;
    const arrival = arrivals.enter(this.remoteAddress, service);
    if (typeof arrival === "string") {
      setImmediate(() => this.#fail("node_busy", arrival));
      return;
    }
    this.#isReading = true;
    this.#transfers.add(this);
    this.#reader = new BodyReader(this.#announced, bytesMax, arrival, bodyPace, {
      pause: () => this.#res?.pause(),
      resume: () => this.#res?.resume(),
      late: () => this.#fail("request_timeout"),
    });
  }

  /** uWS sets no time-out while it is paused. */
  rearm(): void {
    if (this.#res === null || this.#reader?.isPaused) return;
    this.#res.pause();
    this.#res.resume();
  }

  answer(answer: Answer): void {
    if (!mayAnswer(this, answer, callbacksRunning > 0)) return;
    this.open = false;
    this.#endReading();
    const res = this.#res!;
    const closes = answer.close || this.closes || this.#isBodyPending;
    res.cork(() => (closes ? this.#writeAndClose(res, answer) : this.#write(res, answer)));
  }

  cut(): void {
    this.open = false;
    this.#endReading();
    if (callbacksRunning > 0) setImmediate(() => this.#close());
    else this.#close();
  }

  /** uWS's onAborted: the connection is gone, by the client, by uWS's own refusal or by `#close`. */
  aborted(): void {
    this.#res = null;
    this.#lingering?.cancel();
    this.#endSending();
    this.#endReading();
    if (!this.open) return;
    this.open = false;
    guarded(this, () => this.#front.gone(this));
  }

  #close(): void {
    this.#res?.close();
  }

  #take(chunk: ArrayBuffer, isLast: boolean): void {
    if (isLast) this.#isBodyPending = false;
    if (!this.#isReading) {
      if (isLast && this.#isLingering) setImmediate(() => this.#close());
      return;
    }
    if (!this.#reader!.push(new Uint8Array(chunk))) {
      this.#fail("body_too_large");
    } else if (isLast) {
      this.#isReading = false;
      this.#transfers.delete(this);
      this.#front.body(this, this.#reader!.finish());
    }
  }

  #fail(code: ErrorCode, why = "the body broke off"): void {
    this.#endReading();
    if (this.open) this.#front.bodyFailed(this, code, why);
  }

  /** The body is not needed any more. */
  #endReading(): void {
    if (this.#reader === null) return;
    this.#isReading = false;
    this.#transfers.delete(this);
    this.#reader.release();
  }

  #endSending(): void {
    if (this.#sending === null) return;
    this.#transfers.delete(this);
    this.#sending.end();
  }

  #writeHead(res: UwsResponse, answer: Answer): void {
    // uWS begins with 200 OK by itself.
    if (answer.status !== 200) res.writeStatus(statusLine(answer.status));
    const block = headerBlock(answer);
    if (block !== null) {
      res.writeHeader(block.name, block.rest);
      return;
    }
    for (let i = 0; i < answer.count; i++) {
      const name = answer.names[i]!;
      if (!isDate(name)) res.writeHeader(name, answer.values[i]!);
    }
  }

  #write(res: UwsResponse, answer: Answer): void {
    this.#writeHead(res, answer);
    const { body, status } = answer;
    if (this.isHead || isBodiless(status)) {
      // Not endWithoutBody(length): uWS would wait for that body and close the connection at the next request.
      if (!isBodiless(status)) res.writeHeader("Content-Length", String(byteLength(body)));
      res.endWithoutBody();
      this.#res = null;
    } else if (body.length <= SMALL_BYTES_MAX) {
      res.end(body);
      this.#res = null;
    } else {
      const bytes = asBytes(body);
      const [, isDone] = this.#offer(res, bytes, 0, bytes.length);
      if (isDone) this.#res = null;
      else this.#writeRest(res, bytes, bytes.length, answer.unsent);
    }
  }

  /**
   * Writes an answer after which the connection is closed. Where uWS cannot close by itself without losing bytes, it is
   * given a total of one byte more than there is once the head is out, so that it never counts the answer as finished:
   * no further request is read, aborts are still told, and the close is ours.
   */
  #writeAndClose(res: UwsResponse, answer: Answer): void {
    this.#writeHead(res, answer);
    const { body, status } = answer;
    const length = byteLength(body);
    if (this.isHead || length === 0 || isBodiless(status)) {
      // uWS would add a Content-Length of its own, which 204 and 304 must not have and HEAD would have wrong. So the
      // head is ended here, by the empty line that writeHeader's own CR LF completes.
      res.writeHeader("Date", new Date().toUTCString());
      if (!isBodiless(status)) res.writeHeader("Content-Length", String(length));
      res.writeHeader("Connection", "close\r\n");
      setImmediate(() => this.#finish());
    } else if (length <= SMALL_BYTES_MAX && !this.#isBodyPending) {
      if (this.uwsCloses) res.writeHeader("Connection", "close");
      res.end(body, true);
      this.#res = null;
    } else {
      res.writeHeader("Connection", "close");
      const bytes = asBytes(body);
      this.#offer(res, bytes.subarray(0, length - 1), 0, length);
      this.#writeRest(res, bytes, length + 1, answer.unsent);
    }
  }

  /** Writes as much of an answer's bytes from `begin` on as uWS takes now. Whether it took all, and has ended it. */
  #offer(res: UwsResponse, bytes: Uint8Array, begin: number, total: number): [boolean, boolean] {
    const pieceBytes = this.#options.tls === undefined ? bytes.length : TLS_PIECE_BYTES;
    for (;;) {
      const at = res.getWriteOffset() - begin;
      const [isTaken, isDone] = res.tryEnd(bytes.subarray(at, at + pieceBytes), total);
      if (!isTaken || isDone || at + pieceBytes >= bytes.length) return [isTaken, isDone];
    }
  }

  /**
   * Copies what uWS has not taken and writes it as the client takes it, while that makes progress. A total of more than
   * the bytes there are: ours to close.
   */
  #writeRest(res: UwsResponse, bytes: Uint8Array, total: number, holder: UnsentAnswers | null): void {
    const begin = res.getWriteOffset();
    const rest = ownBytes(bytes.subarray(begin));
    const isOursToClose = total > bytes.length;
    const sending = new Sending(rest.length, begin, holder, this.#options, () => this.#close());
    this.#sending = sending;
    this.#transfers.add(this);
    const write = (): boolean => {
      const [isTaken] = this.#offer(res, rest, begin, total);
      if (!isTaken) {
        sending.took(res.getWriteOffset() - begin - sending.taken);
        return false;
      }
      this.#endSending();
      if (isOursToClose) setImmediate(() => this.#finish());
      else this.#res = null;
      return true;
    };
    res.onWritable(() => {
      let isTaken = true;
      guarded(this, () => {
        isTaken = write();
      });
      return isTaken;
    });
    // In a cork of its own: what this one has taken is then in the kernel's hands and not in uWS's buffer.
    if (isOursToClose) setImmediate(() => this.#res?.cork(write));
  }

  /** Closes after an answer is out: at once, or when the rest of the body has come or had its time. */
  #finish(): void {
    if (this.#isLingering) return;
    this.#isLingering = this.#isBodyPending;
    if (this.#isLingering) this.#lingering = after(LINGER_MS, () => this.#close());
    else this.#close();
  }
}

const byteLength = (body: string | Uint8Array): number =>
  typeof body === "string" ? Buffer.byteLength(body) : body.length;

const asBytes = (body: string | Uint8Array): Uint8Array => (typeof body === "string" ? Buffer.from(body) : body);
