// The names of processes in one environment (lunatic-abi.md §2.8), and who may put one next. Main thread, pure.
import { slotOf } from "../actors/pids.ts";

const NAMES_MAX = 100_000;

interface Claim {
  /** The process whose turn it is to put the name. */
  readonly by: number;
  /** Those who asked meanwhile, in order. */
  readonly waiting: Asker[];
}

interface Asker {
  readonly by: number;
  readonly answer: (pid: number) => void;
}

export class Names {
  readonly #pids = new Map<string, number>();
  readonly #claims = new Map<string, Claim>();

  /** Names a process, over whoever had the name. @throws Error if there are too many */
  put(name: string, pid: number): void {
    if (!this.#pids.has(name) && this.#pids.size >= NAMES_MAX) throw new Error(`more than ${NAMES_MAX} names`);
    this.#pids.set(name, pid);
    const claim = this.#claims.get(name);
    this.#claims.delete(name);
    for (const { answer } of claim?.waiting ?? []) answer(pid);
  }

  /** The process of that name; 0: none. Waits while another may put it. @param by who asks, if it is a process */
  get(name: string, by = 0): number | Promise<number> {
    const pid = this.#pids.get(name);
    if (pid !== undefined) return pid;
    const claim = this.#claims.get(name);
    return claim === undefined ? 0 : new Promise((answer) => claim.waiting.push({ by, answer }));
  }

  /** As `get`, but if there is none the name is `by`'s to put, and 0 says so. */
  async claim(name: string, by: number): Promise<number> {
    for (;;) {
      const pid = await this.get(name, by);
      if (pid !== 0) return pid;
      if (this.#claims.has(name)) continue;
      this.#claims.set(name, { by, waiting: [] });
      return 0;
    }
  }

  remove(name: string): void {
    this.#pids.delete(name);
    this.#release(name);
  }

  /** A process has ended: its names are gone, and what it had claimed is free. */
  ended(pid: number): void {
    this.#forget((each) => each === pid);
  }

  /** All processes of a carrier have ended. */
  slotGone(slot: number): void {
    this.#forget((pid) => slotOf(pid) === slot);
  }

  #forget(test: (pid: number) => boolean): void {
    for (const [name, pid] of this.#pids) if (test(pid)) this.#pids.delete(name);
    for (const [name, { by, waiting }] of this.#claims) {
      // What they asked is not answered: they could only claim the name, and nobody would put it.
      const living = waiting.filter((asker) => !test(asker.by));
      waiting.splice(0, waiting.length, ...living);
      if (test(by)) this.#release(name);
    }
  }

  #release(name: string): void {
    const claim = this.#claims.get(name);
    this.#claims.delete(name);
    for (const { answer } of claim?.waiting ?? []) answer(0);
  }
}
