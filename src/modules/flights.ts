// Work that callers with the same key share: begun by the first, stopped when nobody waits for it any more.
import { FrenezuloError } from "../errors.ts";

interface Flight<T> {
  readonly done: Promise<T>;
  readonly stop: AbortController;
  waiting: number;
}

export class Flights<T> {
  readonly #flights = new Map<string, Flight<T>>();

  /**
   * Waits for the work of a key, which is begun if nobody waits for it yet.
   * @param begin does the work until its signal is aborted; it may abort it itself
   * @param signal gives up waiting; the work itself is aborted when nobody waits for it any more
   * @throws what the work throws, or the signal's reason
   */
  async join(key: string, begin: (stop: AbortController) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const flight = this.#flights.get(key) ?? this.#begin(key, begin);
    flight.waiting++;
    const left = new AbortController();
    try {
      return await (signal === undefined ? flight.done : Promise.race([flight.done, abortOf(signal, left.signal)]));
    } finally {
      left.abort();
      flight.waiting--;
      if (flight.waiting === 0) {
        this.#leave(key, flight.stop);
        flight.stop.abort(signal?.reason ?? new FrenezuloError("draining"));
      }
    }
  }

  /** Aborts all work. */
  stopAll(error: FrenezuloError): void {
    for (const { stop } of this.#flights.values()) stop.abort(error);
  }

  /** Aborts all work, and resolves when it has ended. */
  async close(): Promise<void> {
    const flights = [...this.#flights.values()];
    this.stopAll(new FrenezuloError("draining"));
    await Promise.allSettled(flights.map(({ done }) => done));
  }

  #begin(key: string, begin: (stop: AbortController) => Promise<T>): Flight<T> {
    const stop = new AbortController();
    const flight = { done: begin(stop), stop, waiting: 0 };
    this.#flights.set(key, flight);
    const leave = (): void => this.#leave(key, stop);
    flight.done.then(leave, leave);
    return flight;
  }

  /** Takes a flight out of the table, unless another with the same key has taken its place. */
  #leave(key: string, stop: AbortController): void {
    if (this.#flights.get(key)?.stop === stop) this.#flights.delete(key);
  }
}

/** Rejects with the signal's reason; lets go of the signal once `left` is aborted. */
function abortOf(signal: AbortSignal, left: AbortSignal): Promise<never> {
  return new Promise<never>((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true, signal: left });
  });
}
