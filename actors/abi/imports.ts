// The one import object of a carrier: every host function of the case table, working or a stub that says it is not.

import type { Host, HostFunctions } from "./host.ts";
import { lunaticFunctions } from "./lunatic.ts";
import { abiTable } from "./table.ts";
import { wasiFunctions } from "./wasi.ts";

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
