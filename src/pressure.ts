// Whether a pool is under pressure now, and what would help. Main thread; asked when a request has to wait.
import { type Scaling, scale } from "../supervisors/scaling.ts";
import type { Pool } from "./service.ts";

/** Children that wait out a backoff count: they are actors that are coming. */
export function wantedActor(pool: Pool): Scaling {
  const { min, max, pressure } = pool.policy.scale;
  const inFlight = Math.min(pool.sent, pool.ready.length);
  const load = {
    residents: pool.children - pool.burstIds.size,
    bursts: pool.burstIds.size,
    inFlight,
    queued: pool.waiting.length + pool.sent - inFlight,
    serviceTimeMs: pool.serviceMs,
  };
  return scale(load, { min, max, pressure: { depth: pressure.depth, waitMs: pressure.wait } });
}
