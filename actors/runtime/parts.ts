// What a carrier gives its runtime: ways to others, and who is told of what. Types only.

import type { Bell } from "../../wire/bell.ts";
import type { Exit } from "../../wire/exits.ts";
import type { Mesh } from "../../wire/mesh.ts";
import type { Pids } from "../../wire/pids.ts";
import type { CarrierModule } from "../../wire/specs.ts";
import type { InstanceBudget } from "../instances/budget.ts";
import type { MetricEvent } from "../metering.ts";
import type { OutputBudget } from "../output.ts";
import type { Message } from "../processes/mailbox.ts";
import type { Process } from "../processes/process.ts";
import type { Member } from "./kernel.ts";

export interface RuntimeParts {
  readonly slot: number;
  readonly pids: Pids;
  readonly mesh: Mesh;
  /** What the thread sleeps on. */
  readonly asleep: Bell;
  /** True if something else than a process wants this thread: a request, a control call. */
  readonly isWanted: () => boolean;
  /** @param budget null: the actor's that runs */
  readonly output: (budget: OutputBudget | null, from: Process, stream: number, bytes: Uint8Array) => void;
  /** A message to a reply pid. */
  readonly reply: (from: Process, pid: number, message: Message) => void;
  /** A message of a process that nobody else can find, and that can find nobody. */
  readonly alone: (from: Process, pid: number, message: Message) => true;
  readonly deadLetter: () => void;
  /** What a guest counts; service null: that of the actor that runs. */
  readonly metric: (service: string | null, event: MetricEvent, name: string, value: number) => void;
  readonly budget: InstanceBudget;
  /** A module that the main thread has sent under that name; undefined: none. */
  readonly takeModule: (key: string) => CarrierModule | undefined;
  /** The running process is not the one that it must be. */
  readonly onMismatch: () => void;
  /** A process of that environment is about to have a turn. */
  readonly onTurn: (environment: number) => void;
  /** A process of an environment has ended. */
  readonly onExit: (member: Member, exit: Exit) => void;
  /** The last process here of a request has ended: its own had without a reply, or the main thread had some made. */
  readonly onOrphaned: (environment: number, root: number, births: number) => void;
}
