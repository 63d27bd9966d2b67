// The timers that the supervision tree asks for: backoffs, shutdowns.
import { after, type Timer } from "../timer.ts";

export class TreeTimers {
  readonly #timers = new Map<number, Timer>();
  readonly #due: (id: string, token: number) => void;

  /** @param due called when a timer's time has come */
  constructor(due: (id: string, token: number) => void) {
    this.#due = due;
  }

  /** @param atMs of performance.now() */
  arm(id: string, token: number, atMs: number): void {
    const fire = (): void => {
      this.#timers.delete(token);
      this.#due(id, token);
    };
    this.#timers.set(token, after(Math.max(0, atMs - performance.now()), fire));
  }

  disarm(token: number): void {
    this.#timers.get(token)?.cancel();
    this.#timers.delete(token);
  }
}
