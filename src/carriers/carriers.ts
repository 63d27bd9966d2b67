// Carriers: the only file that makes actors' threads. Start, keep warm, take, give back, kill, count zombies.
//
// A carrier's end is reported only after its rings have been drained to the last commit: what a thread has written is
// never lost (reliability.md, finding 13).
import { totalmem } from "node:os";
import { Worker } from "node:worker_threads";
import { clearLocks, LOCKS_BYTES } from "../../wire/file-locks.ts";
import { BELL } from "../../wire/layout.ts";
import type { SignalHandler } from "../../wire/mesh-peer.ts";
import type { CarrierData } from "../../wire/specs.ts";
import { distFile } from "../dist-file.ts";
import { remove } from "../lists.ts";
import { Carrier, type CarrierEvents } from "./carrier.ts";
import { Doorbell } from "./doorbell.ts";
import { drainFrames } from "./frames.ts";
import { MainMesh } from "./main-mesh.ts";
import { Slots, slotsFor } from "./slots.ts";

/**
 * Heap and stack of a carrier's own JavaScript; wasm memory is bounded in the module (reliability.md §6). A guest sizes
 * none of it but by its processes and their messages, which are bounded: an instance is 15 KiB and more of it.
 */
const heapMb = Math.max(64, Math.min(4096, Math.floor(totalmem() / 2 ** 22)));
export const resourceLimits = { maxOldGenerationSizeMb: heapMb, maxYoungGenerationSizeMb: 8, stackSizeMb: 2 };

/** While others are spare, one that was taken is replaced after this: the cold start that took it goes first. ms */
const REFILL_MS = 20;

export interface CarriersOptions {
  /** Threads that may exist at once, zombies included. */
  readonly threadsMax: number;
  /** Warm carriers kept free. */
  readonly spares: number;
  /** A thread that has not ended this long after `terminate` is a zombie. ms */
  readonly graceMs: number;
  /** Descriptors that the guests of one carrier may hold open together. */
  readonly filesMax: number;
  /** Instances of light processes in all carriers. */
  readonly lightInstancesMax: number;
}

/** Who hears of what the carriers of a node do. */
export interface CarriersListeners {
  readonly events: CarrierEvents;
  /** A thread has become a zombie; so many there are now. */
  readonly onZombie: (zombies: number) => void;
  /** Takes what guests have counted (wire/metrics.ts); the bytes end with the call. */
  readonly onMetrics: (bytes: Buffer) => void;
  /** Takes signals for the main thread. */
  readonly onSignal: SignalHandler;
}

