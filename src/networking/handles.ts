// Who holds which socket: handles of processes, counted, closed with whoever held them.
import type { Asker } from "../carriers/answering.ts";
import { nobodyOf, type Slices } from "../carriers/slices.ts";
import { after, type Timer } from "../timer.ts";
import { NetworkError } from "./call.ts";
import { NODE_SOCKETS_MAX } from "./limits.ts";

/** A socket; it is closed when nobody holds it any more. */
export interface Held {
  readonly kind: "listener" | "stream" | "datagrams";
  /** Handles to it. */
  holders: number;
  close(): void;
}

interface Entry {
  readonly environment: number;
  readonly held: Held;
  /** 0: it is in a message and nobody's. */
  pid: number;
  slot: number;
  transit: Timer | null;
}

/** How long a socket may be in a message that nobody takes it from. */
const TRANSIT_MS = 60_000;

export class Handles {
  readonly #entries = new Map<number, Entry>();
  /** Handles of each process that has any: most that end have none. */
  readonly #byProcess = new Map<number, Set<number>>();
  readonly #counts = new Map<number, { sockets: number; readonly max: number }>();
  readonly #slices: Slices;
  readonly #transitMs: number;
  #total = 0;
  #next = 1;

  constructor(slices: Slices, transitMs = TRANSIT_MS) {
    this.#slices = slices;
    this.#transitMs = transitMs;
  }

  /** Handles, and what was reserved. */
  get total(): number {
    return this.#total;
  }

  /** @param max sockets at once: handles and connections that nobody has accepted yet */
  openEnvironment(environment: number, max: number): void {
    this.#counts.set(environment, { sockets: 0, max });
  }

  closeEnvironment(environment: number): void {
    this.#dropWhere((entry) => entry.environment === environment);
    this.#counts.delete(environment);
  }

  /** Counts a socket that is about to be; false if there are too many. Undone by `release`. */
  reserve(environment: number): boolean {
    return this.#whyFull(environment) === null && this.#count(environment, 1);
  }

  /** @throws NetworkError if there are too many */
  reserveOrThrow(environment: number): void {
    const why = this.#whyFull(environment);
    if (why !== null) throw new NetworkError(why);
    this.#count(environment, 1);
  }

  release(environment: number): void {
    this.#count(environment, -1);
  }

  /** A handle to what was reserved for. */
  add({ environment, pid, slot }: Asker, held: Held): number {
    const handle = this.#next;
    this.#next = handle === 0xffff_ffff ? 1 : handle + 1;
    held.holders++;
    const entry: Entry = { environment, held, pid: 0, slot: 0, transit: null };
    this.#entries.set(handle, entry);
    this.#own(handle, entry, pid, slot);
    return handle;
  }

  /** @throws NetworkError if it is closed or somebody else's */
  get(asker: Asker, handle: number): Held {
    return this.#ownedBy(asker, handle).held;
  }

  /** Another handle to the same socket. @throws NetworkError */
  clone(asker: Asker, handle: number): number {
    const { held } = this.#ownedBy(asker, handle);
    this.reserveOrThrow(asker.environment);
    return this.add(asker, held);
  }

  /** A handle that is gone already is no error: its environment may have ended. */
  drop(asker: Asker, handle: number): void {
    const entry = this.#entries.get(handle);
    if (entry?.pid === asker.pid) this.#drop(handle, entry);
  }

  /** Puts it into a message: nobody's, and closed if nobody takes it within a minute. @throws NetworkError */
  give(asker: Asker, handle: number): void {
    const entry = this.#ownedBy(asker, handle);
    this.#disown(handle, entry);
    entry.transit = after(this.#transitMs, () => this.#drop(handle, entry)).unref();
  }

  /** Takes it out of a message. @throws NetworkError if it is closed or was taken */
  take({ environment, pid, slot }: Asker, handle: number): void {
    const entry = this.#entries.get(handle);
    if (entry?.environment !== environment || entry.pid !== 0) throw new NetworkError(GONE);
    entry.transit?.cancel();
    entry.transit = null;
    this.#own(handle, entry, pid, slot);
  }

  endProcess(pid: number): void {
    for (const handle of this.#byProcess.get(pid) ?? []) this.#dropSoon(handle, this.#entries.get(handle) as Entry);
  }

  endSlot(slot: number): void {
    this.#dropWhere((entry) => entry.slot === slot && entry.pid !== 0);
  }

  #own(handle: number, entry: Entry, pid: number, slot: number): void {
    entry.pid = pid;
    entry.slot = slot;
    const own = this.#byProcess.get(pid);
    if (own === undefined) this.#byProcess.set(pid, new Set([handle]));
    else own.add(handle);
  }

  #disown(handle: number, entry: Entry): void {
    const own = this.#byProcess.get(entry.pid);
    own?.delete(handle);
    if (own?.size === 0) this.#byProcess.delete(entry.pid);
    entry.pid = 0;
    entry.slot = 0;
  }

  #ownedBy(asker: Asker, handle: number): Entry {
    const entry = this.#entries.get(handle);
    if (entry === undefined || entry.pid !== asker.pid) throw new NetworkError(GONE);
    return entry;
  }

  #dropWhere(test: (entry: Entry) => boolean): void {
    for (const [handle, entry] of this.#entries) if (test(entry)) this.#dropSoon(handle, entry);
  }

  /** One of perhaps thousands: at once if there is time for it. Until then it counts, and nobody can use it. */
  #dropSoon(handle: number, entry: Entry): void {
    void this.#slices.run(nobodyOf(entry.environment), () => this.#drop(handle, entry));
  }

  #drop(handle: number, entry: Entry): void {
    if (!this.#entries.delete(handle)) return;
    entry.transit?.cancel();
    this.#disown(handle, entry);
    this.#count(entry.environment, -1);
    if (--entry.held.holders === 0) entry.held.close();
  }

  #whyFull(environment: number): string | null {
    const count = this.#counts.get(environment);
    if (count === undefined) return "the environment has ended";
    if (count.sockets >= count.max) return `too many sockets: the policy's network.sockets is ${count.max}`;
    return this.#total >= NODE_SOCKETS_MAX ? `too many sockets: the node has ${NODE_SOCKETS_MAX} of guests` : null;
  }

  #count(environment: number, change: number): true {
    const count = this.#counts.get(environment);
    if (count !== undefined) count.sockets += change;
    this.#total += change;
    return true;
  }
}

const GONE = "the socket is closed";
