// Makes modules light in the background, one at a time, and remembers what became of each.
import { InTurn } from "../../wire/in-turn.ts";
import { FrenezuloError } from "../errors.ts";
import { after } from "../timer.ts";
import { Flights } from "./flights.ts";
import type { Light, LightCache } from "./light-cache.ts";
import { Rewriter } from "./rewriter.ts";

export interface LightenerOptions {
  readonly cache: LightCache;
  /** Milliseconds for one module, from when its turn comes (limits.rewrite). */
  readonly rewriteMs: number;
  /** Bytes; larger modules are not rewritten (limits.rewrite_bytes). */
  readonly bytesMax: number;
  /** What could not be kept, and so is rewritten again when the node starts the next time. */
  readonly onCacheFailure?: (digest: string, error: unknown) => void;
}

export class Lightener {
  readonly #options: LightenerOptions;
  readonly #rewriter = new Rewriter();
  readonly #flights = new Flights<Light>();
  readonly #turns = new InTurn();
  #isClosed = false;

  constructor(options: LightenerOptions) {
    this.#options = options;
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
    await this.#rewriter.stop();
  }

  async #get(digest: string, bytes: Uint8Array, stop: AbortSignal): Promise<Light> {
    const { bytesMax, rewriteMs } = this.#options;
    const kept = await this.#options.cache.get(digest);
    const isWorthATrial = kept !== undefined && "reason" in kept && (kept.limitMs ?? rewriteMs) < rewriteMs;
    if (kept !== undefined && !isWorthATrial) return kept;
    if (bytes.length > bytesMax) return { reason: `it has ${bytes.length} bytes, limits.rewrite_bytes is ${bytesMax}` };
    const { light, isFinal } = await this.#turns.run(() => this.#rewrite(bytes, stop));
    if (isFinal) await this.#keep(digest, light);
    return light;
  }

  async #rewrite(bytes: Uint8Array, stop: AbortSignal): Promise<{ light: Light; isFinal: boolean }> {
    const { rewriteMs } = this.#options;
    const late = new AbortController();
    const timer = after(rewriteMs, () => late.abort());
    try {
      const answer = await this.#rewriter.run(bytes, AbortSignal.any([stop, late.signal]));
      if ("bytes" in answer) return { light: answer, isFinal: true };
      return { light: { reason: answer.why }, isFinal: answer.isFinal };
    } catch (thrown) {
      if (!late.signal.aborted || stop.aborted) throw thrown;
      const reason = `its rewrite took longer than limits.rewrite, ${rewriteMs} ms`;
      return { light: { reason, limitMs: rewriteMs }, isFinal: true };
    } finally {
      timer.cancel();
    }
  }

  async #keep(digest: string, light: Light): Promise<void> {
    try {
      await this.#options.cache.put(digest, light);
    } catch (thrown) {
      this.#options.onCacheFailure?.(digest, thrown);
    }
  }
}
