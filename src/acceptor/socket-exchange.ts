// An answer on a bare socket, for what node:http could not read as a request; it always closes.
import type { Socket } from "node:net";
import { after } from "../timer.ts";
import { mayAnswer } from "./answer-later.ts";
import type { AcceptorOptions, Answer, Exchange, Front } from "./contract.ts";
import { Pace } from "./pace.ts";
import { isDate, statusLine } from "./status.ts";

/** How long what the client still sends is thrown away: a reset would destroy the answer. */
const LINGER_MS = 1000;

export class SocketExchange implements Exchange {
  open = true;
  owner: unknown = undefined;
  readonly #socket: Socket;
  readonly #options: AcceptorOptions;
  #isInHandler = false;

  constructor(socket: Socket, options: AcceptorOptions, front: Front) {
    this.#socket = socket;
    this.#options = options;
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      if (!this.open) return;
      this.open = false;
      front.gone(this);
    });
  }

  get remoteAddress(): string {
    return this.#socket.remoteAddress ?? "";
  }

  /** Until the socket is gone, whatever else comes on it is not looked at. */
  get isUnfinished(): boolean {
    return true;
  }

  /** Answers given meanwhile are written after it. */
  inHandler(run: () => void): void {
    this.#isInHandler = true;
    run();
    this.#isInHandler = false;
  }

  readBody(): void {}

  answer(answer: Answer): void {
    if (!mayAnswer(this, answer, this.#isInHandler)) return;
    this.open = false;
    const socket = this.#socket;
    const body = Buffer.from(answer.body);
    const lines = [`HTTP/1.1 ${statusLine(answer.status)}`];
    for (let i = 0; i < answer.count; i++) {
      const name = answer.names[i]!;
      if (!isDate(name)) lines.push(`${asLatin1(name)}: ${asLatin1(answer.values[i]!)}`);
    }
    lines.push(`Date: ${new Date().toUTCString()}`, `Content-Length: ${body.length}`, "Connection: close", "", "");
    const pace = new Pace(this.#options.writePace, 0, () => socket.destroy());
    socket.end(Buffer.concat([Buffer.from(lines.join("\r\n"), "latin1"), body]), () => {
      pace.cancel();
      const linger = after(LINGER_MS, () => socket.destroy());
      socket.on("close", () => linger.cancel());
    });
    socket.on("close", () => pace.cancel());
    socket.resume();
  }

  cut(): void {
    this.open = false;
    this.#socket.destroy();
  }

  /** More came on a connection that is being closed. */
  abandon(): void {
    this.#socket.destroy();
  }

  /** Nothing that comes after is looked at. */
  bodyBroken(): boolean {
    return false;
  }
}

/** Header bytes as the string that Node writes them back from, byte for byte. */
export function asLatin1(bytes: string | Uint8Array): string {
  return Buffer.from(bytes as string).toString("latin1");
}
