// What host functions can ask of their carrier about processes. The kernel does it.
import type { EntryCall } from "../instances/entry.ts";
import type { Message } from "../processes/mailbox.ts";
import type { Process } from "../processes/process.ts";
import type { ProcessConfig } from "../processes/resources.ts";
import type { Tell } from "../processes/signals.ts";

/** What a process wants to spawn. */
export interface SpawnRequest {
  /** The main thread's name for the module; null: the spawner's own. */
  readonly module: string | null;
  /** null: the spawner's own rights, arguments and environment variables. */
  readonly config: ProcessConfig | null;
  readonly entry: EntryCall;
  /** Tag of the link to the spawner; 0: not linked. */
  readonly link: bigint;
}

export type SpawnOutcome = { readonly pid: number } | { readonly error: string };

/** A later answer: undefined as long as it has not come. */
export type Later<T> = () => T | undefined;

export interface Processes {
  /** How a process sends signals. */
  readonly tell: (from: Process) => Tell;
  spawn(from: Process, request: SpawnRequest): Later<SpawnOutcome>;
  exists(from: Process, pid: number): Later<boolean>;
  /** Ends a process, which may be the asking one. */
  kill(from: Process, pid: number): void;
  /** Takes the message to the process after so many ms. @returns a number for cancelTimer; 0: no room for one more */
  sendAfter(from: Process, pid: number, message: Message, ms: number, onFire: () => void): number;
  /** True if it had not fired. */
  cancelTimer(from: Process, timer: number): boolean;
  /** A message was taken from its mailbox: who waits for room there may go on. */
  hasTaken(process: Process): void;
  /** It begins to wait for `awaited`: who has that and waits for room there may send it. */
  awaits(process: Process): void;
  /** What a process is allowed to; changes only by its spawner's choice. */
  rightsOf(process: Process): ProcessConfig;
  /** The environment's number of its processes' kind of module: the spawner's own. */
  moduleOf(process: Process): string;
}
