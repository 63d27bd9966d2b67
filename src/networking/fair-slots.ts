// Things that only so many may do at a time: slots, fair between environments, however long one of them keeps its own.
//
// An environment takes at most a part of what is free, and its first slot in any case. So whoever takes all it can get
// leaves room for those that come, and the more take much, the less each of them gets (Choudhury and Hahne's dynamic
// thresholds). Whoever is over what it may waits; slots that become free go round.
import { NetworkError } from "./call.ts";

interface Waiting {
  readonly begin: () => void;
}

/** What one environment has and wants. */
interface Lane {
  readonly environment: number;
  readonly perSecond: number;
  readonly waiting: Set<Waiting>;
  running: number;
  /** When all that it has begun would have begun at an even pace. ms */
  evenMs: number;
  timer: NodeJS.Timeout | null;
  /** True while its rate must be remembered when it has and wants nothing. */
  isKept: boolean;
}

export interface FairSlotsOptions {
  readonly slots: number;
  /** One environment has at most this part of the free ones, and one. */
  readonly part: number;
  /** Of one environment. */
  readonly waitingMax: number;
  /** For the text of the refusal. */
  readonly what: string;
  /** ms of a monotonic clock */
  readonly now?: () => number;
}

export class FairSlots {
  readonly #options: FairSlotsOptions;
  readonly #now: () => number;
  readonly #lanes = new Map<number, Lane>();
  /** Those in which something waits, the next one first. */
  readonly #wanting = new Set<Lane>();
  #free: number;

  constructor(options: FairSlotsOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#free = options.slots;
  }

  /** Gives an environment a rate, until `forget`: so many may begin in a second, all of a second's at once. */
  open(environment: number, perSecond: number): void {
    this.#add(environment, perSecond);
  }

  get free(): number {
    return this.#free;
  }

  /**
   * Resolves with a slot, to be given back by `release`.
   * @throws NetworkError if too many wait; the signal's reason if it is aborted before
   */
  async take(environment: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const lane = this.#lanes.get(environment) ?? this.#add(environment, Number.POSITIVE_INFINITY);
    if (lane.waiting.size >= this.#options.waitingMax) {
      throw new NetworkError(`too many ${this.#options.what}: ${lane.waiting.size} of this service wait already`);
    }
    await new Promise<void>((resolve, reject) => {
      const leave = (): void => {
        lane.waiting.delete(waiting);
        reject(signal.reason);
        this.#settle(lane);
      };
      const waiting: Waiting = {
        begin: () => {
          signal.removeEventListener("abort", leave);
          resolve();
        },
      };
      signal.addEventListener("abort", leave);
      lane.waiting.add(waiting);
      this.#wanting.add(lane);
      this.#fill(lane);
    });
  }

  /** Gives a slot back. */
  release(environment: number): void {
    const lane = this.#lanes.get(environment);
    if (lane === undefined || lane.running === 0) return;
    lane.running--;
    this.#free++;
    if (this.#wanting.delete(lane)) this.#wanting.add(lane);
    this.#settle(lane);
    for (const each of this.#wanting) {
      if (this.#free === 0) return;
      this.#fill(each);
    }
  }

  /** The environment has ended: its rate need not be remembered. */
  forget(environment: number): void {
    const lane = this.#lanes.get(environment);
    if (lane === undefined) return;
    lane.isKept = false;
    this.#settle(lane);
  }

  #add(environment: number, perSecond: number): Lane {
    const isKept = perSecond !== Number.POSITIVE_INFINITY;
    const lane: Lane = { environment, perSecond, waiting: new Set(), running: 0, evenMs: 0, timer: null, isKept };
    this.#lanes.set(environment, lane);
    return lane;
  }

  /** Begins what may begin; the lane then goes to the end of those that want something. */
  #fill(lane: Lane): void {
    for (const waiting of lane.waiting) {
      if (!this.#mayBegin(lane) || !this.#isDue(lane)) return;
      lane.waiting.delete(waiting);
      lane.running++;
      this.#free--;
      lane.evenMs = Math.max(lane.evenMs, this.#now()) + 1000 / lane.perSecond;
      this.#wanting.delete(lane);
      if (lane.waiting.size > 0) this.#wanting.add(lane);
      waiting.begin();
    }
  }

  #mayBegin({ running }: Lane): boolean {
    return this.#free > 0 && (running === 0 || running < this.#free * this.#options.part);
  }

  /** True if its rate allows one more; if not, it is filled again when it does. */
  #isDue(lane: Lane): boolean {
    const earlyMs = lane.evenMs - this.#now() - (1000 - 1000 / lane.perSecond);
    if (earlyMs <= 0) return true;
    lane.timer ??= setTimeout(() => {
      lane.timer = null;
      this.#fill(lane);
    }, Math.ceil(earlyMs));
    return false;
  }

  /** Lets go of a lane that has and wants nothing. */
  #settle(lane: Lane): void {
    if (lane.waiting.size > 0) return;
    this.#wanting.delete(lane);
    clearTimeout(lane.timer ?? undefined);
    lane.timer = null;
    if (lane.running === 0 && !lane.isKept && this.#lanes.get(lane.environment) === lane) {
      this.#lanes.delete(lane.environment);
    }
  }
}