/** All carriers of a node, and the bell they ring. */
export class Carriers {
  readonly all = new Set<Carrier>();
  readonly bellBlock = new SharedArrayBuffer(BELL.bytes);
  readonly #locks = new SharedArrayBuffer(LOCKS_BYTES);
  readonly #bellWords = new Int32Array(this.bellBlock);
  /** Signals between threads; the main thread's end of it. */
  readonly mesh = new MainMesh(this.bellBlock);
  readonly #doorbell = new Doorbell(this.bellBlock, {
    carriers: this.all,
    hasSignals: () => this.mesh.hasNext(),
    drain: () => this.drain(),
  });
  /** performance.now() when the rings were last begun to be read. ms */
  drainMs = 0;
  readonly #options: CarriersOptions;
  /** Set by `open`: no thread is made before. */
  #listeners!: CarriersListeners;
  readonly #spares: Carrier[] = [];
  readonly #zombies = new Set<Carrier>();
  readonly #slots: Slots;
  /** Counters of carriers that have gone. */
  readonly #past = { deadLetters: 0, outputDropped: 0, mismatches: 0 };
  #refillSoon: NodeJS.Timeout | undefined;
  #made = 0;
  #failedInARow = 0;
  #isClosed = false;
  #isDraining = false;

  constructor(options: CarriersOptions) {
    this.#options = options;
    this.#slots = new Slots(slotsFor(options.threadsMax));
    Atomics.store(this.#bellWords, BELL.lightInstancesMax, options.lightInstancesMax);
  }

  /** Starts the first spares and listens to the bell. Resolves when one is warm. @throws if none gets warm */
  async open(listeners: CarriersListeners): Promise<void> {
    this.#listeners = listeners;
    this.#doorbell.listen();
    const first = this.#make();
    this.#refill();
    await first;
    if (this.#spares.length === 0) throw new Error("no carrier got warm");
  }

  get spares(): number {
    return this.#spares.length;
  }

  /** Carriers that can run or do run actors. */
  get warm(): number {
    return this.count(({ state }) => state === "spare" || state === "taken");
  }

  /** Threads that did not end when they were told to. */
  get zombies(): number {
    return this.#zombies.size;
  }

  /** The living carrier of that number. */
  bySlot(slot: number): Carrier | undefined {
    for (const carrier of this.all) if (carrier.slot === slot) return carrier;
    return undefined;
  }

  count(test: (carrier: Carrier) => boolean): number {
    let found = 0;
    for (const carrier of this.all) if (test(carrier)) found++;
    return found;
  }

  /** Dead letters, dropped output bytes or mismatches since the start. */
  total(word: "deadLetters" | "outputDropped" | "mismatches"): number {
    let sum = this.#past[word];
    for (const carrier of this.all) sum += carrier.counter(word);
    return sum;
  }

  /** Wakes a carrier at the end of this turn of the loop. Call after a commit. */
  wakeSoon(carrier: Carrier): void {
    this.#doorbell.wakeSoon(carrier);
  }

  /** A warm carrier, or null: then one is being made if the budget allows, and `spare` will tell. */
  take(): Carrier | null {
    const carrier = this.#spares.pop() ?? null;
    if (carrier !== null) carrier.state = "taken";
    if (this.#spares.length === 0) this.#refill();
    else this.#refillSoon ??= setTimeout(() => this.#refill(), REFILL_MS);
    return carrier;
  }

  /** True if no carrier is free and none can be made: somebody must give one up. */
  get isExhausted(): boolean {
    return (
      this.#spares.length === 0 && !this.#isWarming && this.all.size + this.#zombies.size >= this.#options.threadsMax
    );
  }

  /** How many `take` would give now or soon. Condemned threads end in a few milliseconds: they do not count. */
  get available(): number {
    return this.#options.threadsMax - this.count(({ state }) => state === "taken") - this.#zombies.size;
  }

  /** True if more are spare than are kept in reserve. */
  get hasSurplus(): boolean {
    return this.#spares.length > this.#options.spares;
  }

  /** Ends spares above the number that is kept in reserve. */
  trim(): void {
    while (this.hasSurplus) {
      // Processes may live in one that has no actor any more.
      const empty = this.#spares.findIndex((carrier) => carrier.counter("instances") === 0);
      this.kill(this.#spares.splice(Math.max(0, empty), 1)[0] as Carrier);
    }
  }

  /** Takes an empty carrier back. It stays warm; `trim` ends what is too many. */
  giveBack(carrier: Carrier): void {
    if (carrier.state !== "taken") return;
    carrier.state = "spare";
    this.#spares.push(carrier);
    this.#listeners.events.spare();
  }

  /** Ends a carrier's thread. `gone` follows when it has ended; replacement does not wait for that. */
  kill(carrier: Carrier): void {
    if (carrier.state === "gone") return;
    carrier.state = "condemned";
    const timer = setTimeout(() => {
      this.#zombies.add(carrier);
      carrier.onExit = () => {
        this.#zombies.delete(carrier);
        this.#free(carrier);
      };
      carrier.declareDead();
      this.#listeners.onZombie(this.#zombies.size);
    }, this.#options.graceMs);
    void carrier.terminate().finally(() => clearTimeout(timer));
    this.#refill();
  }

  /** Deals with everything that carriers have written. Not from inside an acceptor's handler. */
  drain(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    this.drainMs = performance.now();
    const { events, onMetrics, onSignal } = this.#listeners;
    for (const carrier of this.all) drainFrames(carrier, events, this.mesh, onMetrics);
    this.mesh.poll(onSignal);
    this.#isDraining = false;
    events.drained();
  }

  /** Ends all threads. Resolves when they have ended or the grace time has passed. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#refillSoon);
    const ends = [...this.all].map((carrier) => carrier.terminate());
    let timer: NodeJS.Timeout | undefined;
    const grace = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.#options.graceMs);
    });
    await Promise.race([Promise.allSettled(ends), grace]);
    clearTimeout(timer);
    this.#doorbell.close();
  }

  get #isWarming(): boolean {
    for (const carrier of this.all) if (carrier.state === "warming") return true;
    return false;
  }

  /** Has so many warm, or about to be, spare ones included, as far as the budget goes. True if one is coming. */
  prepare(count: number): boolean {
    if (this.#isClosed) return false;
    let warming = this.count((carrier) => carrier.state === "warming");
    let missing = count - this.#spares.length - warming;
    // Condemned threads end in a few milliseconds: they do not stand in the way of their replacement, zombies do.
    let threads = this.count((carrier) => carrier.state !== "condemned") + this.#zombies.size;
    const { threadsMax } = this.#options;
    for (; missing > 0 && threads < threadsMax && !this.#slots.isEmpty; missing--, threads++, warming++) {
      void this.#make();
    }
    return warming > 0;
  }

  #refill(): void {
    clearTimeout(this.#refillSoon);
    this.#refillSoon = undefined;
    this.prepare(this.#options.spares);
  }

  async #make(): Promise<void> {
    const carrier = new Carrier({
      id: ++this.#made,
      slot: this.#slots.take(),
      bell: this.bellBlock,
      locks: this.#locks,
      filesMax: this.#options.filesMax,
      start: startThread,
      onEnd: (each, why) => this.#onEnd(each, why),
    });
    carrier.join(this.mesh);
    this.all.add(carrier);
    try {
      await carrier.warm();
      if (carrier.state !== "warming") return;
      this.#failedInARow = 0;
      carrier.state = "spare";
      this.#spares.push(carrier);
      this.#listeners.events.spare();
    } catch {
      this.#failedInARow++; // #onEnd has the reason
    }
  }

  #onEnd(carrier: Carrier, why: string): void {
    this.drainMs = performance.now();
    const { events, onMetrics, onSignal } = this.#listeners;
    drainFrames(carrier, events, this.mesh, onMetrics);
    carrier.state = "gone";
    carrier.requests.close();
    this.all.delete(carrier);
    this.mesh.leave(carrier.slot);
    this.mesh.poll(onSignal);
    if (!carrier.isZombie) this.#free(carrier);
    this.#past.deadLetters += carrier.counter("deadLetters");
    this.#past.outputDropped += carrier.counter("outputDropped");
    this.#past.mismatches += carrier.counter("mismatches");
    Atomics.sub(this.#bellWords, BELL.lightInstances, carrier.counter("lightInstances"));
    remove(this.#spares, carrier);
    events.gone(carrier, why);
    if (this.#isClosed) return;
    // Threads that cannot even start (descriptors, memory) are tried again slowly.
    if (this.#failedInARow < 3) this.#refill();
    else setTimeout(() => this.#refill(), 1000).unref();
  }

  /** Its thread has really ended. */
  #free(carrier: Carrier): void {
    clearLocks(this.#locks, carrier.slot);
    this.mesh.ended(carrier.slot);
    this.#slots.giveBack(carrier.slot);
  }
}

function startThread(id: number, data: CarrierData): Worker {
  return new Worker(distFile("carrier.js"), {
    name: `carrier ${id}`,
    workerData: data,
    transferList: [data.tickets, data.mesh, data.port],
    resourceLimits,
    env: {},
    execArgv: [],
  });
}
