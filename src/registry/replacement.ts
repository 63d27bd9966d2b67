// One pool of a service takes over from another: first instance, switch, drain of the old one.
import { Breaker } from "../../supervisors/breaker.ts";
import type { Policy } from "../config/config.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { Dispatch } from "../requests/dispatch.ts";
import type { Router } from "../services/router.ts";
import type { Origin } from "../services/service.ts";
import { Pool, Service } from "../services/service.ts";
import { breakerOf } from "../supervision/specs.ts";
import type { Supervision } from "../supervision/supervision.ts";
import { sleep } from "../timer.ts";

export interface ReplacementParts {
  readonly router: Router<Service>;
  readonly metrics: Metrics;
  readonly dispatch: Dispatch;
  readonly supervision: Supervision;
}

/** What a pool is made of. */
export interface PoolVersion {
  readonly version: number;
  /** sha256 of the module, hex. */
  readonly digest: string;
  readonly policy: Policy;
}

/** How often a replaced pool or a removed service is looked at while its last requests end. ms */
const DRAIN_POLL_MS = 10;

export class Replacement {
  readonly #parts: ReplacementParts;

  constructor(parts: ReplacementParts) {
    this.#parts = parts;
  }

  /** A service that is not routed yet. */
  newService(prefix: string, origin: Origin, policy: Policy): Service {
    const breaker = new Breaker(breakerOf(policy), Math.random);
    return new Service(prefix, origin, breaker, this.#parts.metrics.service(prefix));
  }

  /**
   * A pool whose first actor runs, but that takes no requests yet. @throws first_start_failed; then it is gone again
   */
  async start(service: Service, { version, digest, policy }: PoolVersion): Promise<Pool> {
    const pool = new Pool(service, version, digest, policy);
    this.#parts.supervision.addPool(pool);
    try {
      await this.#parts.supervision.startFirst(pool);
      return pool;
    } catch (thrown) {
      this.discard(pool);
      throw thrown;
    }
  }

  /** A pool that takes no requests yet and is started by its first one. */
  prepareCold(service: Service, { version, digest, policy }: PoolVersion): Pool {
    const pool = new Pool(service, version, digest, policy);
    this.#parts.supervision.addPool(pool);
    return pool;
  }

  /** Ends a pool that never took requests. */
  discard(pool: Pool): void {
    void this.#parts.supervision.removePool(pool);
  }

  /** Routes a service with a pool that is started by its first request. */
  routeCold(service: Service, version: PoolVersion): void {
    service.pool = this.prepareCold(service, version);
    this.#parts.supervision.ensureMinimum(service.pool);
    this.#parts.router.add(service.prefix, service);
  }

  /** New requests go to a started pool from now on, and so do those that wait; the pool before it drains and ends. */
  takeOver(pool: Pool): void {
    const { service } = pool;
    const old = service.pool as Pool | undefined;
    service.pool = pool;
    this.#parts.supervision.ensureMinimum(pool);
    if (old === undefined) {
      this.#parts.router.add(service.prefix, service);
      return;
    }
    this.#parts.supervision.retirePool(old);
    service.breaker.change(breakerOf(pool.policy));
    this.#parts.dispatch.queues.move(old, pool);
    void this.#end(old);
  }

  /** Takes a service out of the route; requests that it has are answered. */
  remove(service: Service): void {
    this.#parts.router.remove(service.prefix);
    this.#parts.metrics.remove(service.prefix);
    this.#parts.supervision.retirePool(service.pool);
    void this.#endLast(service);
  }

  /**
   * Its last pool also takes the requests whose bodies still come in: no other will. Each step has its own time limit.
   */
  async #endLast(service: Service): Promise<void> {
    while (service.inFlight > 0) await sleep(DRAIN_POLL_MS);
    await this.#parts.supervision.removePool(service.pool);
  }

  async #end(pool: Pool): Promise<void> {
    const { queue_timeout, deadline } = pool.policy.limits;
    const lastMs = performance.now() + queue_timeout + deadline;
    while (pool.permits + pool.waiting.length > 0 && performance.now() < lastMs) await sleep(DRAIN_POLL_MS);
    await this.#parts.supervision.removePool(pool);
  }
}
