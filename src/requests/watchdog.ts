// The watchdog: deadlines of what runs in carriers, time-outs of what waits.
// Runs while there is something to watch.
import type { Exit } from "../../wire/exits.ts";
import { SEQ_STARTING, SEQ_TURNS } from "../../wire/layout.ts";
import type { Carrier } from "../carriers/carrier.ts";
import type { ErrorCode } from "../errors.ts";
import type { Actor } from "../services/service.ts";

const TICK_MS = 10;
/** Turns of light processes are milliseconds; only one call that does not end (memory.fill, a host call) is longer. */
const HOG_MS = 5000;

/** What the watchdog looks at, and whom it tells (dispatch.ts). */
export interface Watched {
  carriers(): Iterable<Carrier>;
  /** A ready or stopping actor. */
  actorOf(pid: number): Actor | undefined;
  /** Replies that are in the rings count: they came before the tick. */
  drain(): void;
  /** An actor that starts in this carrier has run its start code for so long. */
  actorStarting(carrier: Carrier, pid: number, ms: number): void;
  /** Ends an actor whose request (or start) number `seq` has run too long, if it still runs. */
  condemn(actor: Actor, seq: number, exit: Exit, code: ErrorCode): void;
  /** Light processes had the turn for so long that their carrier must end. */
  hogged(carrier: Carrier, why: string): void;
  /** An actor's request takes so long that those behind it in its ring should not wait for it. */
  lingers(actor: Actor): void;
  /** Ends what has waited too long. @returns true if something still waits */
  timeOut(nowMs: number): boolean;
}

export class Watchdog {
  readonly #watched: Watched;
  #timer: NodeJS.Timeout | undefined;

  constructor(watched: Watched) {
    this.#watched = watched;
  }

  /** Something runs or waits from now on. */
  arm(): void {
    this.#timer ??= setTimeout(() => this.#tick(), TICK_MS);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #tick(): void {
    this.#timer = undefined;
    this.#watched.drain();
    let isBusy = false;
    for (const carrier of [...this.#watched.carriers()]) if (this.#look(carrier)) isBusy = true;
    if (this.#watched.timeOut(performance.now())) isBusy = true;
    if (isBusy) this.arm();
  }

  /** True if something runs or is about to. */
  #look(carrier: Carrier): boolean {
    const running = carrier.running();
    if (running === null) return carrier.sent > 0 || carrier.isStarting;
    const actor = this.#watched.actorOf(running.pid);
    if (actor === undefined) {
      if (running.seq === SEQ_TURNS && running.ms >= HOG_MS) {
        this.#watched.hogged(carrier, `a light process did not give its turn back for ${HOG_MS} ms`);
      } else if (running.seq === SEQ_STARTING) this.#watched.actorStarting(carrier, running.pid, running.ms);
      return true;
    }
    const { limits, scale } = actor.pool.policy;
    const { deadline, start_deadline } = limits;
    if (running.seq === SEQ_STARTING) {
      if (running.ms >= start_deadline) {
        const text = `its start code ran for more than ${start_deadline} ms`;
        this.#watched.condemn(actor, SEQ_STARTING, { reason: "start_failed", text }, "carrier_lost");
      }
    } else if (running.ms >= deadline) {
      const text = `a request ran for more than ${deadline} ms`;
      this.#watched.condemn(actor, running.seq, { reason: "deadline", text }, "deadline");
    } else if (running.ms >= scale.pressure.wait && scale.max > 1 && !actor.lingers) this.#watched.lingers(actor);
    return true;
  }
}
