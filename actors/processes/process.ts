// One lunatic process as a state machine: mailbox, links, monitors, flags, and how it ends. Pure; the kernel carries
// out what it says.
//
// Semantics: lunatic-abi.md §2. Signals are handled when they arrive, so their order is the order of arrival.

import { COST, SMALL_BYTES } from "../../wire/cost.ts";
import type { Exit } from "../../wire/exits.ts";
import { isNormalExit } from "../../wire/exits.ts";
import type { FileTable } from "../files/files.ts";
import type { Fullness } from "./fullness.ts";
import type { ProcessLimits, SharedMemory } from "./limits.ts";
import { Mailbox, Message } from "./mailbox.ts";
import { Resources } from "./resources.ts";
import type { Signal, Tell } from "./signals.ts";
import type { Stdin } from "./stdin.ts";
import type { Waiting } from "./waiting.ts";

/** A link as one side sees it. */
interface Link {
  /** What the other is told when this process dies; 0: no tag. */
  readonly tag: bigint;
  /** What this process is told when the other dies. */
  readonly theirTag: bigint;
}

/** Closed once, without throwing. */
export interface Closeable {
  closeAll(): void;
}

const NO_BYTES = new Uint8Array(0);

const NO_LINKS: ReadonlyMap<number, Link> = new Map();
const NO_PIDS: ReadonlySet<number> = new Set();

