// Compiles heavy functions on trial, in a process that the kernel ends when they take too much: main thread's side.
import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { distFile } from "../dist-file.ts";
import { FrenezuloError } from "../errors.ts";
import type { Trial } from "./trial.ts";

/** Memory for one function, beside what Node has when it starts (M: 48 MiB of data). */
const MEMORY_BYTES = 256 * 2 ** 20;
const NODE_BYTES = 128 * 2 ** 20;
/** Processor time. M: 1.4 s a MiB for the 478 heavy functions of LLVM (12 MB), of which none takes 100 MB. */
const SECONDS = 5;
const SECONDS_MIB = 8;

/** V8 compiles on no other thread, so that memory is that of one function; and what was compiled can be let go. */
const flags = ["--v8-pool-size=0", "--expose-gc"];

/**
 * Resolves once all functions were compiled within the limits.
 * @param signal ends the process
 * @throws module_limits with the function that took too much, the signal's reason, or why there is no process
 */
export async function tryOut({ bytes, functions }: Trial, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const kilobytes = Math.ceil((MEMORY_BYTES + NODE_BYTES + 4 * bytes.length) / 1024);
  const seconds = SECONDS + Math.ceil((bytes.length / 2 ** 20) * SECONDS_MIB);
  // Both limits are the kernel's: no polling, and a loaded machine changes nothing.
  const limited = `ulimit -c 0; ulimit -d ${kilobytes}; ulimit -t ${seconds}; exec "$0" "$@"`;
  const program = fileURLToPath(distFile("trial-worker.js"));
  const child = spawn("/bin/sh", ["-c", limited, process.execPath, ...flags, program], {
    stdio: ["pipe", "pipe", "ignore"],
    env: {}, // neither the node's tokens nor its NODE_OPTIONS
  });
  const kill = (): void => void child.kill("SIGKILL");
  signal.addEventListener("abort", kill, { once: true });
  try {
    let said = "";
    child.stdout.on("data", (text: Buffer) => {
      said += text;
    });
    child.stdin.on("error", () => undefined); // it has ended
    child.stdin.end(bytes);
    await new Promise<void>((resolve, reject) => child.once("error", reject).once("close", () => resolve()));
    signal.throwIfAborted();
    const steps = said.trimEnd().split("\n");
    const last = steps.at(-1);
    if (last === "done") return;
    const culprit = functions.get(Number(last || "NaN"));
    if (culprit === undefined) throw new Error("the process that compiles on trial ended before it began");
    throw new FrenezuloError("module_limits", {
      why:
        `compiling its ${culprit} takes more than ${MEMORY_BYTES / 2 ** 20} MiB or ${seconds} s of processor time, ` +
        "since it has too many locals, branches, br_table entries or divisions; split it, or compile with less inlining",
    });
  } finally {
    signal.removeEventListener("abort", kill);
  }
}
