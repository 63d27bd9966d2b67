// lunatic::trap: a call whose trap is caught (lunatic-abi.md §1.3).
import { ASK } from "../../../wire/asks.ts";
import type { Host, HostFunctions } from "../host.ts";
import { namePayload } from "./registry.ts";

const CALLBACK = "_lunatic_catch_trap";

export function trapFunctions(host: Host): HostFunctions {
  return {
    /** The callback may wait: then its frames are unwound and rewound with those around this call. */
    catch: (pointer: number, argument: number): number => {
      // While the stack comes back it is the call inside that says whether the process ends.
      const process = host.isRewinding ? host.process : host.enter();
      const callback = host.instance?.exports[CALLBACK];
      if (typeof callback !== "function") return host.trap(`lunatic::trap.catch needs the export ${CALLBACK}`);
      try {
        const result: unknown = callback(pointer, argument);
        return Number(result ?? 0);
      } catch (thrown) {
        // Half of its frames are in memory: nothing of it can go on.
        if (host.isUnwinding || host.isRewinding) throw thrown;
        // Its end is not caught, but what a host function refused inside.
        if (process.dying?.reason === "trap") process.dying = null;
        if (process.reserved !== null) {
          // Nobody waits for the answer.
          host.services.ask(process, ASK.name_unclaim, namePayload(0n, process.reserved));
          process.reserved = null;
        }
        host.enter();
        return 0;
      }
    },
  };
}
