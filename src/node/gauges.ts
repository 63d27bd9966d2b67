// What the node's parts show in the metrics, read when somebody scrapes (DECISIONS 7.2).

import type { Carrier } from "../carriers/carrier.ts";
import type { Carriers } from "../carriers/carriers.ts";
import type { ErrorCode } from "../errors.ts";
import type { Actors } from "../hosting/actors.ts";
import type { Log } from "../log/log.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { Environments } from "../processes/environments.ts";
import type { Dispatch } from "../requests/dispatch.ts";
import type { Ledger } from "../requests/ledger.ts";
import type { Router } from "../services/router.ts";
import type { Service } from "../services/service.ts";
import type { Supervision } from "../supervision/supervision.ts";
import type { Room } from "./room.ts";

export interface GaugeParts {
  readonly carriers: Carriers;
  readonly ledger: Ledger;
  readonly dispatch: Dispatch;
  readonly actors: Actors;
  readonly supervision: Supervision;
  readonly router: Router<Service>;
  readonly log: Log;
  /** Requests that were refused before or instead of reaching a service, by error code. */
  readonly refused: ReadonlyMap<ErrorCode, number>;
  readonly room: Room;
  readonly connections: () => number;
  /** Of guests. */
  readonly sockets: () => number;
  readonly environments: Environments;
}

type Counts = Iterable<readonly [Readonly<Record<string, string>>, number]>;

export function registerGauges(metrics: Metrics, parts: GaugeParts): void {
  const { carriers, ledger, dispatch, actors, supervision, router, log } = parts;
  const { arrivals, unsent } = parts.room;
  const byLabel = (label: string, counts: Iterable<readonly [string, number]>): Counts =>
    Array.from(counts, ([value, count]) => [{ [label]: value }, count] as const);

  metrics.gauge("in_flight", "Requests admitted and not answered.", () => ledger.size);
  metrics.gauge("queued", "Requests that wait for an actor on the main thread.", () => dispatch.queues.length);
  metrics.gauge("bodies", "Bodies of requests that are coming in.", () => arrivals.all.count);
  metrics.gauge("bodies_waiting", "Of these, those that wait for room.", () => arrivals.waiting);
  metrics.gauge(
    "body_bytes",
    "Memory of requests' bodies that came in and are not answered.",
    () => arrivals.all.bytes,
  );
  metrics.gauge("unsent_bytes", "Bytes of answers that clients have not taken.", () => unsent.bytes);
  metrics.counter("unsent_cut_total", "Clients cut for taking their answers the slowest.", () => unsent.cut);
  metrics.gauge("connections", "Open connections of all listeners.", parts.connections);
  metrics.gauge(
    "guest_sockets",
    "Sockets that guests hold, and connections that they have not accepted.",
    parts.sockets,
  );
  metrics.gauge("services", "Services registered.", () => router.size);
  metrics.gauge("actors", "Actors by state.", () =>
    byLabel(
      "state",
      countBy(actors.byId.values(), (a) => a.state),
    ),
  );
  metrics.gauge("carriers", "Carrier threads by state.", () =>
    byLabel("state", [...countBy(carriers.all, (c) => c.state), ["late", carriers.late]]),
  );
  metrics.gauge("zombies", "Carrier threads that did not end when told to.", () => carriers.zombies);
  metrics.gauge("instances", "Wasm instances in carriers.", () => sumOf(carriers, (c) => c.counter("instances")));
  metrics.gauge("processes", "Living processes that guests have spawned, by service.", () => {
    const sums = new Map<string, number>(); // a service being replaced has two environments
    for (const { spec, processes } of parts.environments.all()) {
      sums.set(spec.name, (sums.get(spec.name) ?? 0) + processes);
    }
    return byLabel("service", sums);
  });
  metrics.gauge("environments", "Versions of services that may have processes.", () => parts.environments.size);
  metrics.gauge("ring_fill_ratio", "Fill of the fullest request ring, 0 to 1.", () => {
    let most = 0;
    for (const carrier of carriers.all) most = Math.max(most, carrier.requests.fill);
    return most;
  });
  metrics.counter("restarts_total", "Ends of actors and their guests, by reason.", () =>
    byLabel("reason", actors.exits),
  );
  metrics.counter("shed_total", "Requests refused, by error code.", () => byLabel("reason", parts.refused));
  metrics.counter("cold_starts_total", "Actors started because a request waited.", () => supervision.coldStarts);
  metrics.counter("dead_letters_total", "Messages to processes that were not there (any more).", () => {
    return dispatch.lateReplies + carriers.total("deadLetters");
  });
  metrics.counter("output_dropped_bytes_total", "Guest output dropped over its limits.", () =>
    carriers.total("outputDropped"),
  );
  metrics.counter("identity_mismatches_total", "Carriers that ended since another process ran than had to.", () =>
    carriers.total("mismatches"),
  );
  metrics.counter("log_dropped_total", "Log lines dropped because nobody read them.", () => log.dropped);
}

function countBy<T>(items: Iterable<T>, keyOf: (item: T) => string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(keyOf(item), (counts.get(keyOf(item)) ?? 0) + 1);
  return counts;
}

function sumOf(carriers: Carriers, measure: (carrier: Carrier) => number): number {
  let sum = 0;
  for (const carrier of carriers.all) sum += measure(carrier);
  return sum;
}
