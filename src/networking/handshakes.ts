// TLS handshakes of guests, which the main thread computes: how many are under way, and how many begin in a second.
import { nobodyOf, type Slices } from "../carriers/slices.ts";
import { FairSlots } from "./fair-slots.ts";

/** A handshake takes no longer, whoever is slow. */
export const HANDSHAKE_MS = 10_000;
/** Handshakes of clients under way: if all their servers answer at once, they are computed in one turn of the loop. */
const SLOTS = 128;
/** Of those that are free: one service has 8 at most. */
const PART = 1 / 16;
const WAITING_MAX = 1_024;
/** A server computes its part when it begins, in the same turn: no other one begins in that. ms */
const SERVER_MS = 2;

export class Handshakes {
  readonly #slices: Slices;
  readonly #slots = new FairSlots({ slots: SLOTS, part: PART, waitingMax: WAITING_MAX, what: "TLS handshakes" });

  constructor(slices: Slices) {
    this.#slices = slices;
  }

  /** @param perSecond handshakes of the environment that may begin in a second */
  open(environment: number, perSecond: number): void {
    this.#slots.open(environment, perSecond);
  }

  /**
   * Waits until one may begin as a client.
   * @returns to be called when it is over
   * @throws NetworkError if too many wait; the signal's reason if it is aborted before
   */
  async take(environment: number, signal: AbortSignal): Promise<() => void> {
    await this.#slots.take(environment, signal);
    return () => this.#slots.release(environment);
  }

  /**
   * Begins one as a server when its turn comes.
   * @throws as `take`, and what `begin` throws
   */
  async serve(environment: number, signal: AbortSignal, begin: () => void): Promise<void> {
    const release = await this.take(environment, signal);
    try {
      await this.#slices.run(nobodyOf(environment), begin, SERVER_MS);
    } finally {
      release();
    }
  }

  /** The environment has ended. */
  forget(environment: number): void {
    this.#slots.forget(environment);
  }
}
