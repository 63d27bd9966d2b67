// The one import object of a carrier: every host function of the case table, working or a stub that says it is not.

import { blockingFunctions } from "../../wire/abi/blocking.ts";
import { LIGHT_IMPORTS } from "../../wire/abi/light.ts";
import { type AbiModule, abiTable } from "../../wire/abi/table.ts";
import type { Host, HostFunctions } from "./host.ts";
import { lunaticFunctions } from "./lunatic/lunatic.ts";
import { wasiFunctions } from "./wasi/wasi.ts";

/** Made once a carrier and given to every instance; the host's current process says for whom a call works. */
export function makeImports(host: Host): WebAssembly.Imports {
  const working: Record<string, HostFunctions> = {
    ...lunaticFunctions(host),
    wasi_snapshot_preview1: wasiFunctions(host),
    env: { abort: abort(host) },
  };
  const imports: Record<string, HostFunctions> = {};
  for (const [module, functions] of Object.entries(abiTable)) {
    const provided: HostFunctions = {};
    for (const name of Object.keys(functions)) {
      provided[name] =
        working[module]?.[name] ??
        (() => {
          host.enter();
          return host.trap(`not supported yet: ${module}.${name}`);
        });
    }
    imports[module] = provided;
  }
  return imports;
}

/**
 * The same functions for light modules: one that waits returns while the stack is unwound, and is found again by being
 * called while it is rewound. Made once a carrier, from the imports of plain modules.
 */
export function makeLightImports(host: Host, plain: WebAssembly.Imports): WebAssembly.Imports {
  const imports: Record<string, Record<string, unknown>> = {
    [LIGHT_IMPORTS.module]: {
      [LIGHT_IMPORTS.yield]: () => (host.isRewinding ? host.resume() : host.yield()),
      [LIGHT_IMPORTS.check]: () => host.check(),
    },
  };
  for (const [module, functions] of Object.entries(plain)) imports[module] = { ...(functions as object) };
  for (const [module, names] of Object.entries(blockingFunctions)) {
    for (const name of names) {
      const signatures = (abiTable as Record<string, AbiModule>)[module]?.[name] ?? [];
      const nothing = signatures.some((each) => each.endsWith(">I")) ? 0n : 0;
      const parameters = Math.max(...signatures.map((each) => each.indexOf(">")));
      const call = imports[module]?.[name] as (...args: unknown[]) => unknown;
      (imports[module] as Record<string, unknown>)[name] = waiting(host, call, parameters, nothing);
    }
  }
  return imports as WebAssembly.Imports;
}

/**
 * @param parameters how many it has at most
 * @param nothing what is returned while the stack is unwound: of the type that the function gives
 */
function waiting(
  host: Host,
  call: (...args: unknown[]) => unknown,
  parameters: number,
  nothing: number | bigint,
): (...args: unknown[]) => unknown {
  const finish = (result: unknown): unknown => (host.isUnwinding ? nothing : result);
  // Those that are called most, without a list of arguments for each call.
  if (parameters === 1) return (a: unknown) => finish(host.isRewinding ? host.resume() : call(a));
  if (parameters === 3) {
    return (a: unknown, b: unknown, c: unknown) => finish(host.isRewinding ? host.resume() : call(a, b, c));
  }
  return (...args: unknown[]) => finish(host.isRewinding ? host.resume() : call(...args));
}

/** AssemblyScript's abort(message, file, line, column); strings are UTF-16 with their byte length before them. */
function abort(host: Host): (message: number, file: number, line: number, column: number) => never {
  const text = (pointer: number): string => {
    if (pointer >>> 0 < 4) return "";
    const length = host.view().getUint32(host.range((pointer >>> 0) - 4, 4), true);
    // An exit's text is one line: what comes after a line feed would pass for the node's own note.
    const bytes = host.slice(pointer, Math.min(length, ABORT_TEXT_BYTES_MAX));
    return bytes.toString("utf16le").replace(/\p{Cc}/gu, " ");
  };
  return (message, file, line, column) => {
    host.enter();
    return host.trap(`abort: ${text(message)} at ${text(file)}:${line >>> 0}:${column >>> 0}`);
  };
}

const ABORT_TEXT_BYTES_MAX = 1024;
