// How often one kind of failure may be logged: a few at once, then one each period, with a count of the others. Pure.

const burst = 5;
const periodMs = 10_000;
/** Kinds remembered; beyond it the oldest is forgotten. 10,000 services with a few failures each. */
const kindsMax = 50_000;

interface Kind {
  startMs: number;
  logged: number;
  suppressed: number;
}

export class LogRate {
  readonly #kinds = new Map<string, Kind>();

  /**
   * Whether a failure of this kind is logged now; if so, how many were left out since the last one that was.
   * @param nowMs any monotonic clock
   */
  admit(kind: string, nowMs: number): { readonly suppressed: number } | undefined {
    const known = this.#kinds.get(kind);
    if (known === undefined) {
      const [oldest] = this.#kinds.keys();
      if (this.#kinds.size >= kindsMax && oldest !== undefined) this.#kinds.delete(oldest);
      this.#kinds.set(kind, { startMs: nowMs, logged: 1, suppressed: 0 });
      return { suppressed: 0 };
    }
    if (nowMs - known.startMs >= periodMs) {
      // A quiet period gives the whole burst back; a busy one only one line.
      known.logged = known.suppressed === 0 ? 0 : burst - 1;
      known.startMs = nowMs;
    }
    if (known.logged >= burst) {
      known.suppressed++;
      return undefined;
    }
    known.logged++;
    const { suppressed } = known;
    known.suppressed = 0;
    return { suppressed };
  }
}
