// What became of an actor, for the supervision tree. Types only.
import type { Exit } from "../../wire/exits.ts";
import type { Actor, Pool } from "../services/service.ts";

/** What became of an actor, for the supervision tree. */
export interface ActorOutcomes {
  started(actor: Actor): void;
  startFailed(actor: Actor, why: string): void;
  /** It has ended as it was told; also for one that was not there. */
  stopped(id: string, generation: number): void;
  exited(actor: Actor, exit: Exit): void;
  /** It has ended without its doing: no exit that counts. */
  displaced(actor: Actor): void;
  /** It is idle for long, or its carrier is needed: it should be stopped in order. */
  surplus(actor: Actor): void;
  /** Requests wait: perhaps the pool needs one more actor. */
  wanted(pool: Pool): void;
  /** One more resident, whatever waits, but not beyond its maximum. */
  grow(pool: Pool): void;
  /** Asked from time to time: starts what is missing of minima, where there is room. */
  restock(): void;
}
