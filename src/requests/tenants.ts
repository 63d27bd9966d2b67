// Ready and stopping actors, by pid and by carrier. Pure.
import type { Carrier } from "../carriers/carrier.ts";
import type { Actor } from "../services/service.ts";

export class Tenants {
  readonly #byPid = new Map<number, Actor>();
  readonly #byCarrier = new Map<Carrier, Set<Actor>>();

  get(pid: number): Actor | undefined {
    return this.#byPid.get(pid);
  }

  all(): Iterable<Actor> {
    return this.#byPid.values();
  }

  /** Those of one carrier. */
  of(carrier: Carrier): Actor[] {
    return [...(this.#byCarrier.get(carrier) ?? [])];
  }

  add(actor: Actor): void {
    this.#byPid.set(actor.pid, actor);
    const carrier = actor.carrier as Carrier;
    const tenants = this.#byCarrier.get(carrier);
    if (tenants === undefined) this.#byCarrier.set(carrier, new Set([actor]));
    else tenants.add(actor);
  }

  remove(actor: Actor): void {
    this.#byPid.delete(actor.pid);
    const carrier = actor.carrier as Carrier;
    const tenants = this.#byCarrier.get(carrier);
    tenants?.delete(actor);
    if (tenants?.size === 0) this.#byCarrier.delete(carrier);
  }
}
