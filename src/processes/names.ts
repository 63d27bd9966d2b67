// The names of processes in one environment (lunatic-abi.md §2.8), and who may put one next. Pure.
import { textCost } from "../../wire/cost.ts";
import { slotOf } from "../../wire/pids.ts";

/** Names and claims together: the main thread keeps them, of 1 KiB at most. */
const NAMES_MAX = 100_000;

/** Entries of maps and sets for it. */
const NAME_COST = 256;

/** The memory of the environment, in which names count. */
export interface NamesMemory {
  hold(change: number): void;
  hasRoomFor(bytes: number): boolean;
  readonly limitText: string;
}

/** Somebody who asked while a name was claimed. */
interface Waiting {
  readonly answer: (pid: number) => void;
  /** True if it wants to put the name where the claimer does not. */
  readonly isClaim: boolean;
}

interface Claim {
  /** The process whose turn it is to put the name. */
  readonly by: number;
  /** Those who asked meanwhile, in order: a process waits for one answer at a time. */
  readonly waiting: Map<number, Waiting>;
}

export class Names {
  /** A name is one process's, or claimed, or nobody's. */
  readonly #pids = new Map<string, number>();
  readonly #claims = new Map<string, Claim>();
  /** Names that a process has, has claimed or waits for. */
  readonly #known = new Map<number, Set<string>>();

  readonly #memory: NamesMemory | null;

  constructor(memory: NamesMemory | null = null) {
    this.#memory = memory;
  }

  /** Names a process, over whoever had the name. @throws Error if there are too many */
  put(name: string, pid: number): void {
    const before = this.#pids.get(name);
    if (before !== undefined) this.#unknow(before, name);
    else if (!this.#claims.has(name)) this.#assertRoom();
    if (before === undefined) this.#count(name, 1);
    this.#release(name, pid);
    this.#pids.set(name, pid);
    this.#know(pid, name);
  }

  /**
   * The process of that name; 0: none, also for who may put it itself. Waits while another may.
   * @param by who asks, if it is a process
   */
  get(name: string, by = 0): number | Promise<number> {
    const pid = this.#pids.get(name);
    if (pid !== undefined) return pid;
    const claim = this.#claims.get(name);
    if (claim === undefined || claim.by === by) return 0;
    return this.#wait(claim, name, by, false);
  }

  /**
   * As `get`, but if there is none the name is `by`'s to put, and 0 says so.
   * @throws Error if there are too many names
   */
  claim(name: string, by: number): number | Promise<number> {
    const pid = this.#pids.get(name);
    if (pid !== undefined) return pid;
    const claim = this.#claims.get(name);
    if (claim?.by === by) return 0; // as before
    if (claim !== undefined) return this.#wait(claim, name, by, true);
    this.#assertRoom();
    this.#setClaim(name, by);
    this.#know(by, name);
    return 0;
  }

  remove(name: string): void {
    const pid = this.#pids.get(name);
    if (pid !== undefined) this.#forget(pid, name);
    this.#release(name, 0);
  }

  /** Who may put a name, or waits to, will not: those who wait for it go on. Nothing if it is neither. */
  unclaim(name: string, by: number): void {
    const claim = this.#claims.get(name);
    if (claim?.by === by) this.#release(name, 0);
    else if (claim?.waiting.delete(by)) this.#unknow(by, name);
  }

  /** A process has ended: its names are gone, and what it had claimed is free. */
  ended(pid: number): void {
    for (const name of this.#known.get(pid) ?? []) {
      // What it asked is not answered: it could only claim the name, and nobody would put it.
      this.#claims.get(name)?.waiting.delete(pid);
      if (this.#claims.get(name)?.by === pid) this.#release(name, 0);
      else if (this.#pids.get(name) === pid) this.#forget(pid, name);
    }
    this.#known.delete(pid);
  }

  /** All processes of a carrier have ended. */
  slotGone(slot: number): void {
    const gone = [...this.#known.keys()].filter((pid) => slotOf(pid) === slot);
    // None of them may claim what another of them lets go.
    for (const pid of gone) for (const name of this.#known.get(pid) ?? []) this.#claims.get(name)?.waiting.delete(pid);
    for (const pid of gone) this.ended(pid);
  }

  #wait(claim: Claim, name: string, by: number, isClaim: boolean): Promise<number> {
    this.#know(by, name);
    return new Promise((answer) => claim.waiting.set(by, { answer, isClaim }));
  }

  /** A claim is over: those who wait get what came of it. If nothing did, it is the next one's, who may end at once. */
  #release(name: string, pid: number): void {
    const claim = this.#claims.get(name);
    if (claim === undefined) return;
    this.#claims.delete(name);
    this.#count(name, -1);
    this.#unknow(claim.by, name);
    for (const [by, waiting] of claim.waiting) {
      const next = this.#claims.get(name);
      if (pid === 0 && waiting.isClaim && next !== undefined) {
        next.waiting.set(by, waiting);
        continue;
      }
      if (pid === 0 && waiting.isClaim) this.#setClaim(name, by);
      else this.#unknow(by, name);
      waiting.answer(pid);
    }
  }

  #assertRoom(): void {
    if (this.#pids.size + this.#claims.size >= NAMES_MAX) throw new Error(`more than ${NAMES_MAX} names`);
    if (this.#memory?.hasRoomFor(0) === false) throw new Error(this.#memory.limitText);
  }

  #setClaim(name: string, by: number): void {
    this.#claims.set(name, { by, waiting: new Map() });
    this.#count(name, 1);
  }

  #forget(pid: number, name: string): void {
    this.#pids.delete(name);
    this.#count(name, -1);
    this.#unknow(pid, name);
  }

  /** Of names and claims. */
  #count(name: string, change: 1 | -1): void {
    this.#memory?.hold(change * (NAME_COST + textCost(name)));
  }

  #know(pid: number, name: string): void {
    const names = this.#known.get(pid);
    if (names === undefined) this.#known.set(pid, new Set([name]));
    else names.add(name);
  }

  #unknow(pid: number, name: string): void {
    const names = this.#known.get(pid);
    names?.delete(name);
    if (names?.size === 0) this.#known.delete(pid);
  }
}
