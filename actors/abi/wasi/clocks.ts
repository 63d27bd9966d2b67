// WASI's clocks. They are rounded: a guest gets no high-resolution timer (reliability.md §3.12).

import { ERRNO } from "../../files/errno.ts";
import type { Host, HostFunctions } from "../host.ts";

const CLOCK_REALTIME = 0;
const NANOS_PER_MS = 1_000_000n;
const RESOLUTION_NANOS = NANOS_PER_MS;
/** Realtime, monotonic, CPU time of process and thread; the last two are the monotonic one. */
export const CLOCKS = 4;

/** Nanoseconds of a clock, rounded down to the resolution. */
export function now(clock: number): bigint {
  const nanos = clock === CLOCK_REALTIME ? BigInt(Date.now()) * NANOS_PER_MS : process.hrtime.bigint();
  return nanos - (nanos % RESOLUTION_NANOS);
}

export function clockFunctions(host: Host): HostFunctions {
  return {
    clock_res_get: (clock: number, out: number) => {
      host.enter();
      if (clock >>> 0 >= CLOCKS) return ERRNO.inval;
      host.writeU64(out, RESOLUTION_NANOS);
      return ERRNO.success;
    },
    clock_time_get: (clock: number, _precision: bigint, out: number) => {
      host.enter();
      if (clock >>> 0 >= CLOCKS) return ERRNO.inval;
      host.entropyAsked = true;
      host.writeU64(out, now(clock >>> 0));
      return ERRNO.success;
    },
  };
}
