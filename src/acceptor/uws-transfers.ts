// Keeps uWebSockets.js from closing connections on which bytes move slowly.
//
// It closes one 8 to 14 s after its time-out was set, and sets it anew only after 160 KiB of a body or a write. It
// cannot be told otherwise, but its `resume` sets the time-out, too (M). Whether enough moves is judged by `Pace`.

/** Less than the 8 s, twice. */
const REARM_MS = 3000;

export interface Transfer {
  /** Sets uWS's time-out anew. */
  rearm(): void;
}

/** Exchanges whose bodies come in or whose answers go out, of one acceptor. */
export class Transfers {
  readonly #transfers = new Set<Transfer>();
  #timer: NodeJS.Timeout | undefined;

  add(transfer: Transfer): void {
    this.#transfers.add(transfer);
    this.#timer ??= setInterval(() => {
      for (const each of this.#transfers) each.rearm();
    }, REARM_MS).unref();
  }

  /** Does nothing if it is not there. */
  delete(transfer: Transfer): void {
    this.#transfers.delete(transfer);
    if (this.#transfers.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
