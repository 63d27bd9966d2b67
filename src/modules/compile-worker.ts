// One intake job on a thread of its own: scan, rewrite, compile. tinypool runs it; bundled to dist/compile-worker.js.
import type { ModuleInfo } from "../../wire/specs.ts";
import { asFrenezuloError, type ErrorCode, type ErrorDetails, FrenezuloError, reasonOf } from "../errors.ts";
import { explainCompileError } from "./proposals.ts";
import { printable } from "./reader.ts";
import { rewrite } from "./rewrite.ts";
import { type Scan, scan } from "./scan.ts";
import type { ScanLimits } from "./storage.ts";
import { functionNames, type Trial, withOnly } from "./trial.ts";

export interface CompileJob {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly limits: ScanLimits;
}

/** What comes back: errors as data, since a class does not survive the way between threads. */
export type CompileOutcome =
  | {
      readonly ok: true;
      readonly module: WebAssembly.Module;
      readonly info: ModuleInfo;
      readonly codeBytes: number;
      readonly usesProcesses: boolean;
      /** What is to be compiled on trial before the module is used; null: nothing. */
      readonly trial: Trial | null;
    }
  | { readonly ok: false; readonly code: ErrorCode; readonly details: ErrorDetails };

/** Never rejects for what a guest's bytes can do. */
export async function compileModule({ bytes, limits }: CompileJob): Promise<CompileOutcome> {
  try {
    const scanned = scan(bytes, limits);
    const rewritten = rewrite(bytes, scanned, limits);
    const module = await compile(rewritten.bytes, bytes);
    const { codeBytes } = scanned;
    const trial = trialOf(rewritten.bytes, scanned);
    return { ok: true, module, info: rewritten.info, codeBytes, usesProcesses: usesProcesses(module), trial };
  } catch (thrown) {
    const { code, details, cause } = asFrenezuloError(thrown);
    if (code === "internal") throw cause;
    return { ok: false, code, details };
  }
}

function trialOf(bytes: Uint8Array, { heavy, imports }: Scan): Trial | null {
  if (heavy.length === 0) return null;
  const names = functionNames(
    bytes,
    heavy.map((body) => imports + body),
  );
  const functions = [...names].map(([index, name]) =>
    name === "" ? `function ${index}` : `function ${index} (${name})`,
  );
  return {
    bytes: withOnly(bytes, new Set(heavy)),
    functions: new Map(heavy.map((body, at) => [body, functions[at] ?? ""])),
  };
}

/** What a service needs that only answers its requests. */
const alone: Readonly<Record<string, readonly string[] | null>> = {
  "lunatic::message": null,
  "lunatic::error": null,
  "lunatic::version": null,
  "lunatic::metrics": null,
  "lunatic::distributed": ["node_id", "module_id", "nodes_count", "send", "send_receive_skip_search"],
  "lunatic::process": ["process_id", "environment_id", "sleep_ms"],
};

/** True if it imports what has to do with other processes, or with the world beyond its requests. */
function usesProcesses(module: WebAssembly.Module): boolean {
  return WebAssembly.Module.imports(module).some(({ module: from, name }) => {
    if (!from.startsWith("lunatic::")) return false;
    const names = alone[from];
    return names === undefined || (names !== null && !names.includes(name));
  });
}

/** Compiles what was rewritten. On failure the original is compiled too: V8's text then has the guest's own offsets. */
async function compile(rewritten: Uint8Array, original: Uint8Array): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile(rewritten);
  } catch (thrown) {
    const why = await WebAssembly.compile(original).then(
      () => `after its limits were written, ${reasonOf(thrown)}`,
      (own: unknown) => reasonOf(own),
    );
    const text = why.replace("WebAssembly.compile(): ", "");
    throw new FrenezuloError("bad_module", { why: explainCompileError(printable(text, 300)) });
  }
}