export class Process {
  readonly pid: number;
  readonly mailbox: Mailbox;
  readonly limits: ProcessLimits;
  /** Its open descriptors; null until it uses one. Whoever ends the process closes them (closeAll). */
  files: FileTable | null = null;
  /** What a module of host functions keeps for it; null until one does. Closed with it, the last first. */
  #attached: Closeable[] | null = null;
  /** Number of its environment. */
  readonly environment: number;
  /** Made when it is first needed: most processes live for one request and have none. */
  get resources(): Resources {
    this.#resources ??= new Resources(this.limits.resourcesMax, (change) => this.keep(change));
    return this.#resources;
  }
  #resources: Resources | null = null;
  /** The one message that is being written or read (lunatic-abi.md §3.1). */
  get scratch(): Message | null {
    return this.#scratch;
  }
  set scratch(message: Message | null) {
    this.#scratch = message;
    // What is written in `builder` is counted there.
    const data = message === null || message.bytes === this.#builder ? 0 : message.length;
    const held = data + COST.resource * (message?.resources?.length ?? 0);
    this.count(held - this.#scratchHeld);
    this.#scratchHeld = held;
  }
  /** The bytes in which it writes messages; made when it writes the first. */
  get builder(): Uint8Array {
    return this.#builder;
  }
  set builder(bytes: Uint8Array) {
    this.count(bytes.length - this.#builder.length);
    this.#builder = bytes;
  }
  /** Its environment's; null: what it holds is not counted (of a plain request's process, which is bounded alone). */
  #memory: SharedMemory | null;
  /** What the host keeps for it, in bytes. */
  #held = 0;
  #scratch: Message | null = null;
  #scratchHeld = 0;
  #builder: Uint8Array;
  /** Set once the process must end: every host call after that traps (DECISIONS 3.2). */
  dying: Exit | null = null;
  /** True while code of its module runs that comes before its function: a spawn then traps (lunatic-abi.md §1.2). */
  isStarting = false;
  /** Reductions that it may use after its present turn; Infinity: no limit. */
  fuelLeft = Number.POSITIVE_INFINITY;
  /** The pid that the current request's reply goes to; 0 when there is none or it has been sent. */
  replyPid = 0;
  /** The request that it was started by or for: its reply pid; 0 for none. */
  root = 0;
  /** What it reads as standard input, once it has. */
  stdin: Stdin | null = null;
  /** Told before it does the first thing that others can see; null: nobody asked, or it has. */
  onSeen: (() => void) | null = null;
  /** True once it has asked the main thread for something: that is told of its end. */
  hasAsked = false;
  /** The name that a get_or_spawn has reserved and not put yet. */
  reserved: string | null = null;
  /** True once it has spawned in another carrier. */
  spawnedElsewhere = false;
  /** Output in this request, against the limits of DECISIONS 3.3. */
  outputBytes = 0;
  outputLines = 0;
  outputDropped = false;
  /** The host call that a light process is suspended in. */
  waiting: Waiting | null = null;
  /** What it was waiting for, once it is there. */
  waitedFor: unknown = undefined;
  /** True while others can find it: it is in its carrier's table. */
  isListed = false;
  /** True while the death of a link ends it too (lunatic's default); false: it gets a message. */
  diesWithLinks = true;
  /** Processes it is linked to. */
  get links(): ReadonlyMap<number, Link> {
    return this.#links ?? NO_LINKS;
  }
  /** Processes that are told of its end. */
  get watchers(): ReadonlySet<number> {
    return this.#watchers ?? NO_PIDS;
  }
  /** Processes of whose end it is told. */
  get watched(): ReadonlySet<number> {
    return this.#watched ?? NO_PIDS;
  }
  /** What other carriers were told of its full mailbox; null: it has room, as far as they know. */
  fullness: Fullness | null = null;
  /** Tags of the messages that it waits for now; null: it takes any, or does not wait. */
  get awaited(): readonly bigint[] | null {
    return this.#awaited;
  }
  set awaited(tags: readonly bigint[] | null) {
    this.count(COST.tag * ((tags?.length ?? 0) - (this.#awaited?.length ?? 0)));
    this.#awaited = tags;
  }
  #awaited: readonly bigint[] | null = null;
  // Made when they are first needed: thousands of processes have none.
  #links: Map<number, Link> | null = null;
  #watchers: Set<number> | null = null;
  #watched: Set<number> | null = null;
  /** Spawns in other carriers that have not been answered. */
  pendingSpawns = 0;
  /** Meanwhile: linked children that told of their birth themselves, and slots whose carriers have ended. */
  born: Set<number> | null = null;
  slotsGone: Map<number, number> | null = null;

  /** @param builder the bytes of a process that has ended, to be used again */
  constructor(
    pid: number,
    limits: ProcessLimits,
    builder: Uint8Array = NO_BYTES,
    environment = 0,
    memory: SharedMemory | null = null,
  ) {
    this.pid = pid;
    this.limits = limits;
    this.#builder = builder;
    this.environment = environment;
    this.#memory = memory;
    const bounds = { messagesMax: limits.messagesMax, bytesMax: limits.mailboxBytesMax };
    this.mailbox = memory === null ? new Mailbox(bounds) : new Mailbox(bounds, (change) => this.count(change));
    this.count(builder.length);
  }

  /**
   * True, and it is to end, if all processes of its environment have as much memory as they may.
   * @param memory of an environment in which it is not counted itself
   */
  endsForMemory(memory = this.#memory): boolean {
    if (memory?.hasRoom !== false) return false;
    this.dying ??= { reason: "memory", text: memory.limitText };
    return true;
  }

  /**
   * The host keeps so many bytes more for it, or (negative) fewer, by its own doing: it ends if all processes of its
   * environment have more than they may.
   */
  keep(change: number): void {
    this.count(change);
    if (change > 0) this.endsForMemory();
  }

  /** It has ended: what it held is nobody's any more. */
  release(): void {
    this.#memory?.hold(-this.#held);
    this.#memory = null;
  }

  /** The host keeps so many bytes more for it, or (negative) fewer, whoever brought that about. */
  count(change: number): void {
    this.#held += change;
    this.#memory?.hold(change);
  }

  /** It is about to do something that others can see. */
  seen(): void {
    const tell = this.onSeen;
    if (tell === null) return;
    this.onSeen = null;
    tell();
  }

  /** Closes what it has open: it has ended. */
  closeAll(): void {
    for (let part = this.#attached?.pop(); part !== undefined; part = this.#attached?.pop()) part.closeAll();
    this.files?.closeAll();
  }

  get hasAttached(): boolean {
    return this.#attached !== null;
  }

  /** What is to be closed with it, before its files. */
  attach(part: Closeable): void {
    this.#attached ??= [];
    this.#attached.push(part);
  }

  // --- Requests of a service. ---

  /** Puts a request into the mailbox: one frame for each call of the entry (DECISIONS 4.1). */
  beginRequest(bytes: Uint8Array, start: number, length: number, replyPid: number): void {
    this.replyPid = replyPid;
    this.root = replyPid;
    this.outputBytes = 0;
    this.outputLines = 0;
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
    if (this.builder === ring) this.builder = NO_BYTES;
    this.mailbox.drop((message) => message.bytes === ring);
  }

  /** The request goes on beyond its frame in the ring: what lies there is copied out. */
  keepRequest(ring: Uint8Array): void {
    if (this.scratch?.bytes === ring) this.scratch.detach();
    this.mailbox.forEach((message) => {
      if (message.bytes === ring) message.detach();
    });
  }

  /**
   * The message as its receiver gets it, with bytes of its own: those that it was written in where they are few or
   * mostly used (this process takes others for the next one), else a copy.
   */
  handOver(message: Message): Message {
    const { tag, bytes, start, length, resources } = message;
    if (length > 0 && bytes === this.builder && bytes.length <= Math.max(SMALL_BYTES, 2 * length)) {
      this.builder = NO_BYTES;
      message.cursor = 0;
      return message;
    }
    const copy = new Message("data", tag, length === 0 ? NO_BYTES : bytes.slice(start, start + length), 0, length);
    copy.resources = resources;
    return copy;
  }

  // --- Signals. ---

  /** Links this process to another, which is told: both get the same tag. */
  link(pid: number, tag: bigint, tell: Tell): void {
    if (pid === this.pid) return;
    this.addLink(pid, tag, tag);
    this.endsForMemory();
    tell(pid, { type: "link", pid: this.pid, tag });
  }

  addLink(pid: number, tag: bigint, theirTag: bigint): void {
    this.#links ??= new Map();
    if (!this.#links.has(pid)) this.count(COST.link);
    this.#links.set(pid, { tag, theirTag });
  }

  unlink(pid: number, tell: Tell): void {
    if (this.#dropLink(pid)) tell(pid, { type: "unlink", pid: this.pid });
  }

  monitor(pid: number, tell: Tell): void {
    if (this.watched.has(pid)) return;
    this.#watched ??= new Set();
    this.#watched.add(pid);
    this.keep(COST.monitor);
    tell(pid, { type: "monitor", pid: this.pid });
  }

  stopMonitoring(pid: number, tell: Tell): void {
    if (this.#dropPid(this.#watched, pid)) tell(pid, { type: "stop_monitoring", pid: this.pid });
  }

  /** Takes a signal that another process or the kernel sent. May set `dying`. */
  receive(signal: Signal): void {
    const { pid } = signal;
    switch (signal.type) {
      case "link":
        this.addLink(pid, signal.tag, signal.tag);
        return;
      case "born":
        this.addLink(pid, 0n, signal.tag);
        this.born ??= new Set();
        this.born.add(pid);
        return;
      case "unlink":
        this.#dropLink(pid);
        return;
      case "link_died":
        this.#linkDied(pid, signal.tag, signal.exit);
        return;
      case "monitor":
        this.#watchers ??= new Set();
        if (!this.#watchers.has(pid)) this.count(COST.monitor);
        this.#watchers.add(pid);
        return;
      case "stop_monitoring":
        this.#dropPid(this.#watchers, pid);
        return;
      case "process_died":
        if (this.#dropPid(this.#watched, pid)) this.mailbox.push(new Message("process_died", 0n, NO_BYTES, 0, 0, pid));
        return;
      case "kill":
        this.dying ??= { reason: "killed", text: `process ${pid} killed it` };
    }
  }

  /** A carrier has ended, and a spawn of this process has not been answered. */
  goneMeanwhile(slot: number, pidEnd: number): void {
    this.slotsGone ??= new Map();
    this.slotsGone.set(slot, pidEnd);
  }

  /**
   * Its end, told to those who are linked, and then to those who monitor it. The kernel has taken it out of its table
   * before, so that it cannot be found any more (lunatic-abi.md §2.4).
   */
  end(exit: Exit, tell: Tell): void {
    for (const [pid, { tag }] of this.links) tell(pid, { type: "link_died", pid: this.pid, tag, exit });
    for (const pid of this.watchers) tell(pid, { type: "process_died", pid: this.pid, exit });
    for (const pid of this.watched) tell(pid, { type: "stop_monitoring", pid: this.pid });
    this.fullness?.tellRoom(tell);
  }

  #dropLink(pid: number): boolean {
    const isDropped = this.#links?.delete(pid) === true;
    if (isDropped) this.count(-COST.link);
    return isDropped;
  }

  #dropPid(pids: Set<number> | null, pid: number): boolean {
    const isDropped = pids?.delete(pid) === true;
    if (isDropped) this.count(-COST.monitor);
    return isDropped;
  }

  #linkDied(pid: number, tag: bigint, exit: Exit): void {
    if (!this.#dropLink(pid)) return; // unlinked meanwhile
    if (isNormalExit(exit.reason)) return;
    if (this.diesWithLinks) {
      const why = exit.reason === "noproc" ? "does not exist" : `failed: ${exit.text === "" ? exit.reason : exit.text}`;
      this.dying ??= { reason: "killed", text: `process ${pid}, which it is linked to, ${why}` };
    } else {
      this.mailbox.push(new Message("link_died", tag, NO_BYTES, 0, 0, pid));
    }
  }
}
