// Whether a pool is under pressure now, and what would help. Asked when a request has to wait.
import { type Scaling, scale } from "../../supervisors/scaling.ts";
import type { Pool } from "../services/service.ts";

/**
 * Children that wait out a backoff count: they are actors that are coming. While none is, the time that the oldest
 * request has waited tells more than what requests took before.
 */
export function wantedActor(pool: Pool, nowMs: number): Scaling {
  const { min, pressure } = pool.policy.scale;
  const oldest = pool.ready.length < pool.staying ? undefined : pool.waiting[0];
  const waitedMs = oldest === undefined ? 0 : nowMs - oldest.readyMs;
  const inFlight = Math.min(pool.permits, pool.ready.length);
  const load = {
    residents: pool.staying - pool.burstIds.size,
    bursts: pool.burstIds.size,
    starting: startingOf(pool),
    inFlight,
    queued: pool.waiting.length + pool.permits - inFlight,
    serviceTimeMs: Math.max(pool.serviceMs, waitedMs),
  };
  return scale(load, { min, max: pool.stayingMax, pressure: { depth: pressure.depth, waitMs: pressure.wait } });
}

function startingOf({ actors }: Pool): number {
  let starting = 0;
  for (const { state } of actors) if (state === "starting") starting++;
  return starting;
}
