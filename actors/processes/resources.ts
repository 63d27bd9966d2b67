// What a process holds by number: errors, configs, modules, timers, sockets. One table a kind. Pure.
import type { RightsSpec } from "../../wire/asks.ts";

/** Resources of one kind; ids count from `first` and are never used again (lunatic-abi.md §0.1). */
export class ResourceTable<T> {
  readonly #entries = new Map<bigint, T>();
  readonly #limit: number;
  #next: bigint;

  constructor(limit: number, first = 0n) {
    this.#limit = limit;
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
    return id;
  }

  get(id: bigint): T | undefined {
    return this.#entries.get(id);
  }

  remove(id: bigint): boolean {
    return this.#entries.delete(id);
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

  constructor(limit: number) {
    this.errors = new ResourceTable(limit, 1n);
    this.configs = new ResourceTable(limit);
    this.modules = new ResourceTable(limit);
    this.timers = new ResourceTable(limit);
  }
}
