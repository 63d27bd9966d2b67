// THE table of settings. (Types fixed first; the table is being written.)

/** Policy of one service, in the shape of the file; durations are ms (Infinity = "never"), sizes bytes. */
export interface Policy {
  /** fresh: each request meets an instance like new; kept: the instance's state stays. */
  state: "fresh" | "kept";
  /** Name of the supervisor (group) it belongs to. */
  supervisor: string;
  restart: "permanent" | "transient" | "temporary";
  shutdown: "brutal_kill" | number;
  max_restarts: number;
  max_seconds: number;
  backoff: { min: number; max: number; factor: number; jitter: number };
  /** Traps count as restarts (default: they cost their request only). */
  count_traps: boolean;
  snapshot_entropy: boolean;
  /** idempotent: a begun GET, HEAD, PUT, DELETE or OPTIONS may run once more when its carrier died under it. */
  retry: "never" | "idempotent";
  limits: {
    memory: number;
    table: number;
    deadline: number;
    start_deadline: number;
    queue_timeout: number;
    body_in: number;
    body_out: number;
    concurrency: number;
    queue: number;
    output_request: number;
    output_second: number;
  };
  scale: { min: number; max: number; idle_timeout: number };
  breaker: { failures: number; ratio: number; window: number };
  env: Record<string, string>;
}
