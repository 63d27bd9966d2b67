// Processes that requests have elsewhere than in their own carrier: those that the main thread had made, by the request
// and the carrier. Pure.
import type { Carrier } from "../carriers/carrier.ts";

export class Births {
  readonly #byRoot = new Map<number, Map<Carrier, number>>();

  /** @param root the request's reply pid. True if a process of it may live elsewhere. */
  has(root: number): boolean {
    return this.#byRoot.has(root);
  }

  /** A process is about to be made. */
  begin(root: number, carrier: Carrier): void {
    if (root === 0) return;
    const carriers = this.#byRoot.get(root) ?? new Map<Carrier, number>();
    this.#byRoot.set(root, carriers);
    carriers.set(carrier, (carriers.get(carrier) ?? 0) + 1);
  }

  /** So many have failed; or no process of the request is left in the carrier, where so many were made meanwhile. */
  end(root: number, carrier: Carrier, count: number): void {
    const carriers = this.#byRoot.get(root);
    const left = (carriers?.get(carrier) ?? 0) - count;
    if (left > 0) carriers?.set(carrier, left);
    else carriers?.delete(carrier);
    if (carriers?.size === 0) this.#byRoot.delete(root);
  }

  carrierGone(carrier: Carrier): void {
    for (const root of this.#byRoot.keys()) this.end(root, carrier, Number.POSITIVE_INFINITY);
  }
}
