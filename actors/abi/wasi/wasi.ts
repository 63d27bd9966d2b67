// WASI preview 1, all of it but sockets: which file has which functions.
//
// Numbers and layouts: WebAssembly/WASI, legacy/preview1 (witx).

import { ERRNO } from "../../files/errno.ts";
import type { Host, HostFunctions } from "../host.ts";
import { clockFunctions } from "./clocks.ts";
import { descriptorFunctions } from "./descriptors.ts";
import { inputOutputFunctions } from "./input-output.ts";
import { openFunctions } from "./open.ts";
import { pathFunctions } from "./paths.ts";
import { pollFunctions } from "./poll.ts";
import { startFunctions } from "./start.ts";

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
