// The processes of one carrier: who is there, who is told what, and who has ended.
//
// A process is known by its pid; the pid says which carrier it lives in (pids.ts). Within the carrier a signal is a
// function call; to another it goes through the mesh. A pid of another environment is nobody's (lunatic-abi.md §2.1).

import type { Exit } from "../../wire/exits.ts";
import { SIGNAL } from "../../wire/layout.ts";
import { slotOf } from "../../wire/pids.ts";
import type { Environment } from "../processes/environment.ts";
import { Fullness } from "../processes/fullness.ts";
import type { Message } from "../processes/mailbox.ts";
import { decodeMessage, encodeMessage } from "../processes/messages.ts";
import type { Process } from "../processes/process.ts";
import type { ProcessConfig } from "../processes/resources.ts";
import { decodeSignal, encodeSignal, isFate, type Signal, type Tell } from "../processes/signals.ts";
import { Backpressure } from "./backpressure.ts";
import type { Task } from "./task.ts";

/** A process in the table: a task of the scheduler, or the request process of a plain actor, which has none. */
export interface Member {
  readonly process: Process;
  readonly environment: Environment;
  readonly task: Task | null;
  /** What it may do; changes only by its spawner's choice. */
  readonly rights: ProcessConfig;
  /** The main thread's name for its module: what it spawns without naming another. */
  readonly module: string;
}

export interface KernelParts {
  readonly slot: number;
  /** Sends a frame to a process of another carrier; false if it is refused for now. */
  readonly toSlot: (
    slot: number,
    kind: number,
    to: number,
    from: number,
    environment: number,
    bytes: Uint8Array,
  ) => boolean;
  /** False while `toSlot` may refuse what goes to a slot. */
  readonly isWritable: (slot: number) => boolean;
  /** A task has something to look at. */
  readonly poke: (task: Task) => void;
  /** A task that does not run now must end. */
  readonly endTask: (task: Task, exit: Exit) => void;
  /** A message to a process that is not there. */
  readonly deadLetter: () => void;
}

const NO_PROCESS: Exit = { reason: "noproc", text: "there is no such process" };
export const NODE_DOWN: Exit = { reason: "killed", text: "its carrier ended" };

export class Kernel {
  readonly #parts: KernelParts;
  readonly #members = new Map<number, Member>();
  readonly #backpressure = new Backpressure((pid) => this.#pokePid(pid));

  constructor(parts: KernelParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#members.size;
  }

  /** Mailboxes that senders of this carrier wait for. */
  get waitedFor(): number {
    return this.#backpressure.waitedFor;
  }

  members(): Iterable<Member> {
    return this.#members.values();
  }

  add(member: Member): void {
    this.#members.set(member.process.pid, member);
    member.process.isListed = true;
  }

  /** The process of that pid in that environment. */
  find(pid: number, environment: number): Member | undefined {
    const member = this.#members.get(pid);
    return member?.environment.spec.id === environment ? member : undefined;
  }

  member(pid: number): Member | undefined {
    return this.#members.get(pid);
  }

  /** The process of that pid, which lives. @throws Error if it does not: a fault of this program */
  memberOf(pid: number): Member {
    const member = this.#members.get(pid);
    if (member === undefined) throw new Error(`process ${pid} is not in the table`);
    return member;
  }

  taskOf(pid: number): Task | null {
    return this.#members.get(pid)?.task ?? null;
  }

