// Who has carriers and who does nothing with them now, and for how long. Pure.
import type { Carrier } from "../carriers/carrier.ts";
import type { Actor, Service } from "../services/service.ts";

/** True if a carrier runs nothing and nothing is on its way to it. */
export function isIdle(carrier: Carrier): boolean {
  return carrier.state === "taken" && carrier.sent === 0 && !carrier.isStarting && carrier.running() === null;
}

/** Actors of a service that have a carrier, shared or not. */
export function placedBy(service: Service): number {
  let placed = 0;
  for (const { actors } of service.pools) for (const { isPlaced } of actors) if (isPlaced) placed++;
  return placed;
}

/** Of idle actors that pass the test, the one that was used least recently. */
export function idleLongest(idle: Iterable<Actor>, test: (actor: Actor) => boolean): Actor | null {
  let oldest: Actor | null = null;
  for (const actor of idle) {
    if (test(actor) && (oldest === null || actor.lastUsedMs < oldest.lastUsedMs)) oldest = actor;
  }
  return oldest;
}

/** Of shared carriers, the one whose actors were used least recently, and when; one that is busy is used now. */
export function sharedLongest(
  shared: Iterable<Carrier>,
  actors: Iterable<Actor>,
  nowMs: number,
): { readonly carrier: Carrier; readonly lastUsedMs: number } | null {
  const lastUsed = new Map<Carrier, number>();
  for (const carrier of shared) lastUsed.set(carrier, isIdle(carrier) ? 0 : nowMs);
  for (const { carrier, lastUsedMs } of actors) {
    const known = carrier === null ? undefined : lastUsed.get(carrier);
    if (known !== undefined && lastUsedMs > known) lastUsed.set(carrier as Carrier, lastUsedMs);
  }
  let found: Carrier | null = null;
  for (const [carrier, ms] of lastUsed) if (found === null || ms < (lastUsed.get(found) as number)) found = carrier;
  return found === null ? null : { carrier: found, lastUsedMs: lastUsed.get(found) as number };
}
