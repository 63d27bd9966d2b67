// V8 flags and what a node needs of its machine. Imported first by main.ts: the flags hold for what is compiled after
// them, in this thread and in every Worker.
import { setFlagsFromString } from "node:v8";
import { FrenezuloError } from "./errors.ts";

export const tableElementsMax = 100_000;
export const memoryPagesMax = 4_096;

/** DECISIONS 2.4: terminate() stops every loop; tables (JS heap) and memories end. At 10,000 Binaryen aborts. */
export const engineFlags: readonly string[] = [
  "--no-wasm-dynamic-tiering",
  `--wasm-max-table-size=${tableElementsMax}`,
  `--wasm-max-mem-pages=${memoryPagesMax}`,
];

for (const flag of engineFlags) setFlagsFromString(flag);

/** What of a process the engine looks at. */
export interface Engine {
  readonly nodeVersion: string;
  readonly platform: string;
  readonly arch: string;
  readonly execArgv: readonly string[];
  readonly nodeOptions: string;
}

/**
 * Refuses to go on where the node's promises would not hold.
 * @throws bad_platform, bad_flags
 */
export function assertEngine(engine: Engine = thisEngine()): void {
  assertPlatform(engine);
  const flags = [...engine.execArgv, ...engine.nodeOptions.split(/\s+/)];
  for (const flag of flags) {
    const why = refusedFlags.find(({ pattern }) => pattern.test(flag.replaceAll("_", "-")))?.why;
    if (why !== undefined)
      throw new FrenezuloError("bad_flags", {
        why: `Node was started with ${flag} (or has it in NODE_OPTIONS): ${why}`,
      });
  }
  if (!hasLimits())
    throw new FrenezuloError("bad_flags", {
      why: `V8 did not take the flags ${engineFlags.join(" ")}; this build of Node cannot be used.`,
    });
}

/** Flags that undo what the node relies on; with dashes, values left off. */
const refusedFlags = [
  {
    pattern: /^"?--(max-old-space-size|max-heap-size|max-semi-space-size|max-old-space-size-percentage)(=|"?$)/,
    // M: a Worker asked for 32 MiB had a limit of 4,144 MiB under it.
    why: "it cancels the heap limits of the threads that run services. Start without it; limits.* bound a node.",
  },
  {
    pattern: /^"?--(wasm-dynamic-tiering|wasm-max-table-size|wasm-max-mem-pages)\b/,
    why: "the node sets it, so that a service can always be stopped and its memory ends. Start without it.",
  },
  { pattern: /^"?--jitless\b/, why: "there is no WebAssembly with it. Start without it." },
];

function thisEngine(): Engine {
  const { version, platform, arch, execArgv, env } = process;
  return { nodeVersion: version, platform, arch, execArgv, nodeOptions: env.NODE_OPTIONS ?? "" };
}

function assertPlatform({ nodeVersion, platform, arch }: Engine): void {
  const supported = "supported are Linux on x64 and arm64 with Node 20 (from 20.18), 22 and 24";
  const [major = 0, minor = 0] = nodeVersion.replace(/^v/, "").split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 18))
    throw new FrenezuloError("bad_platform", { why: `this is Node ${nodeVersion}; ${supported}` });
  if (platform !== "linux" || (arch !== "x64" && arch !== "arm64"))
    throw new FrenezuloError("bad_platform", { why: `this is ${platform} on ${arch}; ${supported}` });
}

/** True if V8 took the flags: beyond them nothing is made, and nothing is reserved to find out. */
function hasLimits(): boolean {
  try {
    new WebAssembly.Table({ element: "anyfunc", initial: tableElementsMax + 1 });
    return false;
  } catch (error) {
    if (!(error instanceof RangeError) && !(error instanceof TypeError)) throw error;
  }
  try {
    new WebAssembly.Memory({ initial: memoryPagesMax + 1 });
    return false;
  } catch (error) {
    return error instanceof RangeError || error instanceof TypeError;
  }
}
