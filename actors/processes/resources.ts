// What a process holds by number: errors, configs, modules, timers, sockets. One table a kind. Pure.
import type { RightsSpec } from "../../wire/asks.ts";
import { COST, textCost } from "../../wire/cost.ts";

/** Told of bytes that the host keeps more, or (negative) fewer. */
export type Keep = (change: number) => void;

/** Resources of one kind; ids count from `first` and are never used again (lunatic-abi.md §0.1). */
export class ResourceTable<T> {
  readonly #entries = new Map<bigint, T>();
  readonly #limit: number;
  readonly #keep: Keep;
  readonly #costOf: (value: T) => number;
  #next: bigint;

  /** @param costOf what an entry costs beside its place; it must not change */
  constructor(limit: number, keep: Keep, first = 0n, costOf: (value: T) => number = () => 0) {
    this.#limit = limit;
    this.#keep = keep;
    this.#costOf = costOf;
    this.#next = first;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The new resource's id, or null if the table is full. */
  add(value: T): bigint | null {
    if (this.#entries.size >= this.#limit) return null;
    const id = this.#next++;
    this.#entries.set(id, value);
    this.#keep(COST.entry + this.#costOf(value));
    return id;
  }

  get(id: bigint): T | undefined {
    return this.#entries.get(id);
  }

  remove(id: bigint): boolean {
    const value = this.#entries.get(id);
    if (value === undefined) return false;
    this.#entries.delete(id);
    this.#keep(-COST.entry - this.#costOf(value));
    return true;
  }

  values(): Iterable<T> {
    return this.#entries.values();
  }
}

/** A config that a process makes for those it will spawn (lunatic-abi.md §2.7). Changed in place by its setters. */
export interface ProcessConfig {
  /** Bytes of its memory at most; 2 ** 32 - 1: as its module allows. */
  maxMemory: number;
  /** Units of 100,000 reductions it may use in all; 0: no limit. */
  maxFuel: bigint;
  canCompileModules: boolean;
  canCreateConfigs: boolean;
  canSpawnProcesses: boolean;
  readonly args: string[];
  readonly env: Map<string, string>;
  /** Guest paths of preopened directories, as they were asked for. */
  readonly preopens: string[];
}

/** What its texts cost. */
export function rightsCost({ args, env, preopens }: ProcessConfig): number {
  let cost = 0;
  for (const text of args) cost += textCost(text);
  for (const text of preopens) cost += textCost(text);
  for (const [name, value] of env) cost += textCost(name) + textCost(value);
  return cost;
}

export function rightsAsJson({ maxFuel, env, ...rights }: ProcessConfig): RightsSpec {
  return { ...rights, maxFuel: String(maxFuel), env: [...env] };
}

export function rightsFromJson({ maxFuel, env, args, preopens, ...rights }: RightsSpec): ProcessConfig {
  return { ...rights, maxFuel: BigInt(maxFuel), env: new Map(env), args: [...args], preopens: [...preopens] };
}

/** A module that a process can spawn from: the main thread's name for it. */
export interface ModuleResource {
  readonly kind: "module";
  readonly key: string;
}

/** A socket of the main thread's. */
export interface SocketResource {
  readonly kind: "tcp_stream" | "tls_stream" | "udp_socket";
  readonly handle: number;
}

/** What can travel in a message. */
export type MessageResource = ModuleResource | SocketResource;

/** The tables of one process. */
export class Resources {
  /**
   * Texts of errors; id 0 is reserved and cannot be dropped, because lunatic-rs reads id 0 on a time-out
   * (lunatic-abi.md §7.2).
   */
  readonly errors: ResourceTable<string>;
  readonly configs: ResourceTable<ProcessConfig>;
  /** Length of all texts in them. */
  configText = 0;
  readonly modules: ResourceTable<ModuleResource>;
  /** Timers that have not fired, by the kernel's numbers. */
  readonly timers: ResourceTable<number>;

  constructor(limit: number, keep: Keep) {
    this.errors = new ResourceTable(limit, keep, 1n, textCost);
    this.configs = new ResourceTable(limit, keep);
    this.modules = new ResourceTable(limit, keep);
    this.timers = new ResourceTable(limit, keep);
  }
}
