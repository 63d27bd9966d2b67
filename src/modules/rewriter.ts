// The process that rewrites modules for light processes, as the main thread sees it: one module at a time.
//
// A process and not a thread, since V8's flags hold for all threads: under the node's cap of memories Binaryen has
// 256 MiB, which a module of 4 MB needs (M). And it can abort, be killed, and run with a lower priority.
import { type ChildProcess, fork } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { distFile } from "../dist-file.ts";
import { after, type Timer } from "../timer.ts";
import type { LightenAnswer } from "./lighten-worker.ts";

/** Binaryen's memory ends here: 64 KiB pages, 1 GiB. M: 60 times the module, and 150 MiB for Binaryen itself. */
const MEMORY_PAGES = 16_384;
/** JavaScript of the process; the modules pass through it. */
const HEAP_MIB = 512;
/** Starting it and loading Binaryen takes a second or two: it waits a while for the next module. */
const IDLE_MS = 10_000;
const ERROR_TEXT_MAX = 500;

export class Rewriter {
  readonly #niceness: number;
  #child: ChildProcess | undefined;
  #idle: Timer | undefined;

  /** @param niceness of the process */
  constructor(niceness: number) {
    this.#niceness = niceness;
  }

  /**
   * Rewrites a module; not to be called while another is rewritten.
   * @param signal kills the process
   * @returns what the process answered, or that it ended, which is final unless a signal of others ended it
   * @throws the signal's reason
   */
  async run(bytes: Uint8Array, signal: AbortSignal): Promise<LightenAnswer> {
    signal.throwIfAborted();
    this.#idle?.cancel();
    const child = this.#start();
    const done = new AbortController();
    try {
      const answer = await answerOf(child, bytes, signal, done.signal);
      // After an error Binaryen cannot be used again.
      if (!("bytes" in answer)) await this.stop();
      return answer;
    } catch (thrown) {
      await this.stop();
      throw thrown;
    } finally {
      done.abort();
      this.#rest();
    }
  }

  /** Processor time that the process has taken since it started. ms; 0 without one */
  get cpuMs(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) return 0;
    try {
      // proc(5): after the name in parentheses the state is field 3; 14 and 15 are user and system time, 100 a second.
      const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return (Number(fields[11]) + Number(fields[12])) * 10;
    } catch {
      return 0; // it has ended
    }
  }

  /** Ends the process; the next module gets another. Resolves when it has ended. */
  async stop(): Promise<void> {
    this.#idle?.cancel();
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.ref();
    await new Promise<void>((resolve) => {
      child.once("exit", () => resolve());
      child.kill("SIGKILL");
    });
  }

  #start(): ChildProcess {
    if (this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.ref();
      this.#child.channel?.ref();
      return this.#child;
    }
    const child = fork(fileURLToPath(distFile("lighten-worker.js")), [String(this.#niceness)], {
      serialization: "advanced",
      execArgv: [`--wasm-max-mem-pages=${MEMORY_PAGES}`, `--max-old-space-size=${HEAP_MIB}`],
      env: {}, // neither the node's tokens nor its NODE_OPTIONS
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    child.on("error", () => undefined); // also when nobody waits for it any more
    this.#child = child;
    return child;
  }

  /** Keeps the process for a while, without keeping ours. */
  #rest(): void {
    if (this.#child === undefined) return;
    this.#child.unref();
    this.#child.channel?.unref();
    this.#idle = after(IDLE_MS, () => void this.stop()).unref();
  }
}

function answerOf(
  child: ChildProcess,
  bytes: Uint8Array,
  signal: AbortSignal,
  done: AbortSignal,
): Promise<LightenAnswer> {
  let said = "";
  const hear = (text: Buffer): void => {
    said = (said + text).slice(-ERROR_TEXT_MAX);
  };
  return new Promise<LightenAnswer>((resolve, reject) => {
    const ended = (how: string, isFinal: boolean): void =>
      resolve({ why: [`the process that rewrote it ${how}`, said.trim()].filter(Boolean).join(": "), isFinal });
    const answered = (answer: unknown): void => resolve(answer as LightenAnswer);
    const exited = (code: number | null, by: NodeJS.Signals | null): void =>
      by === null ? ended(`ended with code ${code}`, true) : ended(`was ended by ${by}`, by !== "SIGTERM");
    const failed = (error: Error): void => ended(`could not be used (${error.message})`, false);
    child.stderr?.on("data", hear);
    child.once("message", answered).once("exit", exited).once("error", failed);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true, signal: done });
    done.addEventListener("abort", () => {
      child.stderr?.off("data", hear);
      child.off("message", answered).off("exit", exited).off("error", failed);
    });
    child.send(bytes);
  });
}
