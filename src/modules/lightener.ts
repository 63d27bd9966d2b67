// Makes modules light in the background, in two lanes, and remembers what became of each.
//
// A module that Binaryen chews for minutes must not keep all others waiting. Each begins in the quick lane; what takes
// longer there than most is begun anew in the slow one, under a budget of processor time by its size. In both the
// smallest of those that wait comes first.
import { FrenezuloError } from "../errors.ts";
import { after } from "../timer.ts";
import { Flights } from "./flights.ts";
import { Lane } from "./lane.ts";
import type { Light, LightCache } from "./light-cache.ts";
import { Rewriter } from "./rewriter.ts";

export interface LightenerOptions {
  readonly cache: LightCache;
  /** Milliseconds for one module, from when its turn comes in either lane (limits.rewrite). */
  readonly rewriteMs: number;
  /** Processor time in the quick lane, and the least in the slow one. ms; 10 s if not given */
  readonly quickMs?: number;
  /** Bytes; larger modules are not rewritten (limits.rewrite_bytes). */
  readonly bytesMax: number;
  /** Of the process that rewrites: above 0 it gives way to all else, which is minutes on a machine that is busy. */
  readonly niceness: number;
  /** What could not be kept, and so is rewritten again when the node starts the next time. */
  readonly onCacheFailure?: (digest: string, error: unknown) => void;
}

/** Processor time in the quick lane. ms. M: 2 s for a module of AssemblyScript, 5 s for Rust's 263 kB. */
const QUICK_MS = 10_000;
/** Processor time in the slow lane: parts of limits.rewrite, the second for each MiB. M: 20 s for a MB, of 600 s. */
const PART = 1 / 20;
const PART_MIB = 1 / 3;
/** How often the processor time is looked at. ms */
const LOOK_MS = 500;

interface Outcome {
  readonly light: Light;
  /** True if it is worth keeping. */
  readonly isFinal: boolean;
}

/** Where a module is rewritten: one at a time. */
interface Way {
  readonly lane: Lane;
  readonly rewriter: Rewriter;
}

export class Lightener {
  readonly #options: LightenerOptions;
  readonly #quick: Way;
  readonly #slow: Way;
  readonly #flights = new Flights<Light>();
  #isClosed = false;

  constructor(options: LightenerOptions) {
    this.#options = options;
    const { niceness } = options;
    this.#quick = { lane: new Lane(), rewriter: new Rewriter(niceness) };
    this.#slow = { lane: new Lane(), rewriter: new Rewriter(niceness) };
  }

  /** What became of a module, if it was ever rewritten. @throws what the cache throws */
  get(digest: string): Promise<Light | undefined> {
    return this.#options.cache.get(digest);
  }

  /**
   * The light module, or why there is none: what is kept, or else rewritten when its turn comes, which takes seconds
   * to minutes. Callers with the same digest share one rewrite.
   * @param digest sha256 of `bytes`, hex
   * @param bytes the module as it was given; they must not change until this settles
   * @param signal gives up waiting; the rewrite itself ends when nobody waits for it any more
   * @throws draining after `close`, the signal's reason, or what the cache throws when it is read
   */
  async want(digest: string, bytes: Uint8Array, signal?: AbortSignal): Promise<Light> {
    signal?.throwIfAborted();
    if (this.#isClosed) throw new FrenezuloError("draining");
    return this.#flights.join(digest, (stop) => this.#get(digest, bytes, stop.signal), signal);
  }

  /** Keeps why a light module is not to be used. */
  giveUp(digest: string, reason: string): Promise<void> {
    return this.#keep(digest, { reason });
  }

  /** Ends the rewrite that runs; who waits gets draining. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#flights.close();
    await this.#quick.rewriter.stop();
    await this.#slow.rewriter.stop();
  }

  async #get(digest: string, bytes: Uint8Array, stop: AbortSignal): Promise<Light> {
    const { bytesMax, rewriteMs, quickMs = QUICK_MS } = this.#options;
    const kept = await this.#options.cache.get(digest);
    const isWorthATrial = kept !== undefined && "reason" in kept && (kept.limitMs ?? rewriteMs) < rewriteMs;
    if (kept !== undefined && !isWorthATrial) return kept;
    if (bytes.length > bytesMax) return { reason: `it has ${bytes.length} bytes, limits.rewrite_bytes is ${bytesMax}` };
    const { light, isFinal } =
      (await this.#rewrite(this.#quick, bytes, stop, quickMs)) ?? (await this.#rewriteSlowly(bytes, stop));
    if (isFinal) await this.#keep(digest, light);
    return light;
  }

  async #rewriteSlowly(bytes: Uint8Array, stop: AbortSignal): Promise<Outcome> {
    const { rewriteMs, quickMs = QUICK_MS } = this.#options;
    const part = Math.min(1, PART + (PART_MIB * bytes.length) / 2 ** 20);
    const cpuMs = Math.max(quickMs, Math.round(rewriteMs * part));
    const outcome = await this.#rewrite(this.#slow, bytes, stop, cpuMs);
    if (outcome !== null) return outcome;
    const reason = `its rewrite took longer than ${cpuMs} ms of processor time, which is its part of limits.rewrite`;
    return { light: { reason, limitMs: rewriteMs }, isFinal: true };
  }

  /** What became of it when its turn came; null: it took more processor time than it may. */
  #rewrite({ lane, rewriter }: Way, bytes: Uint8Array, stop: AbortSignal, cpuMs: number): Promise<Outcome | null> {
    const { rewriteMs } = this.#options;
    return lane.run(bytes.length, async () => {
      const late = new AbortController();
      const greedy = new AbortController();
      const timer = after(rewriteMs, () => late.abort());
      const before = rewriter.cpuMs;
      const look = setInterval(() => {
        if (rewriter.cpuMs - before > cpuMs) greedy.abort();
      }, LOOK_MS);
      try {
        const answer = await rewriter.run(bytes, AbortSignal.any([stop, late.signal, greedy.signal]));
        if ("bytes" in answer) return { light: answer, isFinal: true };
        return { light: { reason: answer.why }, isFinal: answer.isFinal };
      } catch (thrown) {
        if (stop.aborted) throw thrown;
        if (greedy.signal.aborted) return null;
        if (!late.signal.aborted) throw thrown;
        const reason = `its rewrite took longer than limits.rewrite, ${rewriteMs} ms`;
        return { light: { reason, limitMs: rewriteMs }, isFinal: true };
      } finally {
        clearInterval(look);
        timer.cancel();
      }
    });
  }

  async #keep(digest: string, light: Light): Promise<void> {
    try {
      await this.#options.cache.put(digest, light);
    } catch (thrown) {
      this.#options.onCacheFailure?.(digest, thrown);
    }
  }
}