  /** A process has ended: it cannot be found any more, and everybody who should know is told (lunatic-abi.md §2.4). */
  remove({ process, environment }: Member, exit: Exit): void {
    if (!this.#members.delete(process.pid)) return;
    process.isListed = false;
    process.end(exit, (to, signal) => this.tell(environment.spec.id, to, signal));
    process.release();
    this.#backpressure.ended(process.pid);
  }

  /** How a process sends signals. */
  tellOf(process: Process): Tell {
    return (to, signal) => this.tell(process.environment, to, signal);
  }

  /** Takes a signal to a process. Who asks for one that is not there is told so. */
  tell(environment: number, to: number, signal: Signal): void {
    const slot = slotOf(to);
    if (slot === this.#parts.slot) {
      const member = this.find(to, environment);
      if (signal.type === "full") this.#backpressure.filled(signal.pid);
      else if (signal.type === "room") this.#backpressure.hasRoom(signal.pid);
      else if (signal.type === "awaits") this.#backpressure.awaits(signal.pid, signal.tag);
      else if (member !== undefined) this.#receive(member, signal);
      else this.#noProcess(environment, to, signal);
    } else if (slot === 0) this.#noProcess(environment, to, signal);
    else {
      const kind = isFate(signal) ? SIGNAL.fate : SIGNAL.signal;
      if (this.#parts.toSlot(slot, kind, to, signal.pid, environment, encodeSignal(signal))) return;
      const sender = this.#members.get(signal.pid)?.process;
      if (sender !== undefined) sender.dying ??= { reason: "trap", text: "too many of its signals wait for a carrier" };
    }
  }

  /**
   * Takes a message to a process. The message's bytes may be used again after the call.
   * @returns false if there is no room for it now: try again when the sender is poked
   */
  send(from: Process, to: number, message: Message): boolean {
    if (from.endsForMemory(this.#members.get(from.pid)?.environment)) return true;
    const slot = slotOf(to);
    if (slot !== this.#parts.slot) {
      const isFull = this.#backpressure.isFullFor(to, message.tag);
      if (isFull) this.#backpressure.waitForRoom(to, from.pid);
      else if (this.#transmit(from, slot, to, message)) return true;
      else this.#backpressure.waitForWay(slot, from.pid);
      return false;
    }
    const member = this.find(to, from.environment);
    if (member === undefined) {
      this.#parts.deadLetter();
      return true;
    }
    const { process } = member;
    if (process.mailbox.isFullFor(message.length)) {
      if (!process.awaited?.includes(message.tag)) {
        if (process.mailbox.length === 0 || to === from.pid) return this.#refuse(from, member, message);
        this.#backpressure.waitForRoom(to, from.pid);
        return false;
      }
      process.awaited = null; // it ends the wait: what comes until its turn needs room again
    }
    this.#put(member, from.handOver(message));
    return true;
  }

  /**
   * Takes a message of a timer to a process: nobody waits for room, and whoever began it may have ended.
   * @returns false if there was no room
   */
  post(from: Process, to: number, message: Message): boolean {
    const slot = slotOf(to);
    if (slot !== this.#parts.slot)
      return !this.#backpressure.isFullFor(to, message.tag) && this.#transmit(from, slot, to, message);
    const member = this.find(to, from.environment);
    if (member === undefined || member.process.mailbox.isFullFor(message.length)) return false;
    this.#put(member, from.handOver(message));
    return true;
  }

  /** What the mesh has refused may go out now. */
  retry(): void {
    this.#backpressure.retry(this.#parts.isWritable);
  }

  /** True if somebody waits until the mesh takes more. */
  get hasBarred(): boolean {
    return this.#backpressure.isBarred;
  }

  /** A process has taken a message out of its mailbox: who waited for room may go on. */
  hasTaken(process: Process): void {
    if (!process.mailbox.hasMuchRoom) return;
    process.fullness?.tellRoom(this.tellOf(process));
    process.fullness = null;
    this.#backpressure.hasRoom(process.pid);
  }

  /** A process begins to wait for `awaited`: however full its mailbox is, who has that may send it (DECISIONS 9.5). */
  awaits(process: Process): void {
    process.fullness?.awaits(process.awaited ?? [], this.tellOf(process));
    this.#backpressure.poke(process.pid);
  }

  /** A frame of another carrier. The bytes are valid during the call. */
  received(
    kind: number,
    to: number,
    from: number,
    environment: number,
    bytes: Uint8Array,
    start: number,
    length: number,
  ): void {
    if (kind === SIGNAL.signal || kind === SIGNAL.fate) {
      this.tell(environment, to, decodeSignal(Buffer.from(bytes.buffer, bytes.byteOffset + start, length)));
      return;
    }
    const member = this.find(to, environment);
    if (member === undefined) {
      this.#parts.deadLetter();
      return;
    }
    const { process, task } = member;
    // Beyond the bound it is taken all the same, and its carrier is told to wait: what is on its way is not much.
    const message = decodeMessage(bytes, start, length);
    process.fullness?.came(message.tag);
    process.mailbox.push(message, false);
    if (process.mailbox.isFullFor(0)) {
      const tell = this.tellOf(process);
      process.fullness ??= new Fullness(to);
      process.fullness.told(from, tell);
      process.fullness.awaits(process.awaited ?? [], tell);
    }
    if (task !== null) this.#parts.poke(task);
  }

  /** A carrier has ended, and all its processes with it: those of its slot below `pidEnd`. */
  slotGone(slot: number, pidEnd: number): void {
    this.#backpressure.slotGone(slot, pidEnd);
    for (const member of [...this.#members.values()]) {
      const { process } = member;
      if (process.pendingSpawns > 0) process.goneMeanwhile(slot, pidEnd);
      process.fullness?.slotGone(slot);
      const known = new Set([...process.links.keys(), ...process.watched]);
      const gone = [...known].filter((pid) => slotOf(pid) === slot && pid < pidEnd);
      for (const pid of gone) {
        const link = process.links.get(pid);
        if (link !== undefined) this.#receive(member, { type: "link_died", pid, tag: link.theirTag, exit: NODE_DOWN });
        this.#receive(member, { type: "process_died", pid, exit: NODE_DOWN });
      }
      if (process.pendingSpawns > 0 && member.task !== null) this.#parts.poke(member.task);
    }
  }

  #receive(member: Member, signal: Signal): void {
    const { process, task } = member;
    process.receive(signal);
    if (task === null) return;
    if (process.dying === null) this.#parts.poke(task);
    else if (task.state !== "running") this.#parts.endTask(task, process.dying);
  }

  #noProcess(environment: number, to: number, signal: Signal): void {
    const { type, pid } = signal;
    if (type === "link" || type === "born") {
      this.tell(environment, pid, { type: "link_died", pid: to, tag: signal.tag, exit: NO_PROCESS });
    } else if (type === "monitor") this.tell(environment, pid, { type: "process_died", pid: to, exit: NO_PROCESS });
  }

  /** A message that will never fit: to oneself, where nobody else could make room, or larger than the whole mailbox. */
  #refuse(from: Process, { process }: Member, message: Message): boolean {
    const { mailbox } = process;
    const whose = process === from ? "its own mailbox" : `the mailbox of process ${process.pid}`;
    from.dying ??= {
      reason: "trap",
      text: `${whose} is full: ${mailbox.length} messages, ${mailbox.bytes} bytes, and ${message.length} more`,
    };
    return true;
  }

  #transmit(from: Process, slot: number, to: number, message: Message): boolean {
    const { isWritable, toSlot } = this.#parts;
    if (!isWritable(slot)) return false;
    const bytes = encodeMessage(message);
    if (!toSlot(slot, SIGNAL.message, to, from.pid, from.environment, bytes)) return false;
    this.#backpressure.sent(to, message.tag);
    return true;
  }

  #put({ process, task }: Member, message: Message): void {
    process.mailbox.push(message, false);
    if (task !== null) this.#parts.poke(task);
  }

  #pokePid(pid: number): void {
    const task = this.#members.get(pid)?.task;
    if (task != null) this.#parts.poke(task);
  }
}
