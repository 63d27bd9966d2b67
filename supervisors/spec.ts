// What a user says about supervisors and their children: types, OTP's defaults, and a row of validators. Pure.

/** Who else is stopped and started again when a child is restarted. */
export type Strategy = "one_for_one" | "one_for_all" | "rest_for_one";

/** permanent: always restarted; transient: only after an exit that is not normal or shutdown; temporary: never. */
export type Restart = "permanent" | "transient" | "temporary";

/** brutal_kill: at once; ms: asked to stop, killed after that long; Infinity: asked, and waited for. */
export type Shutdown = "brutal_kill" | number;

/** Whether the end of significant children ends their supervisor (OTP 24). */
export type AutoShutdown = "never" | "any_significant" | "all_significant";

export type ChildType = "worker" | "supervisor";

/**
 * Delay before restart n (from 0): min(maxMs, minMs × factorⁿ), less up to `jitter` (0..1) of it. minMs 0: no delay.
 */
export interface Backoff {
  readonly minMs: number;
  readonly maxMs: number;
  readonly factor: number;
  readonly jitter: number;
}

export interface SupervisorSpec {
  /** Unique in the tree, among supervisors and workers. */
  readonly id: string;
  readonly strategy: Strategy;
  /** Restarts allowed within `maxSeconds`; one more ends the supervisor. Infinity: it never gives up. */
  readonly maxRestarts: number;
  /** Whole seconds of the window, both ends included. */
  readonly maxSeconds: number;
  /** Names of children in start order; children that are not listed come after those, as they were added. */
  readonly order: readonly string[];
  readonly autoShutdown: AutoShutdown;
  /**
   * True: as OTP's simple_one_for_one. Children come and go while it runs, start at once and without an order, are
   * stopped in parallel, and are forgotten when they end or the supervisor does.
   */
  readonly dynamic: boolean;
  /** Prefix of the service whose actors it supervises: its breaker opens when this supervisor gives up. */
  readonly service: string | null;
}

export interface ChildSpec {
  readonly id: string;
  /** What its supervisor's order calls it, by default its id. Incarnations of one thing may share a name. */
  readonly name: string;
  readonly type: ChildType;
  readonly restart: Restart;
  readonly shutdown: Shutdown;
  readonly significant: boolean;
  readonly backoff: Backoff;
  /** A start that is not answered within this time is killed and has failed. Infinity: waits for ever. */
  readonly startTimeoutMs: number;
}

/** OTP has no backoff: a child is restarted at once. */
export const noBackoff: Backoff = { minMs: 0, maxMs: 0, factor: 1, jitter: 0 };

/** OTP's defaults: 1 restart in 5 s, one_for_one. */
const supervisorDefaults = {
  strategy: "one_for_one",
  maxRestarts: 1,
  maxSeconds: 5,
  order: [],
  autoShutdown: "never",
  dynamic: false,
  service: null,
} as const satisfies Omit<SupervisorSpec, "id">;

/** OTP's defaults; starting is asynchronous here, so that a worker's start has a limit. */
const workerDefaults = {
  type: "worker",
  restart: "permanent",
  shutdown: 5000,
  significant: false,
  backoff: noBackoff,
  startTimeoutMs: 10_000,
} as const satisfies Omit<ChildSpec, "id" | "name">;

const supervisorChildDefaults = {
  ...workerDefaults,
  type: "supervisor",
  shutdown: Number.POSITIVE_INFINITY,
  startTimeoutMs: Number.POSITIVE_INFINITY,
} as const;

/** @throws RangeError that says which setting is wrong and what would be right. */
export function supervisorSpec(given: Partial<SupervisorSpec> & { readonly id: string }): SupervisorSpec {
  const spec = { ...supervisorDefaults, ...given };
  throwIf(supervisorProblem(spec));
  return spec;
}

/** Shutdown is Infinity for a supervisor, so that its subtree has the time it needs. @throws RangeError as above. */
export function childSpec(given: Partial<ChildSpec> & { readonly id: string }): ChildSpec {
  const defaults = given.type === "supervisor" ? supervisorChildDefaults : workerDefaults;
  const spec = { ...defaults, name: given.id, ...given };
  throwIf(childProblem(spec));
  return spec;
}

/** The first problem of a supervisor's settings, as a sentence; null if there is none. */
export function supervisorProblem(spec: SupervisorSpec): string | null {
  return (
    idProblem(spec.id) ??
    strategyProblem(spec.strategy) ??
    maxRestartsProblem(spec.maxRestarts) ??
    maxSecondsProblem(spec.maxSeconds) ??
    orderProblem(spec.order) ??
    autoShutdownProblem(spec.autoShutdown) ??
    dynamicProblem(spec)
  );
}

