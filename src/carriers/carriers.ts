// Carriers: the only file that makes actors' threads. Start, keep warm, take, give back, kill.
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
import { LateThreads, type Zombie } from "./late-threads.ts";
import { MainMesh } from "./main-mesh.ts";
import { Slots, slotsFor } from "./slots.ts";

/**
 * Heap and stack of a carrier's own JavaScript; wasm memory is bounded in the module (reliability.md §6). A guest sizes
 * none of it but by its processes and their messages, which are bounded: an instance is 15 KiB and more of it.
 */
const heapMb = Math.max(64, Math.min(4096, Math.floor(totalmem() / 2 ** 22)));
const resourceLimits = { maxOldGenerationSizeMb: heapMb, maxYoungGenerationSizeMb: 8, stackSizeMb: 2 };

/** While others are spare, one that was taken is replaced after this: the cold start that took it goes first. ms */
const REFILL_MS = 20;
/** So many that do not start, one after the other, and no other is tried for a while. ms */
const FAILED_MAX = 3;
const RETRY_MS = 1000;

export interface CarriersOptions {
  /** Threads that may exist at once, late ones included. */
  readonly threadsMax: number;
  /** Warm carriers kept free. */
  readonly spares: number;
  /** A thread that has not ended this long after it was told to is late: nobody waits for its end any more. ms */
  readonly graceMs: number;
  /** A late thread that has used so much CPU time since is a zombie. ms */
  readonly zombieMs: number;
  /** Descriptors that the guests of one carrier may hold open together. */
  readonly filesMax: number;
  /** Instances of light processes in all carriers. */
  readonly lightInstancesMax: number;
}

/** Who hears of what the carriers of a node do. */
export interface CarriersListeners {
  readonly events: CarrierEvents;
  /** A thread has become a zombie; with all that there are now. */
  readonly onZombie: (zombie: Zombie, zombies: readonly Zombie[]) => void;
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
  readonly #late: LateThreads;
  readonly #slots: Slots;
  /** Counters of carriers that have gone. */
  readonly #past = { deadLetters: 0, outputDropped: 0, mismatches: 0 };
  #refillSoon: NodeJS.Timeout | undefined;
  #made = 0;
  #failedInARow = 0;
  /** Somebody was given none, and none has become free since. */
  #isWanted = false;
  /** No thread is made for a moment: the last ones could not even start. */
  #isHeldUp = false;
  #isClosed = false;
  #isDraining = false;

  constructor(options: CarriersOptions) {
    this.#options = options;
    this.#late = new LateThreads({
      zombieMs: options.zombieMs,
      onZombie: (zombie) => this.#listeners.onZombie(zombie, this.#late.zombies),
    });
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

  /** True if one is warm, or could be made now: threads start, and zombies leave room for them. */
  get canRun(): boolean {
    for (const { state } of this.all) if (state === "spare" || state === "taken") return true;
    return this.#failedInARow === 0 && this.available > 0 && !this.#slots.isEmpty;
  }

  /** Threads that did not end when they were told to, however much of the CPU they had. */
  get zombies(): number {
    return this.#late.zombies.length;
  }

  /** Threads that have not ended in time, zombies included. They hold their places. */
  get late(): number {
    return this.#late.size;
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

  /** A warm carrier, or null: then one is being made as soon as the budget allows, and `spare` will tell. */
  take(): Carrier | null {
    const carrier = this.#spares.pop() ?? null;
    if (carrier === null) this.#isWanted = true;
    else carrier.state = "taken";
    if (this.#spares.length === 0) this.#refill();
    else this.#refillSoon ??= setTimeout(() => this.#refill(), REFILL_MS);
    return carrier;
  }

  /** True if no carrier is free and none can be made: somebody must give one up. */
  get isExhausted(): boolean {
    return this.#spares.length === 0 && !this.#isWarming && this.all.size + this.late >= this.#options.threadsMax;
  }

  /** How many `take` would give now or soon. Condemned threads end in a few milliseconds: only late ones count. */
  get available(): number {
    return this.#options.threadsMax - this.count(({ state }) => state === "taken") - this.late;
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
    if (carrier.state === "taken") this.#offer(carrier);
  }

  /**
   * Ends a carrier's thread. `gone` follows when it has ended, or is late; replacement does not wait for that.
   * @param why for the log, if it cannot be ended
   */
  kill(carrier: Carrier, why = "nothing runs in it"): void {
    if (carrier.state === "gone") return;
    carrier.state = "condemned";
    const timer = setTimeout(() => {
      this.#becomesLate(carrier, why);
      carrier.declareDead();
    }, this.#options.graceMs);
    void carrier.terminate().finally(() => clearTimeout(timer));
    this.#refill();
  }

  #becomesLate(carrier: Carrier, why: string): void {
    carrier.onExit = () => {
      this.#late.remove(carrier);
      if (carrier.isLate) this.#free(carrier);
      this.#refill();
    };
    this.#late.add(carrier, why);
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

  /** Ends all threads. Resolves when each has ended or is a zombie. */
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
    for (const carrier of this.all) this.#becomesLate(carrier, "the node ends");
    await this.#late.settled();
    this.#doorbell.close();
  }

  get #isWarming(): boolean {
    for (const carrier of this.all) if (carrier.state === "warming") return true;
    return false;
  }

  /** Has so many warm, or about to be, spare ones included, as far as the budget goes. True if one is coming. */
  prepare(count: number): boolean {
    if (this.#isClosed || this.#isHeldUp) return false;
    let warming = this.count((carrier) => carrier.state === "warming");
    let missing = count - this.#spares.length - warming;
    // Condemned threads end in a few milliseconds: they do not stand in the way of their replacement, late ones do.
    let threads = this.count((carrier) => carrier.state !== "condemned") + this.late;
    const { threadsMax } = this.#options;
    for (; missing > 0 && threads < threadsMax && !this.#slots.isEmpty; missing--, threads++, warming++) {
      void this.#make();
    }
    return warming > 0;
  }

  /** What is kept in reserve; without a reserve one for whoever waits, or to see whether threads start again. */
  #refill(): void {
    clearTimeout(this.#refillSoon);
    this.#refillSoon = undefined;
    this.prepare(Math.max(this.#options.spares, this.#isWanted || this.#failedInARow > 0 ? 1 : 0));
  }

  /** Whoever waits takes it now, and who gets none asks anew. */
  #offer(carrier: Carrier): void {
    carrier.state = "spare";
    this.#spares.push(carrier);
    this.#isWanted = false;
    this.#listeners.events.spare();
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
      this.#offer(carrier);
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
    if (!carrier.isLate) this.#free(carrier);
    this.#past.deadLetters += carrier.counter("deadLetters");
    this.#past.outputDropped += carrier.counter("outputDropped");
    this.#past.mismatches += carrier.counter("mismatches");
    Atomics.sub(this.#bellWords, BELL.lightInstances, carrier.counter("lightInstances"));
    remove(this.#spares, carrier);
    events.gone(carrier, why);
    if (this.#isClosed) return;
    // Threads that cannot even start (descriptors, memory) are tried again slowly.
    if (this.#failedInARow < FAILED_MAX) this.#refill();
    else if (!this.#isHeldUp) {
      this.#isHeldUp = true;
      setTimeout(() => {
        this.#isHeldUp = false;
        this.#refill();
      }, RETRY_MS).unref();
    }
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
