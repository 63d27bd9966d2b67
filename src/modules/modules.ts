// Bytes → checked, rewritten, compiled module, kept by digest. The work is done on tinypool's threads, and what could
// cost too much is compiled on trial in a process before.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Tinypool } from "tinypool";
import { InTurn } from "../../wire/in-turn.ts";
import type { ModuleInfo } from "../../wire/specs.ts";
import { distFile } from "../dist-file.ts";
import { FrenezuloError, reasonOf } from "../errors.ts";
import { copyInSlices } from "../slices.ts";
import { ModuleCache } from "./cache.ts";
import type { CompileJob, CompileOutcome } from "./compile-worker.ts";
import { Flights } from "./flights.ts";
import type { ScanLimits } from "./storage.ts";
import type { Trial } from "./trial.ts";
import { tryOut } from "./trials.ts";

const REFUSED_MAX = 1_000;

export interface IntakeLimits extends ScanLimits {
  /** Bytes of the module as it is given. */
  readonly moduleBytesMax: number;
  /** Milliseconds for scan and compilation, from when a thread takes the job. */
  readonly compileMs: number;
}

export interface CompiledModule {
  /** sha256 of the bytes as they were given, hex. */
  readonly digest: string;
  /** Bytes as given. */
  readonly bytes: number;
  readonly module: WebAssembly.Module;
  readonly info: ModuleInfo;
  /** Bytes of the code section; V8 needs about five times as much for its machine code. */
  readonly codeBytes: number;
  /** True if it imports what has to do with other processes than its own request's. */
  readonly usesProcesses: boolean;
}

export class Modules {
  /** Threads that compile at most at once; they count in the node's thread budget. */
  readonly threads: number;
  readonly #pool: Tinypool;
  readonly #cache: ModuleCache<CompiledModule>;
  readonly #flights = new Flights<CompiledModule>();
  /** One at a time: each may take much memory. */
  readonly #trials = new InTurn();
  /** What a trial has refused: the same bytes do not get another. */
  readonly #refused = new Map<string, FrenezuloError>();
  /** Starts of jobs that wait for a free thread. */
  readonly #queue: (() => void)[] = [];
  #running = 0;
  #isClosed = false;