/** The first problem of a child's settings taken alone; null if there is none. */
export function childProblem(spec: ChildSpec): string | null {
  return (
    idProblem(spec.id) ??
    typeProblem(spec.type) ??
    restartProblem(spec.restart) ??
    shutdownProblem(spec.shutdown) ??
    significantProblem(spec) ??
    backoffProblem(spec.backoff) ??
    startTimeoutProblem(spec.startTimeoutMs)
  );
}

/** What is wrong with having this child under this supervisor; null if nothing is. */
export function placementProblem(child: ChildSpec, supervisor: SupervisorSpec): string | null {
  if (!child.significant || supervisor.autoShutdown !== "never") return null;
  return `child ${child.id} is significant, but its supervisor ${supervisor.id} has auto_shutdown never; set it to any_significant or all_significant`;
}

function throwIf(problem: string | null): void {
  if (problem !== null) throw new RangeError(problem);
}

// The validators take what a file or an API gave: the types above are their result, not their guarantee.

function oneOf(name: string, value: unknown, allowed: readonly string[]): string | null {
  return allowed.includes(value as string)
    ? null
    : `${name} must be one of ${allowed.join(", ")}, not ${String(value)}`;
}

function idProblem(id: unknown): string | null {
  return typeof id === "string" && id.length > 0 ? null : `id must be a string that is not empty, not ${String(id)}`;
}

function strategyProblem(strategy: unknown): string | null {
  return oneOf("strategy", strategy, ["one_for_one", "one_for_all", "rest_for_one"]);
}

function maxRestartsProblem(max: number): string | null {
  if (max === Number.POSITIVE_INFINITY || (Number.isSafeInteger(max) && max >= 0)) return null;
  return `max_restarts must be a whole number from 0, or Infinity, not ${max}`;
}

function maxSecondsProblem(seconds: number): string | null {
  return Number.isSafeInteger(seconds) && seconds > 0
    ? null
    : `max_seconds must be a whole number of seconds from 1, not ${seconds}`;
}

function orderProblem(order: readonly string[]): string | null {
  const seen = new Set<string>();
  for (const id of order) {
    if (seen.has(id)) return `order names ${id} twice`;
    seen.add(id);
  }
  return null;
}

function autoShutdownProblem(autoShutdown: unknown): string | null {
  return oneOf("auto_shutdown", autoShutdown, ["never", "any_significant", "all_significant"]);
}

function dynamicProblem(spec: SupervisorSpec): string | null {
  if (!spec.dynamic) return null;
  if (spec.strategy !== "one_for_one") return `a dynamic supervisor must be one_for_one, not ${spec.strategy}`;
  return spec.order.length === 0 ? null : "the children of a dynamic supervisor have no order";
}

function typeProblem(type: unknown): string | null {
  return oneOf("type", type, ["worker", "supervisor"]);
}

function restartProblem(restart: unknown): string | null {
  return oneOf("restart", restart, ["permanent", "transient", "temporary"]);
}

function shutdownProblem(shutdown: unknown): string | null {
  if (shutdown === "brutal_kill" || (typeof shutdown === "number" && shutdown >= 0)) return null;
  return `shutdown must be brutal_kill, or milliseconds from 0, or Infinity, not ${String(shutdown)}`;
}

function significantProblem(spec: ChildSpec): string | null {
  if (typeof spec.significant !== "boolean") return `significant must be true or false, not ${spec.significant}`;
  if (!spec.significant || spec.restart !== "permanent") return null;
  return `child ${spec.id} is significant and permanent; a significant child must be transient or temporary`;
}

function backoffProblem({ minMs, maxMs, factor, jitter }: Backoff): string | null {
  if (!(minMs >= 0 && minMs < Number.POSITIVE_INFINITY)) return `backoff min must be milliseconds from 0, not ${minMs}`;
  if (!(maxMs >= minMs && maxMs < Number.POSITIVE_INFINITY))
    return `backoff max must be finite milliseconds and not below min (${minMs}), not ${maxMs}`;
  if (!(factor >= 1 && factor < Number.POSITIVE_INFINITY)) return `backoff factor must be at least 1, not ${factor}`;
  return jitter >= 0 && jitter <= 1 ? null : `backoff jitter must be from 0 to 1, not ${jitter}`;
}

function startTimeoutProblem(timeoutMs: number): string | null {
  return timeoutMs > 0 ? null : `the start time-out must be milliseconds above 0, or Infinity, not ${timeoutMs}`;
}
