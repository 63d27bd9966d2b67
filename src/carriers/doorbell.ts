// How the main thread and its carriers wake each other: once a turn of the loop, and not at all for a lone request.
import { availableParallelism } from "node:os";
import { Bell } from "../../wire/bell.ts";
import { BELL } from "../../wire/layout.ts";
import { Look } from "../../wire/look.ts";
import type { Carrier } from "./carrier.ts";

/** A look takes a core from the carrier, or from the client if it is on this machine: with two it costs more (M). */
const LOOK_CORES_MIN = 3;

export interface DoorbellOptions {
  readonly carriers: ReadonlySet<Carrier>;
  /** True if something beside the carriers' rings is to be read. */
  readonly hasSignals: () => boolean;
  /** Reads everything that carriers have written. */
  readonly drain: () => void;
}

export class Doorbell {
  readonly #options: DoorbellOptions;
  readonly #bell: Bell;
  readonly #look = availableParallelism() >= LOOK_CORES_MIN ? new Look() : null;
  readonly #toWake: Carrier[] = [];
  #isClosed = false;
  readonly #wakeAll = (): void => {
    for (const carrier of this.#toWake) carrier.wake();
    const [first] = this.#toWake.splice(0);
    if (this.#look !== null && first !== undefined && this.#isAlone) this.#awaitReply(first, this.#look);
  };
  readonly #hasWork = (): boolean => {
    for (const { replies } of this.#options.carriers) if (replies.hasNext) return true;
    return this.#options.hasSignals();
  };

  /** @param block shared with all carriers (wire/layout.ts, BELL) */
  constructor(block: SharedArrayBuffer, options: DoorbellOptions) {
    this.#bell = new Bell(new Int32Array(block), BELL.asleep);
    this.#options = options;
  }

  /** Drains whenever a carrier rings, until it is closed. */
  listen(): void {
    this.#options.drain();
    if (this.#isClosed) return;
    const rung = this.#bell.sleep(this.#hasWork);
    if (rung === null) setImmediate(() => this.listen());
    else void rung.then(() => this.listen());
  }

  /**
   * Wakes a carrier once this turn of the loop has put all its requests into rings: one wake-up for many, and the
   * carrier finds them together.
   */
  wakeSoon(carrier: Carrier): void {
    if (this.#toWake.push(carrier) === 1) setImmediate(this.#wakeAll);
  }

  close(): void {
    this.#isClosed = true;
    this.#bell.ring();
  }

  /** One request is all that runs. */
  get #isAlone(): boolean {
    let sent = 0;
    for (const carrier of this.#options.carriers) sent += carrier.sent;
    return sent === 1;
  }

  /** A quick reply is seen before a wake-up would have told of it. */
  #awaitReply(carrier: Carrier, look: Look): void {
    this.#bell.mute();
    if (look.at(carrier.replies)) this.#options.drain();
    this.#bell.unmute();
    if (this.#hasWork()) this.#options.drain();
  }
}
