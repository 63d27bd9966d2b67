// Services as admin and the command line see them.

import type { SupervisorView } from "../../supervisors/view.ts";
import type { ActorView, ServiceDetail, ServiceView, TreeChildSource, TreeSource } from "../admin/verbs.ts";
import type { Registry } from "../registry/registry.ts";
import type { Actor, Pool, Service } from "../services/service.ts";

export function serviceView(service: Service): ServiceView {
  const { origin, pool, breaker, metrics } = service;
  let queued = 0;
  const actors: ActorView[] = [];
  for (const each of service.pools) {
    queued += each.waiting.length;
    for (const actor of each.actors) actors.push(actorView(actor, each));
  }
  const isWarm = actors.some(({ state }) => state === "idle" || state === "busy");
  return {
    prefix: service.prefix,
    origin: origin.kind,
    ...(origin.kind === "config" ? { where: origin.where } : {}),
    version: pool.version,
    sha256: pool.digest,
    status: breaker.state !== "closed" ? "broken" : isWarm ? "warm" : "cold",
    inFlight: service.inFlight,
    queued,
    actors,
    counts: { requests: metrics.requests, failures: metrics.failures, restarts: service.restarts },
  };
}

export function serviceDetail(service: Service, registry: Registry): ServiceDetail {
  return { ...serviceView(service), versions: registry.versions(service), policy: service.pool.policy };
}

/** @param actors by their ids in the tree */
export function treeView(view: SupervisorView, actors: ReadonlyMap<string, Actor>): TreeSource {
  const { id, strategy, phase, service, recentRestarts, maxRestarts, maxSeconds, children } = view;
  return {
    id,
    strategy,
    phase,
    service,
    recent_restarts: recentRestarts,
    max_restarts: maxRestarts === Number.POSITIVE_INFINITY ? null : maxRestarts,
    max_seconds: maxSeconds,
    children: childViews(children, actors),
  };
}

function* childViews(
  children: SupervisorView["children"],
  actors: ReadonlyMap<string, Actor>,
): Iterable<TreeChildSource> {
  for (const { supervisor, lastExit, id, type, restart, state, restarts } of children) {
    const actor = actors.get(id);
    yield {
      id,
      type,
      restart,
      state,
      restarts,
      last_exit: lastExit,
      actor: actor?.carrier
        ? { pid: actor.pid, carrier: actor.carrier.id, depth: actor.sent.length + actor.suspended.size }
        : null,
      supervisor: supervisor === null ? null : treeView(supervisor, actors),
    };
  }
}

function actorView(actor: Actor, pool: Pool): ActorView {
  const state = actor.state === "ready" ? (actor.isBusy ? "busy" : "idle") : actor.state;
  return {
    pid: actor.pid,
    version: pool.version,
    carrier: actor.carrier?.id ?? 0,
    state: state === "gone" || state === "leaving" ? "stopping" : state,
    requests: actor.requests,
  };
}
