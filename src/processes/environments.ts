// Environments: the processes of a service version, or of a `frenezulo run`, as the main thread sees them.
//
// Names, pids and limits are private to one. Its processes live in carriers; here is what must be in one place.
import { HeldBytes, memoryText } from "../../wire/held.ts";
import { COUNTS } from "../../wire/layout.ts";
import { digestOf } from "../../wire/module-key.ts";
import type { EnvironmentSpec } from "../../wire/specs.ts";
import type { Carrier } from "../carriers/carrier.ts";
import { Births } from "./births.ts";
import type { ProcessModule } from "./forms.ts";
import { Names } from "./names.ts";

/** What an environment is made of, beside its number and its counts. */
export type EnvironmentOptions = Omit<EnvironmentSpec, "id" | "counts">;

export interface EnvironmentParts {
  /**
   * A module that processes are spawned from, with its memory bounded.
   * @param isPatient waits for a light form that is being made; else the plain one comes meanwhile
   * @throws if there is none of that name
   */
  readonly load: (key: string, memoryBytesMax: number, isPatient: boolean) => Promise<ProcessModule>;
  /** Takes the bytes of a module that a process gives. @returns its key. @throws as intake */
  readonly compile: (bytes: Uint8Array) => Promise<string>;
}

/** A late reply counts once, and once more for each so many bytes. */
const LATE_BYTES = 65_536;
/** Forms of one module, by the memory that configs give: carriers keep each as long as the environment lives. */
const FORMS_MAX = 32;

const PAGE_BYTES = 65_536;

export class MainEnvironment {
  readonly spec: EnvironmentSpec;
  readonly names: Names;
  readonly births = new Births();
  readonly parts: EnvironmentParts;
  /** Carriers that have or had processes of it. */
  readonly carriers = new Set<Carrier>();
  readonly #words: Int32Array;
  readonly #held: HeldBytes;
  #askedBytes = 0;
  /** By the digests of modules. */
  readonly #holders = new Map<string, Set<Carrier>>();
  /** Keys of the forms of each module that processes were spawned from. */
  readonly #forms = new Map<string, Set<string>>();

  constructor(id: number, options: EnvironmentOptions, parts: EnvironmentParts, slots: number) {
    const counts = new SharedArrayBuffer((COUNTS.shares + COUNTS.words * (slots + 1)) * 4);
    this.spec = { ...options, id, counts };
    this.parts = parts;
    this.#words = new Int32Array(counts);
    this.#held = new HeldBytes((pages) => Atomics.add(this.#words, COUNTS.pages, pages));
    this.names = new Names(this);
  }

  /** Living processes, those of requests apart. */
  get processes(): number {
    return Atomics.load(this.#words, COUNTS.processes);
  }

  /** The main thread keeps so many bytes more for its processes, or (negative) fewer. */
  hold(change: number): void {
    this.#held.change(change);
  }

  /** What its processes have asked takes so many bytes more, or (negative) fewer. */
  ask(change: number): void {
    this.#askedBytes += change;
    this.hold(change);
  }

  /** True if so many bytes more may be asked at once: what is kept of modules may make way for them. */
  mayAsk(bytes: number): boolean {
    return this.#askedBytes + bytes <= this.spec.memoryBytesMax;
  }

  /** True if all its processes together may have so many bytes more. */
  hasRoomFor(bytes: number): boolean {
    return Atomics.load(this.#words, COUNTS.pages) * PAGE_BYTES + bytes <= this.spec.memoryBytesMax;
  }

  /** What is said if they may not. */
  get limitText(): string {
    return memoryText(this.spec.memoryBytesMax);
  }

  /** A carrier is given a form of a module. */
  addHolder(key: string, carrier: Carrier): void {
    const digest = digestOf(key);
    const holders = this.#holders.get(digest) ?? new Set();
    this.#holders.set(digest, holders.add(carrier));
  }

  /** Carriers that may have a module; one that has let go of it is to be deleted. */
  holders(digest: string): Set<Carrier> {
    return this.#holders.get(digest) ?? new Set();
  }

  /** Nothing is spawned from a module any more. */
  dropForms(digest: string): void {
    if (this.holders(digest).size === 0) this.#holders.delete(digest);
    for (const module of this.#forms.keys()) if (digestOf(module) === digest) this.#forms.delete(module);
  }

  /** A process is to be spawned from that form of a module. @throws Error if there would be too many */
  addForm(module: string, key: string): void {
    const forms = this.#forms.get(module) ?? new Set();
    if (!forms.has(key) && forms.size >= FORMS_MAX) {
      throw new Error(`processes of one module have more than ${FORMS_MAX} different limits of memory`);
    }
    this.#forms.set(module, forms.add(key));
  }

  /** A message of it to the main thread was for nobody; its carriers hold further ones back where there are many. */
  lateReply(bytes: number): void {
    Atomics.add(this.#words, COUNTS.lateReplies, 1 + Math.floor(bytes / LATE_BYTES));
  }

  /** Processes and armed timers in one carrier: with any it is not idle (DECISIONS 9.7). */
  workIn({ slot }: Carrier): number {
    const share = COUNTS.shares + COUNTS.words * slot;
    return Atomics.load(this.#words, share + COUNTS.processes) + Atomics.load(this.#words, share + COUNTS.timers);
  }

  /** A carrier has ended, and what was in it. */
  carrierGone(carrier: Carrier): void {
    if (!this.carriers.delete(carrier)) return;
    for (const holders of this.#holders.values()) holders.delete(carrier);
    const share = COUNTS.shares + COUNTS.words * carrier.slot;
    for (let word = 0; word < COUNTS.words; word++) {
      Atomics.sub(this.#words, word, Atomics.exchange(this.#words, share + word, 0));
    }
    this.names.slotGone(carrier.slot);
    this.births.carrierGone(carrier);
  }
}

export class Environments {
  readonly #all = new Map<number, MainEnvironment>();
  readonly #slots: number;

  /** @param slots of carriers, from `slotsFor` */
  constructor(slots: number) {
    this.#slots = slots;
  }

  get size(): number {
    return this.#all.size;
  }

  all(): Iterable<MainEnvironment> {
    return this.#all.values();
  }

  get(id: number): MainEnvironment | undefined {
    return this.#all.get(id);
  }

  /** @param id from nextEnvironmentId */
  make(id: number, options: EnvironmentOptions, parts: EnvironmentParts): MainEnvironment {
    const environment = new MainEnvironment(id, options, parts, this.#slots);
    this.#all.set(id, environment);
    return environment;
  }

  /** Ends all its processes. */
  close(id: number): void {
    const environment = this.#all.get(id);
    if (environment === undefined) return;
    this.#all.delete(id);
    for (const carrier of environment.carriers) void carrier.closeEnvironment(id).catch(() => {});
  }

  carrierGone(carrier: Carrier): void {
    for (const environment of this.#all.values()) environment.carrierGone(carrier);
  }
}
