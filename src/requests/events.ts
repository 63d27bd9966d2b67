// What the dispatcher tells of actors (to actors.ts), and what became of them (to supervision.ts). Types only.
import type { Exit } from "../../wire/exits.ts";
import type { Carrier } from "../carriers/carrier.ts";
import type { Actor, InFlight, Pool } from "../services/service.ts";

/** Told while rings are drained or by the watchdog, never inside an acceptor's handler, but for `wantActor`. */
export interface ActorEvents {
  /** Requests wait: perhaps one more actor should be started. */
  wantActor(pool: Pool): void;
  /** A ready actor has ended by itself or by the watchdog. Its carrier has been dealt with. */
  actorEnded(actor: Actor, exit: Exit): void;
  /**
   * The carrier ended under an actor that had not caused it: it is no exit, and it is started anew when it is needed.
   */
  actorDisplaced(actor: Actor): void;
  /** A pool's actors may share no carrier any more. */
  quarantined(pool: Pool): void;
  /** A burst actor has done its one request. */
  burstDone(actor: Actor): void;
  /** An actor that was told to stop has no request left. */
  actorIdle(actor: Actor): void;
  /** A carrier has gone; its ready actors have been dealt with, one that starts in it has not. */
  carrierGone(carrier: Carrier, why: string): void;
  /** The guest code of a starting actor has run for so long. */
  actorStarting(carrier: Carrier, pid: number, ms: number): void;
  /** A request ended its guest: by a trap, by proc_exit, or for its memory. The actor goes on in a new instance. */
  guestExited(actor: Actor, exit: Exit): void;
  spareCarrier(): void;
}

/** What the dispatcher tells of processes that are no actors (to src/processes/of-services.ts). */
export interface ProcessEvents {
  /** Output of a process that is no actor. */
  processOutput(environment: number, stream: number, text: Buffer): void;
  /** A message to a reply pid that nobody waits for. */
  lateReply(environment: number, bytes: number): void;
  /** A process that is no actor has failed, or one whose end was awaited has ended. */
  processExited(pid: number, environment: number, exit: Exit): void;
  /** The time of a request is over: the processes that it began must end. */
  requestOver(request: InFlight): void;
  /** True if a process of a request may live elsewhere than in the carrier that it ran in. */
  livesElsewhere(request: InFlight): boolean;
  /** No process of a request is left in a carrier, where so many were made for it. */
  birthsOver(environment: number, replyPid: number, carrier: Carrier, births: number): void;
}