  /**
   * @param options.threads at least 1; one is started at once and kept
   * @param options.cacheBytesMax bytes of all modules kept (as given; their code is a part of them)
   * @throws Error if the bundled worker is missing
   */
  constructor(options: { readonly threads: number; readonly cacheBytesMax: number; readonly modulesMax: number }) {
    const filename = fileURLToPath(distFile("compile-worker.js"));
    if (!existsSync(filename)) throw new Error(`${filename} is missing: run npm run build`);
    this.threads = options.threads;
    this.#cache = new ModuleCache({ bytesMax: options.cacheBytesMax, countMax: options.modulesMax });
    this.#pool = new Tinypool({
      filename,
      name: "compileModule",
      runtime: "worker_threads",
      minThreads: 1,
      maxThreads: options.threads,
      idleTimeout: 30_000,
    });
    // A thread that dies while it loads: without a listener the event throws here, and its job waits for ever.
    this.#pool.on("error", (error) => this.#flights.stopAll(new FrenezuloError("internal", {}, { cause: error })));
  }

  /** A module that is kept, compiled under the same memory and table limits, light or not. Counts as a use of it. */
  get(digest: string, limits: ScanLimits): CompiledModule | undefined {
    return this.#cache.get(cacheKey(digest, limits));
  }

  /** Lets go of a module, under whatever limits it was compiled. */
  forget(digest: string): void {
    this.#cache.deleteWhere((key) => key.startsWith(`${digest}:`));
  }

  /**
   * Checks and compiles, or returns what is kept. Callers with the same bytes and limits share one compilation.
   * @param signal gives up waiting; the job itself ends when nobody waits for it any more
   * @throws module_too_large, bad_module, unknown_import, missing_entry, module_limits, compile_timeout, draining, or
   *   the signal's reason
   */
  async compile(bytes: Uint8Array, limits: IntakeLimits, signal?: AbortSignal): Promise<CompiledModule> {
    signal?.throwIfAborted();
    if (bytes.length > limits.moduleBytesMax) {
      throw new FrenezuloError("module_too_large", { limit: limits.moduleBytesMax });
    }
    // A copy: what is digested is what is compiled, whatever the caller does meanwhile, and it moves to the thread.
    const { copy, digest } = await copyInSlices(bytes);
    signal?.throwIfAborted();
    const kept = this.get(digest, limits);
    if (kept !== undefined) return kept;
    if (this.#isClosed) throw new FrenezuloError("draining");

    const key = cacheKey(digest, limits);
    const refused = this.#refused.get(key);
    if (refused !== undefined) throw refused;
    return this.#flights.join(key, (stop) => this.#run(key, digest, copy, limits, stop), signal);
  }

  /** Ends all threads; compilations that run reject with draining. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#flights.close();
    await this.#pool.destroy();
  }

  async #run(
    key: string,
    digest: string,
    bytes: Uint8Array<ArrayBuffer>,
    limits: IntakeLimits,
    stop: AbortController,
  ): Promise<CompiledModule> {
    const size = bytes.length;
    const outcome = await this.#onThread(() =>
      this.#runJob({ bytes, limits: scanLimits(limits) }, limits.compileMs, stop),
    );
    if (!outcome.ok) throw new FrenezuloError(outcome.code, outcome.details);
    const { module, info, codeBytes, usesProcesses, trial } = outcome;
    // Not on a thread's time: what needs no trial does not wait for those that do.
    if (trial !== null) await this.#try(key, trial, stop.signal);
    const compiled: CompiledModule = { digest, bytes: size, module, info, codeBytes, usesProcesses };
    this.#cache.put(key, compiled, size);
    return compiled;
  }

  async #try(key: string, trial: Trial, signal: AbortSignal): Promise<void> {
    try {
      await this.#trials.run(() => tryOut(trial, signal));
    } catch (thrown) {
      if (thrown instanceof FrenezuloError && thrown.code === "module_limits") {
        const [oldest] = this.#refused.keys();
        if (this.#refused.size >= REFUSED_MAX && oldest !== undefined) this.#refused.delete(oldest);
        this.#refused.set(key, thrown);
      }
      throw thrown;
    }
  }

  async #onThread<T>(job: () => Promise<T>): Promise<T> {
    try {
      await this.#takeThread();
      return await job();
    } finally {
      this.#releaseThread();
    }
  }

  async #runJob(job: CompileJob, compileMs: number, stop: AbortController): Promise<CompileOutcome> {
    const timer = setTimeout(() => stop.abort(new FrenezuloError("compile_timeout", { ms: compileMs })), compileMs);
    try {
      stop.signal.throwIfAborted();
      // An abort terminates the thread and starts another (measured: 32 ms for a spinning one).
      const options = { signal: stop.signal, transferList: [job.bytes.buffer] };
      return (await this.#pool.run(job, options)) as CompileOutcome;
    } catch (thrown) {
      if (stop.signal.aborted) throw stop.signal.reason;
      throw new FrenezuloError("bad_module", { why: `the compiling thread gave up: ${reasonOf(thrown)}` });
    } finally {
      clearTimeout(timer);
    }
  }

  /** tinypool has a queue too, but its tasks' deadlines would run while they wait. */
  #takeThread(): Promise<void> | undefined {
    if (this.#running < this.threads) {
      this.#running++;
      return undefined;
    }
    return new Promise((resolve) => this.#queue.push(resolve));
  }

  #releaseThread(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#running--;
    else next();
  }
}

function scanLimits({ memoryBytes, tableElements, light = false, needsEntry = true }: ScanLimits): ScanLimits {
  return { memoryBytes, tableElements, light, needsEntry };
}

function cacheKey(digest: string, limits: ScanLimits): string {
  const form = `${limits.light === true ? ":light" : ""}${limits.needsEntry === false ? ":any" : ""}`;
  return `${digest}:${limits.memoryBytes}:${limits.tableElements}${form}`;
}
