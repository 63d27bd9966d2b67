// Config → specs of the supervision tree: groups, a service's supervisor, actors, the node's parts. Pure.
import type { BreakerPolicy } from "../../supervisors/breaker.ts";
import {
  type Backoff,
  type ChildSpec,
  childSpec,
  type SupervisorSpec,
  supervisorSpec,
} from "../../supervisors/spec.ts";
import type { Policy, SupervisorConfig } from "../config/config.ts";
import type { Pool } from "../services/service.ts";

/** Id of the root of services, which is also the group of services that name none. */
export const SERVICES = "services";

/** A group that gives up is tried again after this. */
export const groupBackoff: Backoff = { minMs: 100, maxMs: 30_000, factor: 2, jitter: 0.2 };

/** It never gives up: a group that does is tried again, and no guest ends the root (DECISIONS 8.1). */
export function servicesSpec(config: SupervisorConfig | undefined): SupervisorSpec {
  return supervisorSpec({
    id: SERVICES,
    maxRestarts: Number.POSITIVE_INFINITY,
    strategy: config?.strategy ?? "one_for_one",
    order: config?.order ?? [],
  });
}

export function groupSpec(id: string, group: SupervisorConfig): SupervisorSpec {
  return supervisorSpec({
    id,
    strategy: group.strategy,
    maxRestarts: group.max_restarts,
    maxSeconds: group.max_seconds,
    autoShutdown: group.auto_shutdown,
    order: group.order,
  });
}

/** Names of groups without the root, each after its parent. */
export function parentsFirst(groups: ReadonlyMap<string, SupervisorConfig>): string[] {
  const ordered = new Set<string>([SERVICES]);
  const place = (id: string): void => {
    if (ordered.has(id)) return;
    const parent = groups.get(id)?.parent;
    if (parent !== undefined) place(parent);
    ordered.add(id);
  };
  for (const id of groups.keys()) place(id);
  ordered.delete(SERVICES);
  return [...ordered];
}

export function poolSpec({ id, policy, service }: Pool): SupervisorSpec {
  return supervisorSpec({
    id,
    maxRestarts: policy.max_restarts,
    maxSeconds: policy.max_seconds,
    dynamic: true,
    service: service.prefix,
  });
}

/** A service's supervisor as the child of its group, whose order knows it by the prefix. */
export function poolAsChild({ policy, service }: Pool): Partial<Omit<ChildSpec, "id" | "type">> {
  const { restart, significant } = policy;
  return { name: service.prefix, restart, significant, backoff: backoffOf(policy) };
}

/** That of a replaced pool, while its last requests end: whatever becomes of it, its group and its service go on. */
export function retiredPool(pool: Pool): { readonly spec: SupervisorSpec; readonly asChild: ChildSpec } {
  const asChild = { ...poolAsChild(pool), restart: "temporary", significant: false } as const;
  return {
    spec: { ...poolSpec(pool), service: null },
    asChild: childSpec({ ...asChild, id: pool.id, type: "supervisor" }),
  };
}

/**
 * Its start is watched by the dispatcher: only the guest's own start code has a deadline, not the wait for a carrier.
 */
export function actorSpec(id: string, { policy }: Pool, isBurst: boolean): ChildSpec {
  const { shutdown } = policy;
  const restart = isBurst ? "temporary" : policy.restart;
  return childSpec({ id, restart, shutdown, backoff: backoffOf(policy), startTimeoutMs: Number.POSITIVE_INFINITY });
}

/** A part that fails at start ends the node's start; none ends by itself. */
export function partSpec(id: string): ChildSpec {
  const never = Number.POSITIVE_INFINITY;
  return childSpec({ id, restart: "permanent", shutdown: never, startTimeoutMs: never });
}

export function breakerOf(policy: Policy): BreakerPolicy {
  const { failures, ratio, window: windowMs } = policy.breaker;
  return { failures, ratio, windowMs, backoff: backoffOf(policy) };
}

export function backoffOf({ backoff }: Policy): Backoff {
  return { minMs: backoff.min, maxMs: backoff.max, factor: backoff.factor, jitter: backoff.jitter };
}
