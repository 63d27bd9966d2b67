// The bodies of requests in memory, and those that are still coming: how many and how large, in the node, from a source
// and for a service at a time.
//
// What has come is counted, never what was announced. Where there is no room a body waits unread. Bodies that are half
// there must not wait for each other for ever, so in each share the first may go beyond it: the first of the node
// beyond everything, the first of a service beyond that and its source's share, so none waits for one that waits for it.
import { sourceOf } from "./source.ts";

/** What one that is let on may read before it is counted: the receive buffer of uWebSockets.js. */
const READ_BYTES = 512 * 1024;
/** Until what those that were let on have read is counted, and others may be let on. ms */
const TURN_MS = 10;

export interface ArrivalLimits {
  /** Bodies that may be coming at once. */
  readonly count: number;
  /** Bytes of bodies in memory, whole or not, from which on bodies wait. */
  readonly bytes: number;
  /** The parts of both that one source, and one service, may have. Above 0, to 1 */
  readonly sourceShare: number;
  readonly serviceShare: number;
}

/** What the node, a source or a service has. */
export class Share {
  /** Bodies that are coming. */
  count = 0;
  /** Of these, and but for a source also of those that are whole and not yet answered. */
  bytes = 0;
  /** The body that may go beyond it. */
  first: Arrival | null = null;
}

/** All bodies of the node. */
export class Arrivals {
  readonly all = new Share();
  readonly #sources = new Map<string, Share>();
  readonly #limits: ArrivalLimits;
  readonly #source: { readonly count: number; readonly bytes: number };
  readonly #service: { readonly count: number; readonly bytes: number };
  readonly #waiting = new Set<Arrival>();
  #timer: NodeJS.Timeout | undefined;

  constructor(limits: ArrivalLimits) {
    const { count, bytes, sourceShare, serviceShare } = limits;
    this.#limits = limits;
    this.#source = { count: partOf(count, sourceShare), bytes: partOf(bytes, sourceShare) };
    this.#service = { count: partOf(count, serviceShare), bytes: partOf(bytes, serviceShare) };
  }

  /** Bodies that wait for room. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * A body begins to come.
   * @param service null for the admin routes, whose caller has proved who they are: they neither wait nor are refused
   * @returns why it is refused, in words, where there are too many
   */
  enter(remoteAddress: string, service: Share | null): Arrival | string {
    const { all } = this;
    if (service === null) return new Arrival(this, null, "", null);
    const { count, bytes } = this.#limits;
    if (all.count >= count) return `${all.count} bodies are coming in (limits.bodies)`;
    const key = sourceOf(remoteAddress);
    const source = this.#sources.get(key) ?? new Share();
    if (source.count >= this.#source.count)
      return `${source.count} bodies are coming in from this address (limits.bodies_source)`;
    if (service.count >= this.#service.count)
      return `${service.count} bodies are coming in for this service (limits.bodies_service)`;
    // What comes with its head has been read before it could be made to wait.
    if (all.bytes >= 2 * bytes) return `${all.bytes} bytes of bodies are in memory (limits.body_bytes)`;
    if (service.bytes >= 2 * this.#service.bytes)
      return `${service.bytes} bytes of bodies for this service are in memory (limits.bodies_service)`;
    if (source.count === 0) this.#sources.set(key, source);
    return new Arrival(this, source, key, service);
  }

  /** Whether a body may be read on; if not it waits, and its `onRoom` is called. */
  mayRead(arrival: Arrival): boolean {
    if (this.#isLetOn(arrival)) return true;
    this.#waiting.add(arrival);
    return false;
  }

  /** A body is whole or will not be. */
  leave(arrival: Arrival): void {
    const { source, sourceKey, service } = arrival;
    this.#waiting.delete(arrival);
    for (const share of [this.all, source, service]) {
      if (share === null) continue;
      share.count--;
      if (share.first === arrival) share.first = null;
    }
    if (source?.count === 0) this.#sources.delete(sourceKey);
  }

  /** Something was given back: those that wait go on, in the order in which they began to. */
  letOn(): void {
    let room = this.#limits.bytes - this.all.bytes;
    for (const arrival of this.#waiting) {
      if (room <= 0 && this.all.first !== null) break;
      if (!this.#isLetOn(arrival)) continue;
      room -= READ_BYTES;
      this.#waiting.delete(arrival);
      arrival.onRoom();
    }
    if (this.#waiting.size === 0 || this.all.bytes >= this.#limits.bytes || room > 0) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.letOn();
    }, TURN_MS).unref();
  }

  /** One that is alone may have all of a source's or service's share and more: a body may be larger than that. */
  #isLetOn(arrival: Arrival): boolean {
    const { source, service } = arrival;
    if (source === null || service === null || this.all.first === arrival) return true;
    if (this.all.bytes >= this.#limits.bytes) return claim(this.all, arrival);
    if (service.first === arrival) return true;
    if (service.count > 1 && service.bytes >= this.#service.bytes) return claim(service, arrival);
    if (source.first === arrival) return true;
    return source.count === 1 || source.bytes < this.#source.bytes || claim(source, arrival);
  }
}

/** One body. */
export class Arrival {
  readonly source: Share | null;
  readonly sourceKey: string;
  readonly service: Share | null;
  /** Called when it may read on after `mayRead` was false. */
  onRoom: () => void = () => {};
  readonly #arrivals: Arrivals;
  #bytes = 0;
  #isComing = true;

  constructor(arrivals: Arrivals, source: Share | null, sourceKey: string, service: Share | null) {
    this.source = source;
    this.sourceKey = sourceKey;
    this.service = service;
    this.#arrivals = arrivals;
    arrivals.all.count++;
    if (source !== null) source.count++;
    if (service !== null) service.count++;
  }

  /** Whether it may be read on. If not, `onRoom` tells when. */
  get mayRead(): boolean {
    return this.#arrivals.mayRead(this);
  }

  /** It takes so many bytes of memory more. */
  take(bytes: number): void {
    this.#bytes += bytes;
    this.#count(bytes);
  }

  /** It is whole, or will not be; its bytes stay counted until `release`. Does nothing the second time. */
  finish(): void {
    if (!this.#isComing) return;
    this.#isComing = false;
    if (this.source !== null) this.source.bytes -= this.#bytes;
    this.#arrivals.leave(this);
    this.#arrivals.letOn();
  }

  /** Its memory is given back. Does nothing the second time. */
  release(): void {
    const bytes = this.#bytes;
    this.#bytes = 0;
    this.#count(-bytes);
    if (this.#isComing) this.finish();
    else if (bytes > 0) this.#arrivals.letOn();
  }

  #count(bytes: number): void {
    this.#arrivals.all.bytes += bytes;
    if (this.service !== null) this.service.bytes += bytes;
    if (this.source !== null && this.#isComing) this.source.bytes += bytes;
  }
}

const partOf = (limit: number, share: number): number => Math.max(1, Math.floor(limit * share));

/** Whether it is the first of a share that is full, or becomes it. */
function claim(share: Share, arrival: Arrival): boolean {
  share.first ??= arrival;
  return share.first === arrival;
}
