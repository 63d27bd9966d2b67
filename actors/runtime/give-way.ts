// Whether a light process gives way: one that does not, while other services' wait, is ended instead of their carrier.
//
// A loop gives way at its head. Recursion, host calls in a row and bulk instructions are only asked (Host.check).
import { readFileSync } from "node:fs";
import type { Exit } from "../../wire/exits.ts";
import type { Process } from "../processes/process.ts";

/** For so long a light process may keep others waiting, by the time that its thread has run. ms */
const HOG_CPU_MS = 2500;
/** And by the clock, whatever its thread was given: others have deadlines, of 5 s if they say nothing. ms */
const HOG_MS = 4000;
/** What the thread has run is looked at after this, since that costs a system call. ms */
const LOOK_MS = 100;
/** The thread's time on a processor in ns, and two more numbers. */
const SCHEDSTAT = "/proc/thread-self/schedstat";

export class GiveWay {
  readonly #cpuMs: () => number;
  readonly #nowMs: () => number;
  /** When the process was first asked in this turn, and what its thread had run when that was looked at. 0: not yet */
  #askedMs = 0;
  #sinceCpuMs = 0;
  #againMs = 0;

  /** @param cpuMs time that this thread has run; NaN: not known */
  constructor(cpuMs: () => number = threadMs, nowMs: () => number = () => performance.now()) {
    this.#cpuMs = cpuMs;
    this.#nowMs = nowMs;
  }

  /** A turn begins. */
  begin(): void {
    this.#askedMs = this.#sinceCpuMs = 0;
  }

  /**
   * The process that has the turn is asked to give way; too long asked it must end.
   * @param othersWait true if processes of other environments could run now
   */
  ask(process: Process, othersWait: (process: Process) => boolean): void {
    const nowMs = this.#nowMs();
    if (this.#askedMs === 0) this.#askedMs = nowMs;
    const askedMs = nowMs - this.#askedMs;
    if (askedMs < LOOK_MS) return;
    if (this.#sinceCpuMs === 0) {
      this.#sinceCpuMs = this.#cpuMs();
      this.#againMs = nowMs + LOOK_MS;
      return;
    }
    if (nowMs < this.#againMs) return;
    this.#againMs = nowMs + LOOK_MS;
    const isLong = askedMs >= HOG_MS || this.#cpuMs() - this.#sinceCpuMs >= HOG_CPU_MS;
    if (isLong && othersWait(process)) process.dying ??= hogged(askedMs);
  }
}

function hogged(ms: number): Exit {
  return { reason: "hogged", text: `a process did not give its turn back for ${Math.round(ms)} ms` };
}

function threadMs(): number {
  try {
    return Number(/^\d+/.exec(readFileSync(SCHEDSTAT, "latin1"))?.[0]) / 1e6;
  } catch {
    return Number.NaN; // a kernel without it: the clock decides
  }
}
