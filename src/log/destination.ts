// Where log lines go: a descriptor, written without ever blocking the loop; what nobody reads is dropped and counted.
import { createWriteStream, fstatSync } from "node:fs";
import { Socket } from "node:net";
import type { Writable } from "node:stream";
import { after } from "../timer.ts";

/** Lines waiting to be written may take this much; beyond it they are dropped. */
const waitingBytesMax = 1 << 20;

export class LogDestination {
  readonly #stream: Writable;
  /** Told once writing goes on after lines were dropped. */
  readonly #onResume: (dropped: number) => void;
  #droppedSinceTold = 0;
  #isBroken = false;
  /** Lines dropped since the start. */
  dropped = 0;

  /**
   * process.stdout writes pipes synchronously and so stops the node when nobody reads; pino's own destination writes on
   * a thread that process.exit() then waits for, for ever (M). A Socket on the descriptor does neither.
   */
  static ofDescriptor(descriptor: number, onResume: (dropped: number) => void): LogDestination {
    const kind = fstatSync(descriptor);
    const stream =
      kind.isFIFO() || kind.isSocket()
        ? new Socket({ fd: descriptor, readable: false, writable: true })
        : createWriteStream("", { fd: descriptor, autoClose: false });
    // A log line is no reason to keep the process.
    if (stream instanceof Socket) stream.unref();
    return new LogDestination(stream, onResume);
  }

  constructor(stream: Writable, onResume: (dropped: number) => void) {
    this.#stream = stream;
    this.#onResume = onResume;
    stream.on("drain", () => this.#resume());
    // EPIPE: the reader has gone. The node goes on without a log.
    stream.on("error", () => {
      this.#isBroken = true;
    });
  }

  /** True while nobody reads what was written: every line would be dropped. */
  get isFull(): boolean {
    return this.#isBroken || this.#stream.writableLength >= waitingBytesMax;
  }

  /** Takes one line with its end, or drops it. */
  write(line: string): void {
    if (this.#isBroken || this.#stream.writableLength + line.length > waitingBytesMax) this.drop(1);
    else this.#stream.write(line);
  }

  /** Counts lines that need not be made, since they would be dropped. */
  drop(lines: number): void {
    this.dropped += lines;
    this.#droppedSinceTold += lines;
  }

  /** Resolves when what was taken has been written, or after `ms`. */
  flush(ms: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.#isBroken || this.#stream.writableLength === 0) return resolve();
      const timer = after(ms, resolve);
      this.#stream.write("", () => {
        timer.cancel();
        resolve();
      });
    });
  }

  #resume(): void {
    if (this.#droppedSinceTold === 0) return;
    const dropped = this.#droppedSinceTold;
    this.#droppedSinceTold = 0;
    this.#onResume(dropped);
  }
}
