// What the main thread asks of a carrier between its requests, and sends it beside them. Types only.
import type { SpawnSpec } from "./asks.ts";
import type { ActorSpec, CarrierModule, EnvironmentSpec } from "./specs.ts";

/** A module on its way to a carrier, by the ticket port. */
export interface SentModule {
  readonly key: string;
  readonly module: CarrierModule;
}

/** A process that the main thread wants in a carrier. */
export interface BirthSpec extends SpawnSpec {
  readonly environment: EnvironmentSpec;
  readonly carrierModule: CarrierModule;
  /** True if its end must be told, whatever it is (KIND.exited). */
  readonly isReported: boolean;
}

/** What the main thread asks of a carrier over comlink, between requests. */
export interface CarrierControl {
  /** Starts an actor; resolves to the text of why it did not start, or null. */
  start(spec: ActorSpec): string | null | Promise<string | null>;
  /** Forgets an actor. Processes of its environment live on until that is closed. */
  stop(pid: number): void | Promise<void>;
  /** Makes a process; resolves to its pid or the text of why it could not. */
  spawn(spec: BirthSpec): number | string | Promise<number | string>;
  /** Ends all processes of an environment here. */
  close(environment: number): void | Promise<void>;
  /** Lets go of a module in all its forms; resolves to false if a process of the environment runs it still. */
  drop(environment: number, digest: string): boolean | Promise<boolean>;
}
