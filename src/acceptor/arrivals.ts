// The bodies of requests in memory, and those that are still coming: how many and how large, in the node, from a source
// and for a service at a time.
//
// What has come is counted, never what was announced. When a share is full its bodies wait unread. Those that are half
// there must not wait for each other for ever, so in each share the first may go beyond it: the first of the node
// beyond all, the first of a service beyond that and its source's share, so none waits for one that waits for it.
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
  /** Bodies that are being read: those that are coming and do not wait. */
  reading: Set<Arrival> | null = null;
}

/** How a body is made to wait. */
export interface Reading {
  pause(): void;
  resume(): void;
}

interface Most {
  readonly count: number;
  readonly bytes: number;
}

/** All bodies of the node. */
export class Arrivals {
  readonly all = new Share();
  readonly #sources = new Map<string, Share>();
  readonly #ofAll: Most;
  readonly #ofSource: Most;
  readonly #ofService: Most;
  readonly #waiting = new Set<Arrival>();
  #timer: NodeJS.Timeout | undefined;

  constructor({ count, bytes, sourceShare, serviceShare }: ArrivalLimits) {
    const partOf = (limit: number, share: number): number => Math.max(1, Math.floor(limit * share));
    this.#ofAll = { count, bytes };
    this.#ofSource = { count: partOf(count, sourceShare), bytes: partOf(bytes, sourceShare) };
    this.#ofService = { count: partOf(count, serviceShare), bytes: partOf(bytes, serviceShare) };
  }

