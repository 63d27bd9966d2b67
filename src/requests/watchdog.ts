// The watchdog: deadlines of what runs in carriers, time-outs of what waits.
// Runs while there is something to watch.
import type { Exit } from "../../wire/exits.ts";
import { SEQ_STARTING, SEQ_TURNS } from "../../wire/layout.ts";
import type { Carrier } from "../carriers/carrier.ts";
import type { ErrorCode } from "../errors.ts";
import type { Actor } from "../services/service.ts";

const TICK_MS = 10;
/** Turns of light processes are milliseconds: after this long without a next one nobody else should begin there. */
const HELD_UP_MS = 50;
/** Who has held up others for this long gets carriers of its own, before anything is killed. ms */
const QUARANTINE_MS = 1000;
/** And after this only a host call that does not end is left: a guest is ended before, by its carrier (give-way.ts). */
const HOG_MS = 10_000;

/** A light process that is told to end does so at its next call or loop head, if its carrier is not stuck. ms */
const OVERDUE_MS = 1000;

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
  /** A light process has had the turn for so long that nobody else should wait for it. */
  heldUp(carrier: Carrier): void;
  /** A light process has had the turn for so long that its service should not share a carrier. */
  holdsUp(carrier: Carrier): void;
  /** A light actor's request has had its first turn beyond its deadline: it must end, and not its carrier. */
  overdue(actor: Actor, seq: number): void;
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
    const isHeldUp = running?.seq === SEQ_TURNS && running.ms >= HELD_UP_MS;
    if (isHeldUp && !carrier.isHeldUp) this.#watched.heldUp(carrier);
    carrier.isHeldUp = isHeldUp;
    if (isHeldUp && running.ms >= QUARANTINE_MS) this.#watched.holdsUp(carrier);
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
    if (actor.isLight && running.ms >= QUARANTINE_MS) this.#watched.holdsUp(carrier);
    if (running.seq === SEQ_STARTING) {
      if (running.ms >= start_deadline) {
        const text = `its start code ran for more than ${start_deadline} ms`;
        this.#watched.condemn(actor, SEQ_STARTING, { reason: "start_failed", text }, "carrier_lost");
      }
    } else if (actor.isLight && running.ms >= deadline && running.ms < deadline + OVERDUE_MS) {
      this.#watched.overdue(actor, running.seq);
    } else if (running.ms >= deadline) {
      const text = `a request ran for more than ${deadline} ms`;
      this.#watched.condemn(actor, running.seq, { reason: "deadline", text }, "deadline");
    } else if (running.ms >= scale.pressure.wait && scale.max > 1 && !actor.lingers) this.#watched.lingers(actor);
    return true;
  }
}
