// Work that guests ask of the main thread: in slices, one a turn of the loop, each environment in its turn.
//
// Whoever asks much waits for itself: between two slices the loop does all else, and within one the environments share
// the time, not the number of what they ask for.

/** For whom work is done. It is dropped with its process or carrier. */
export interface Owner {
  readonly environment: number;
  /** 0: nobody's, it is done whoever ends. */
  readonly pid: number;
  readonly slot: number;
}

/** For work of an environment that is done whoever ends. */
export function nobodyOf(environment: number): Owner {
  return { environment, pid: 0, slot: 0 };
}

interface Task {
  readonly owner: Owner;
  readonly work: () => void;
  readonly afterwardsMs: number;
}

/** What waits of one environment. */
interface Lane {
  readonly tasks: Set<Task>;
  /** What it may take before the others have their turn; less than 0: it has taken more. ms */
  creditMs: number;
}

/** A turn's share of the main thread: a request takes a few turns, and each may be this much later. ms */
const SLICE_MS = 2;
/** Of one environment, before the next one has its turn. ms */
const QUANTUM_MS = 0.5;

export interface SlicesOptions {
  readonly sliceMs?: number;
  /** ms of a monotonic clock */
  readonly now?: () => number;
}

export class Slices {
  readonly #sliceMs: number;
  readonly #now: () => number;
  /** By environment, the next one first. */
  readonly #lanes = new Map<number, Lane>();
  /** Of processes: each waits for one answer at a time. */
  readonly #byPid = new Map<number, Task>();
  #spentMs = 0;
  #hasTurn = false;

  constructor({ sliceMs = SLICE_MS, now = () => performance.now() }: SlicesOptions = {}) {
    this.#sliceMs = sliceMs;
    this.#now = now;
  }

  /** Tasks that wait for a turn. */
  get waiting(): number {
    let count = 0;
    for (const { tasks } of this.#lanes.values()) count += tasks.size;
    return count;
  }

  /**
   * Does the work at once if this turn has time left and nobody waits, else in a later turn. If its process or carrier
   * ends before, it is not done, and the promise stays open: what has taken something already is nobody's (pid 0).
   * @param afterwardsMs what it costs in this turn when it has returned
   * @throws what the work throws
   */
  run<T>(owner: Owner, work: () => T, afterwardsMs = 0): T | Promise<T> {
    if (this.#lanes.size === 0 && this.#spentMs < this.#sliceMs) {
      const began = this.#now();
      try {
        return work();
      } finally {
        this.#spentMs += this.#now() - began + afterwardsMs;
        this.#nextTurn();
      }
    }
    return new Promise((resolve, reject) => {
      this.#add({
        owner,
        afterwardsMs,
        work: () => {
          try {
            resolve(work());
          } catch (thrown) {
            reject(thrown);
          }
        },
      });
    });
  }

  /** A process has ended: what it waits for is not done. */
  endProcess(pid: number): void {
    const task = this.#byPid.get(pid);
    if (task !== undefined) this.#drop(task);
  }

  /** A carrier has ended, and its processes. */
  endSlot(slot: number): void {
    for (const task of this.#byPid.values()) if (task.owner.slot === slot) this.#drop(task);
  }

  #add(task: Task): void {
    const { environment, pid } = task.owner;
    const lane = this.#lanes.get(environment) ?? { tasks: new Set(), creditMs: 0 };
    this.#lanes.set(environment, lane);
    lane.tasks.add(task);
    if (pid !== 0) this.#byPid.set(pid, task);
    this.#nextTurn();
  }

  #drop(task: Task): void {
    const { environment, pid } = task.owner;
    if (this.#byPid.get(pid) === task) this.#byPid.delete(pid);
    const lane = this.#lanes.get(environment);
    lane?.tasks.delete(task);
    if (lane?.tasks.size === 0) this.#lanes.delete(environment);
  }

  #nextTurn(): void {
    if (this.#hasTurn) return;
    this.#hasTurn = true;
    setImmediate(() => {
      this.#hasTurn = false;
      this.#spentMs = 0;
      this.#turn();
    });
  }

  /** At least one task, and no further one once the slice is spent. */
  #turn(): void {
    let done = 0;
    for (const [environment, lane] of this.#lanes) {
      // To the end, where this loop comes to it again; one that took too much is passed over until it has made up.
      this.#lanes.delete(environment);
      this.#lanes.set(environment, lane);
      lane.creditMs = Math.min(QUANTUM_MS, lane.creditMs + QUANTUM_MS);
      for (const task of lane.tasks) {
        if (done > 0 && this.#spentMs >= this.#sliceMs) {
          this.#nextTurn();
          return;
        }
        if (lane.creditMs <= 0) break;
        this.#drop(task);
        const began = this.#now();
        task.work();
        const tookMs = this.#now() - began + task.afterwardsMs;
        lane.creditMs -= tookMs;
        this.#spentMs += tookMs;
        done++;
      }
    }
  }
}
