// WASI preview 1, all of it but sockets: which file has which functions.
//
// Numbers and layouts: WebAssembly/WASI, legacy/preview1 (witx).
import type { Host, HostFunctions } from "./host.ts";
import { clockFunctions } from "./wasi/clocks.ts";
import { descriptorFunctions } from "./wasi/descriptors.ts";
import { ERRNO } from "./wasi/errno.ts";
import { inputOutputFunctions } from "./wasi/input-output.ts";
import { openFunctions } from "./wasi/open.ts";
import { pathFunctions } from "./wasi/paths.ts";
import { pollFunctions } from "./wasi/poll.ts";
import { startFunctions } from "./wasi/start.ts";

export function wasiFunctions(host: Host): HostFunctions {
  return {
    ...startFunctions(host),
    ...clockFunctions(host),
    ...pollFunctions(host),
    ...inputOutputFunctions(host),
    ...descriptorFunctions(host),
    ...openFunctions(host),
    ...pathFunctions(host),
    // Preview 1 cannot open a socket, and none is given: lunatic::networking is for that.
    sock_accept: () => ERRNO.nosys,
    sock_recv: () => ERRNO.nosys,
    sock_send: () => ERRNO.nosys,
    sock_shutdown: () => ERRNO.nosys,
  };
}
