// Runs programs through the built node's `run` and `test`, as a user does, and gives what they printed.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { PATIENCE_MS } from "./patience.ts";

const mainFile = join(import.meta.dirname, "../../dist/main.js");

export interface ProgramEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs `frenezulo ARGS…` to its end.
 * @param timeoutMs after so long it is killed; its end then has a signal
 */
export function frenezulo(args: readonly string[], timeoutMs = PATIENCE_MS): Promise<ProgramEnd> {
  const { NODE_OPTIONS: _, ...env } = process.env;
  const node = process.env.FRENEZULO_TEST_NODE ?? process.execPath;
  const child = spawn(node, [mainFile, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env,
    timeout: timeoutMs,
    killSignal: "SIGKILL",
  });
  const said = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      said[name] += text;
    });
  }
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal, ...said }));
  });
}
