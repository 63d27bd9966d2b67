// Answers that clients have not taken: how many bytes of them the node and each service holds.
//
// A service that holds its part begins nothing new until its clients have taken some, and of these the slowest are cut.
// When the node holds too much, the parts are those of an even division.

/** Between two cuts of the slowest; what is younger is not judged. ms */
const TICK_MS = 1000;
/** Cut until no more than this part of what is allowed is left. */
const CUT_TO = 0.75;

export interface UnsentLimits {
  readonly bytes: number;
  /** The part of it that one service may hold. Above 0, to 1 */
  readonly serviceShare: number;
}

/** What is left of one answer, in memory until it is taken. */
export interface Rest {
  readonly bytes: number;
  /** performance.now() of its begin. ms */
  readonly sinceMs: number;
  /** Of it the client has taken so many bytes. */
  readonly taken: number;
  /** Cuts its connection; called in a turn of its own. */
  cut(): void;
}

/** The answers of a service; of no service, those of the admin routes. */
export class UnsentAnswers {
  bytes = 0;
  /** The service holds its part: it begins no request. */
  isFull = false;
}

/** Of the node. */
export class Unsent {
  bytes = 0;
  /** Clients that were cut for being the slowest. */
  cut = 0;
  readonly #limits: UnsentLimits;
  /** Services that hold any, and what. */
  readonly #holders = new Map<UnsentAnswers, Set<Rest>>();
  #timer: NodeJS.Timeout | undefined;

  constructor(limits: UnsentLimits) {
    this.#limits = limits;
  }

  add(holder: UnsentAnswers, rest: Rest): void {
    const rests = this.#holders.get(holder);
    if (rests === undefined) this.#holders.set(holder, new Set([rest]));
    else rests.add(rest);
    holder.bytes += rest.bytes;
    this.bytes += rest.bytes;
    this.#judge();
  }

  /** It was taken, or its client has gone. Does nothing the second time. */
  remove(holder: UnsentAnswers, rest: Rest): void {
    const rests = this.#holders.get(holder);
    if (!rests?.delete(rest)) return;
    holder.bytes -= rest.bytes;
    this.bytes -= rest.bytes;
    if (rests.size === 0) {
      this.#holders.delete(holder);
      holder.isFull = false;
    }
    this.#judge();
  }

  /** What each service may hold now. */
  get #part(): number {
    const { bytes, serviceShare } = this.#limits;
    const part = bytes * serviceShare;
    return this.bytes < bytes ? part : Math.min(part, bytes / this.#holders.size);
  }

  #judge(): void {
    const part = this.#part;
    let isAnyFull = false;
    for (const holder of this.#holders.keys()) {
      holder.isFull = holder.bytes >= part;
      isAnyFull ||= holder.isFull;
    }
    if (isAnyFull) this.#timer ??= setTimeout(() => this.#tick(), TICK_MS).unref();
  }

  #tick(): void {
    this.#timer = undefined;
    const part = this.#part;
    for (const [holder, rests] of [...this.#holders]) {
      if (holder.isFull) this.#cutSlowest(holder, rests, CUT_TO * part);
    }
    this.#judge();
  }

  /** A single answer may be larger than the part of its service: the last one is never cut. */
  #cutSlowest(holder: UnsentAnswers, rests: ReadonlySet<Rest>, bytesMax: number): void {
    const nowMs = performance.now();
    const speed = ({ taken, sinceMs }: Rest): number => taken / (nowMs - sinceMs);
    const judged = [...rests].filter(({ sinceMs }) => nowMs - sinceMs >= TICK_MS);
    judged.sort((a, b) => speed(a) - speed(b));
    for (const rest of judged) {
      if (holder.bytes <= bytesMax || rests.size === 1) return;
      this.cut++;
      rest.cut();
      this.remove(holder, rest);
    }
  }
}
