// Bounds of what a process can make its host keep: its own, and those that it shares with all of its environment.

/** Bounds of what a guest can make its host keep (DECISIONS 3.4). */
export interface ProcessLimits {
  /** Bytes of the message being written. */
  readonly scratchBytesMax: number;
  readonly messagesMax: number;
  readonly mailboxBytesMax: number;
  /** Entries of each table of resources, and links and monitors. */
  readonly resourcesMax: number;
  /** How long it waits for room in another's mailbox before it traps. ms */
  readonly sendTimeoutMs: number;
}

/** The memory that all processes of an environment have together (environment.ts). */
export interface SharedMemory {
  /** Bytes of messages that the host keeps for one of them: more, or (negative) fewer. */
  hold(change: number): void;
  /** False while they have as much as they may, or more. */
  readonly hasRoom: boolean;
  /** What then is said. */
  readonly limitText: string;
}
