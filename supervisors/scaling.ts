// Whether a service needs one more actor, and of which kind. Pure; asked when a request has to wait.

/** What a service has and what is asked of it, now. */
export interface Load {
  /** Actors that serve request after request, those that are starting included. */
  readonly residents: number;
  /** Actors that were started for one request each and have not ended, those that are starting included. */
  readonly bursts: number;
  /** Of both, those that are starting now: each will take a request that waits. */
  readonly starting: number;
  /** Requests that residents have begun. */
  readonly inFlight: number;
  /** Requests that nobody has begun. */
  readonly queued: number;
  /** How long a request took lately; 0 if none is known. */
  readonly serviceTimeMs: number;
}

export interface ScalePolicy {
  /** Residents there always are. */
  readonly min: number;
  /** Actors there may be in all. */
  readonly max: number;
  readonly pressure: {
    /** Requests that may wait for each resident. */
    readonly depth: number;
    /** Milliseconds a new request may expect to wait. */
    readonly waitMs: number;
  };
}

/** resident: start an actor that stays. burst: start one for the request that has waited longest. */
export type Scaling = "resident" | "burst" | "nothing";

/**
 * A missing minimum, or a request and no resident at all: a resident. Under pressure, with more requests waiting than
 * actors are starting: a burst actor, unless there are as many of those as residents already, for then it is no spike
 * and a resident is cheaper. Never above max.
 */
export function scale(load: Load, policy: ScalePolicy): Scaling {
  const { residents, bursts, starting, queued } = load;
  if (residents + bursts >= policy.max) return "nothing";
  if (residents < policy.min || (residents === 0 && queued > 0)) return "resident";
  if (queued <= starting || !isUnderPressure(load, policy)) return "nothing";
  return bursts >= residents ? "resident" : "burst";
}

/** Requests wait, and too many of them for the residents there are, or a new one would wait too long. */
export function isUnderPressure(load: Load, { pressure }: ScalePolicy): boolean {
  const { residents, inFlight, queued, serviceTimeMs } = load;
  if (queued === 0) return false;
  return queued > pressure.depth * residents || (inFlight + queued) * serviceTimeMs > pressure.waitMs * residents;
}
