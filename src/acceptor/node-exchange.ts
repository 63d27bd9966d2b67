// One request of the node:http acceptor: its body in, its answer out.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { ErrorCode } from "../errors.ts";
import { after, type Timer } from "../timer.ts";
import { mayAnswer } from "./answer-later.ts";
import type { Share } from "./arrivals.ts";
import { BodyReader } from "./body.ts";
import { type AcceptorOptions, type Answer, type Exchange, type Front, ownBytes } from "./contract.ts";
import { Pace } from "./pace.ts";
import { Sending } from "./sending.ts";
import { asLatin1 } from "./socket-exchange.ts";
import { isBodiless, isDate, reasonPhrase } from "./status.ts";

/** The rest of a body is read and thrown away this long after an answer that closes: a reset would destroy it. */
const LINGER_MS = 1000;
/** A body larger than this is written in pieces of it: Node tells only when a write is wholly in the kernel. */
const PIECE_BYTES = 64 * 1024;

export class NodeExchange implements Exchange {
  open = true;
  owner: unknown = undefined;
  /** Close after the answer: the client asked for it, the body is chunked, or the gate refused the head. */
  closes = false;
  /** The gate refused the head; what follows it is not looked at. */
  isRefused = false;

  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;
  readonly #options: AcceptorOptions;
  readonly #front: Front;
  #announced = 0;
  #expectsContinue = false;
  #isInHandler = false;
  #isBodyPending = false;
  #reader: BodyReader | null = null;
  #isReading = false;
  #lingering: Timer | null = null;
  /** Of a small answer. */
  #pace: Pace | null = null;
  /** What its client has not taken of a large answer. */
  #sending: Sending | null = null;

  constructor(req: IncomingMessage, res: ServerResponse, options: AcceptorOptions, front: Front) {
    this.#req = req;
    this.#res = res;
    this.#options = options;
    this.#front = front;
    res.on("close", () => this.#ended());
  }

  get remoteAddress(): string {
    return this.#req.socket.remoteAddress ?? "";
  }

  /**
   * While it is, another request on the connection is a pipelined one. Not until the answer's bytes have left: over TLS
   * Node hears of that later than a quick client sends its next request (M).
   */
  get isUnfinished(): boolean {
    return !this.#res.writableEnded;
  }

  /** Answers given meanwhile are written after it, as on uWS: a smuggled request never gets its turn. */
  inHandler(run: () => void): void {
    const before = this.#isInHandler;
    this.#isInHandler = true;
    try {
      run();
    } finally {
      this.#isInHandler = before;
    }
  }

  expectBody(announced: number, expectsContinue: boolean): void {
    this.#announced = announced;
    this.#expectsContinue = expectsContinue;
    this.#isBodyPending = true;
    this.#req.on("data", (chunk: Buffer) => this.inHandler(() => this.#take(chunk)));
    this.#req.on("end", () => this.inHandler(() => this.#takeEnd()));
  }

  /** Lets a body that nobody wants flow by, so that the connection's end is seen. */
  discardUnread(): void {
    if (!this.#isReading) this.#req.resume();
  }

  readBody(bytesMax: number, service: Share | null): void {
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
    if (this.#expectsContinue) this.#res.writeContinue();
    this.#isReading = true;
    this.#reader = new BodyReader(this.#announced, bytesMax, arrival, bodyPace, {
      pause: () => this.#req.pause(),
      resume: () => this.#req.resume(),
      late: () => this.#fail("request_timeout"),
    });
  }

  /** The parser found the body's framing broken. True if an answer will say so, or says why the head was refused. */
  bodyBroken(): boolean {
    if (this.open && this.isRefused) return true;
    if (!this.open || !this.#isBodyPending) return false;
    this.inHandler(() => this.#fail("bad_framing"));
    return true;
  }

  answer(answer: Answer): void {
    if (!mayAnswer(this, answer, this.#isInHandler)) return;
    this.open = false;
    this.#isReading = false;
    this.#reader?.release();
    const closes = answer.close || this.closes || this.#isBodyPending;
    const own = ownBytes(answer.body); // the ring's bytes are reused before the kernel has them
    const body = typeof own === "string" ? Buffer.from(own) : Buffer.from(own.buffer, own.byteOffset, own.length);
    const headers: string[] = [];
    for (let i = 0; i < answer.count; i++) {
      const name = answer.names[i]!;
      if (!isDate(name)) headers.push(asLatin1(name), asLatin1(answer.values[i]!));
    }
    if (!isBodiless(answer.status)) headers.push("Content-Length", String(body.length));
    if (closes) headers.push("Connection", "close");
    const res = this.#res;
    res.writeHead(answer.status, reasonPhrase(answer.status), headers);
    const hasBody = body.length > 0 && !isBodiless(answer.status) && this.#req.method !== "HEAD";
    const cut = (): void => void this.#req.socket.destroy();
    if (hasBody && body.length > PIECE_BYTES) {
      this.#sending = new Sending(body.length, 0, answer.unsent, this.#options, cut);
      this.#writePiece(body, 0);
      return;
    }
    this.#pace = new Pace(this.#options.writePace, body.length, cut);
    this.#pace.moved(body.length); // to Node, which does not tell how much of it has moved
    if (!this.#isBodyPending) res.end(hasBody ? body : undefined);
    else if (hasBody) res.write(body, () => this.#linger());
    else {
      res.flushHeaders();
      this.#linger();
    }
  }

  #writePiece(body: Buffer, at: number): void {
    const next = at + PIECE_BYTES;
    const piece = body.subarray(at, next);
    if (next >= body.length && !this.#isBodyPending) {
      this.#res.end(piece);
      return;
    }
    this.#res.write(piece, (error) => {
      if (error) return; // the connection has gone
      this.#sending?.took(piece.length);
      if (next < body.length) this.#writePiece(body, next);
      else this.#linger();
    });
  }

  cut(): void {
    this.open = false;
    this.#reader?.release();
    this.#req.socket.destroy();
  }

  /** Cuts the connection because of what else came on it; for the front the client has gone. */
  abandon(): void {
    this.inHandler(() => this.#ended());
    this.#req.socket.destroy();
  }

  /**
   * The client has the whole answer, but Node closes at `end` only: that waits for the rest of the body, or its time.
   */
  #linger(): void {
    this.#endSending();
    if (this.#isBodyPending) this.#lingering = after(LINGER_MS, () => this.#res.end());
    else this.#res.end();
  }

  #ended(): void {
    this.#isReading = false;
    this.#lingering?.cancel();
    this.#endSending();
    this.#reader?.release();
    if (!this.open) return;
    this.open = false;
    this.#front.gone(this);
  }

  #endSending(): void {
    this.#pace?.cancel();
    this.#sending?.end();
  }

  #take(chunk: Buffer): void {
    if (!this.#isReading) return;
    if (!this.#reader!.push(chunk)) this.#fail("body_too_large");
  }

  #takeEnd(): void {
    this.#isBodyPending = false;
    if (!this.open) {
      this.#res.end();
    } else if (this.#isReading) {
      this.#isReading = false;
      this.#front.body(this, this.#reader!.finish());
    }
  }

  #fail(code: ErrorCode, why = "the body broke off"): void {
    this.#isReading = false;
    this.#reader?.release();
    this.#req.resume();
    if (this.open) this.#front.bodyFailed(this, code, why);
  }
}
