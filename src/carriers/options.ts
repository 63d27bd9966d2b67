// What the carriers of a node are told once: bounds, and who hears of what. Types only.
import type { SignalHandler } from "../../wire/mesh-peer.ts";

export interface CarriersOptions {
  /** Threads that may exist at once, zombies included. */
  readonly threadsMax: number;
  /** Warm carriers kept free. */
  readonly spares: number;
  /** A thread that has not ended this long after `terminate` is a zombie. ms */
  readonly graceMs: number;
  /** Descriptors that the guests of one carrier may hold open together. */
  readonly filesMax: number;
  /** Instances of light processes in all carriers. */
  readonly lightInstancesMax: number;
  /** A thread has become a zombie; so many there are now. */
  readonly onZombie: (zombies: number) => void;
  /** Takes what guests have counted (wire/metrics.ts); the bytes end with the call. */
  readonly onMetrics?: (bytes: Buffer) => void;
  /** Takes signals for the main thread. Without it they are dead letters. */
  readonly onSignal?: SignalHandler;
}