  /** Bodies that wait for room. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * A body begins to come; `begin` it then.
   * @param service null for the admin routes, whose caller has proved who they are: they neither wait nor are refused
   * @returns why it is refused, in words, where there are too many
   */
  enter(remoteAddress: string, service: Share | null): Arrival | string {
    if (service === null) return new Arrival(this, null, "", null);
    const key = sourceOf(remoteAddress);
    const source = this.#sources.get(key) ?? new Share();
    const why =
      excess(this.all, this.#ofAll, "", "limits.bodies", "limits.body_bytes") ??
      excess(source, this.#ofSource, " from this address", "limits.bodies_source") ??
      excess(service, this.#ofService, " for this service", "limits.bodies_service");
    if (why !== null) return why;
    if (source.count === 0) this.#sources.set(key, source);
    return new Arrival(this, source, key, service);
  }

  /** A body waits from now on if there is no room for it. */
  admit(arrival: Arrival): void {
    if (this.#isLetOn(arrival)) setReading(arrival, true);
    else this.#hold(arrival);
  }

  /** A body took so many bytes: what is full by that is not read any more. */
  took({ source, service }: Arrival, bytes: number): void {
    const isFilled = (share: Share | null, most: Most): boolean =>
      share !== null && share.bytes >= most.bytes && share.bytes - bytes < most.bytes;
    if (isFilled(this.all, this.#ofAll)) this.#holdThose(this.all);
    if (isFilled(service, this.#ofService)) this.#holdThose(service as Share);
    if (isFilled(source, this.#ofSource)) this.#holdThose(source as Share);
  }

  /** A body is whole or will not be. */
  leave(arrival: Arrival): void {
    const { source, sourceKey, service } = arrival;
    this.#waiting.delete(arrival);
    setReading(arrival, false);
    for (const share of [this.all, source, service]) {
      if (share === null) continue;
      if (--share.count === 0) share.reading = null;
      if (share.first === arrival) share.first = null;
    }
    if (source?.count === 0) this.#sources.delete(sourceKey);
  }

  /** Something was given back: those that wait go on, in the order in which they began to. */
  letOn(): void {
    let room = this.#ofAll.bytes - this.all.bytes;
    for (const arrival of this.#waiting) {
      if (room <= 0 && this.all.first !== null) break;
      if (!this.#isLetOn(arrival)) continue;
      room -= READ_BYTES;
      this.#waiting.delete(arrival);
      setReading(arrival, true);
      arrival.reading.resume();
    }
    if (this.#waiting.size === 0 || this.all.bytes >= this.#ofAll.bytes || room > 0) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.letOn();
    }, TURN_MS).unref();
  }

  #holdThose(share: Share): void {
    for (const arrival of share.reading ?? []) if (!this.#isLetOn(arrival)) this.#hold(arrival);
  }

  #hold(arrival: Arrival): void {
    setReading(arrival, false);
    this.#waiting.add(arrival);
    arrival.reading.pause();
  }

  /** One that is alone may have all of a source's or service's share and more: a body may be larger than that. */
  #isLetOn(arrival: Arrival): boolean {
    const { all } = this;
    const { source, service } = arrival;
    if (source === null || service === null || all.first === arrival) return true;
    if (all.bytes >= this.#ofAll.bytes) return claim(all, arrival);
    if (service.first === arrival) return true;
    if (service.count > 1 && service.bytes >= this.#ofService.bytes) return claim(service, arrival);
    if (source.first === arrival) return true;
    return source.count === 1 || source.bytes < this.#ofSource.bytes || claim(source, arrival);
  }
}

/** One body. */
export class Arrival {
  readonly arrivals: Arrivals;
  readonly source: Share | null;
  readonly sourceKey: string;
  readonly service: Share | null;
  reading: Reading = { pause: () => {}, resume: () => {} };
  #bytes = 0;
  #isComing = true;

  constructor(arrivals: Arrivals, source: Share | null, sourceKey: string, service: Share | null) {
    this.arrivals = arrivals;
    this.source = source;
    this.sourceKey = sourceKey;
    this.service = service;
    arrivals.all.count++;
    if (source !== null) source.count++;
    if (service !== null) service.count++;
  }

  /** It is read from now on, unless there is no room: then `reading` is paused at once. */
  begin(reading: Reading): this {
    this.reading = reading;
    this.arrivals.admit(this);
    return this;
  }

  /** It takes so many bytes of memory more. */
  take(bytes: number): void {
    this.#bytes += bytes;
    this.#count(bytes);
    if (this.#isComing) this.arrivals.took(this, bytes);
  }

  /** It is whole, or will not be; its bytes stay counted until `release`. Does nothing the second time. */
  finish(): void {
    if (!this.#isComing) return;
    this.#isComing = false;
    if (this.source !== null) this.source.bytes -= this.#bytes;
    this.arrivals.leave(this);
    this.arrivals.letOn();
  }

  /** Its memory is given back. Does nothing the second time. */
  release(): void {
    const bytes = this.#bytes;
    this.#bytes = 0;
    this.#count(-bytes);
    if (this.#isComing) this.finish();
    else if (bytes > 0) this.arrivals.letOn();
  }

  #count(bytes: number): void {
    this.arrivals.all.bytes += bytes;
    if (this.service !== null) this.service.bytes += bytes;
    if (this.source !== null && this.#isComing) this.source.bytes += bytes;
  }
}

/** Whether it is the first of a share that is full, or becomes it. */
function claim(share: Share, arrival: Arrival): boolean {
  share.first ??= arrival;
  return share.first === arrival;
}

function setReading(arrival: Arrival, isReading: boolean): void {
  for (const share of [arrival.arrivals.all, arrival.source, arrival.service]) {
    if (share === null) continue;
    if (!isReading) share.reading?.delete(arrival);
    else if (share.reading === null) share.reading = new Set([arrival]);
    else share.reading.add(arrival);
  }
}

/** What a share has too much of for one body more; what comes with a head has been read before it could wait. */
function excess(share: Share, most: Most, whose: string, setting: string, setting2 = setting): string | null {
  if (share.count >= most.count) return `${share.count} bodies are coming in${whose} (${setting})`;
  if (share.bytes < 2 * most.bytes) return null;
  return `${share.bytes} bytes of bodies${whose} are in memory (${setting2})`;
}
