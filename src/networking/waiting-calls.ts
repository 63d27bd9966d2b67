// Calls that wait for the same thing of a socket, in the order they came.
import { after, type Timer } from "../timer.ts";
import { Abandoned, type Call, TimedOut } from "./call.ts";

interface Waiting<Request> {
  readonly call: Call;
  readonly request: Request;
  readonly resolve: (answer: Buffer) => void;
  readonly reject: (why: Error) => void;
  timer: Timer | null;
}

/**
 * Each call ends once: it is served, runs out of time, or its process ends. What a socket gives goes only to a call
 * that still waits at that moment, so nothing is lost with a process that has ended.
 */
export class WaitingCalls<Request> {
  readonly #attempt: (request: Request, call: Call) => Buffer | undefined;
  readonly #waiting = new Set<Waiting<Request>>();

  /** @param attempt the answer to a request, or undefined: not yet; what it throws is the failure of that call */
  constructor(attempt: (request: Request, call: Call) => Buffer | undefined) {
    this.#attempt = attempt;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /**
   * @param ms how long it may wait: 0 asks once, Infinity waits for ever
   * @throws TimedOut, Abandoned, or as `attempt`
   */
  add(call: Call, request: Request, ms: number): Buffer | Promise<Buffer> {
    if (this.#waiting.size === 0) {
      const answer = this.#attempt(request, call);
      if (answer !== undefined) return answer;
    }
    if (ms === 0) throw new TimedOut();
    return new Promise((resolve, reject) => {
      const waiting: Waiting<Request> = { call, request, resolve, reject, timer: null };
      this.#waiting.add(waiting);
      waiting.timer = after(ms, () => {
        this.#remove(waiting);
        reject(new TimedOut());
      });
      call.onEnd(() => {
        this.#remove(waiting);
        reject(new Abandoned());
      });
    });
  }

  /** Serves those that can be served, oldest first. To be called whenever something changed. */
  serve(): void {
    for (const waiting of this.#waiting) {
      try {
        const answer = this.#attempt(waiting.request, waiting.call);
        if (answer === undefined) return;
        this.#remove(waiting);
        waiting.resolve(answer);
      } catch (thrown) {
        this.#remove(waiting);
        waiting.reject(thrown as Error);
      }
    }
  }

  #remove(waiting: Waiting<Request>): void {
    this.#waiting.delete(waiting);
    waiting.timer?.cancel();
    waiting.call.onEnd(null);
  }
}
