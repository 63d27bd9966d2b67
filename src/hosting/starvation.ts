// Starvation: whether a pool gets no turn in the carriers that it shares with others. Pure; asked when placing, and at
// every sweep.
import type { Carrier } from "../carriers/carrier.ts";
import type { Pool } from "../services/service.ts";

/** True if it has ready actors, and each is in a shared carrier that is busy with another's request or process. */
export function isCrowdedOut({ ready }: Pool): boolean {
  const isBehind = ready.every(({ carrier, sent }) => carrier?.isShared && !isFree(carrier) && sent.length === 0);
  return ready.length > 0 && isBehind;
}

function isFree({ sent, isHeldUp }: Carrier): boolean {
  return sent === 0 && !isHeldUp;
}

/** True if requests have waited longer than they should, only for what others run, and no actor is coming. */
export function isStarved(pool: Pool, nowMs: number): boolean {
  const oldest = pool.waiting[0];
  if (oldest === undefined || nowMs - oldest.readyMs < pool.policy.scale.pressure.wait) return false;
  return pool.ready.length >= pool.staying && isCrowdedOut(pool);
}
