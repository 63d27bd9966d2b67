// One lunatic process: pid, mailbox, scratch message, resources, and how it ends.
// Pure state; threads only carry it out.
import type { FileTable } from "./abi/files.ts";
import type { Exit } from "./exits.ts";
import { Mailbox, Message } from "./mailbox.ts";

/** Bounds of what a guest can make its host keep (DECISIONS 3.4). */
export interface ProcessLimits {
  /** Bytes of the message being written. */
  readonly scratchBytesMax: number;
  readonly messagesMax: number;
  readonly mailboxBytesMax: number;
  readonly resourcesMax: number;
}

const FIRST_BUILDER_BYTES = 4096;

/** Resources of one kind; ids count from `first` and are never used again (lunatic-abi.md §0.1). */
export class ResourceTable<T> {
  readonly #entries = new Map<bigint, T>();
  readonly #limit: number;
  #next: bigint;

  constructor(limit: number, first = 0n) {
    this.#limit = limit;
    this.#next = first;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The new resource's id, or null if the table is full. */
  add(value: T): bigint | null {
    if (this.#entries.size >= this.#limit) return null;
    const id = this.#next++;
    this.#entries.set(id, value);
    return id;
  }

  get(id: bigint): T | undefined {
    return this.#entries.get(id);
  }

  remove(id: bigint): boolean {
    return this.#entries.delete(id);
  }
}

export class Process {
  readonly pid: number;
  readonly mailbox: Mailbox;
  /** Texts of errors; id 0 is reserved and cannot be dropped, because lunatic-rs reads id 0 on a time-out (§7.2). */
  get errors(): ResourceTable<string> {
    this.#errors ??= new ResourceTable(this.limits.resourcesMax, 1n);
    return this.#errors;
  }
  /** Made when it is first needed: most processes live for one request and have none. */
  #errors: ResourceTable<string> | null = null;
  readonly limits: ProcessLimits;
  /** Its open descriptors; null until it uses one. Whoever ends the process closes them. */
  files: FileTable | null = null;
  /** The one message that is being written or read (lunatic-abi.md §3.1). */
  scratch: Message | null = null;
  /** The bytes in which it writes messages. */
  builder: Uint8Array;
  /** Set once the process must end: every host call after that traps (DECISIONS 3.2). */
  dying: Exit | null = null;
  /** The pid that the current request's reply goes to; 0 when there is none or it has been sent. */
  replyPid = 0;
  /** Bytes of output in this request, against the limit of DECISIONS 3.3. */
  outputBytes = 0;
  outputDropped = false;

  /** @param builder the bytes of a process that has ended, to be used again */
  constructor(pid: number, limits: ProcessLimits, builder: Uint8Array = new Uint8Array(FIRST_BUILDER_BYTES)) {
    this.pid = pid;
    this.limits = limits;
    this.builder = builder;
    this.mailbox = new Mailbox({ messagesMax: limits.messagesMax, bytesMax: limits.mailboxBytesMax });
  }

  /** Puts a request into the mailbox: one frame for each call of the entry (DECISIONS 4.1). */
  beginRequest(bytes: Uint8Array, start: number, length: number, replyPid: number): void {
    this.replyPid = replyPid;
    this.outputBytes = 0;
    this.outputDropped = false;
    this.mailbox.push(new Message("data", 0n, bytes, start, length), false);
  }

  /**
   * Forgets what the request left behind: the ring memory that its message lies in is about to be released. Messages
   * that a kept process sent to itself stay.
   */
  endRequest(ring: Uint8Array): void {
    this.replyPid = 0;
    if (this.scratch?.bytes === ring) this.scratch = null;
    this.mailbox.drop((message) => message.bytes === ring);
  }
}
