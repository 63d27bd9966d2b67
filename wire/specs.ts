// What a thread is told once, by structured clone: modules, environments, actors, carriers. Types, and one bound.

/** Descriptors a process may have open at once, those it was born with included; beyond it EMFILE. */
export const DESCRIPTORS_MAX = 1024;

/** What the carrier knows of a module beyond the module itself; made by the intake (src/modules/modules.ts). */
export interface ModuleInfo {
  /** Export name of the memory, or null for a module without one. */
  readonly memory: string | null;
  /** Pages (64 KiB) the memory starts with, and the maximum written into the module. */
  readonly memoryPagesMin: number;
  readonly memoryPagesMax: number;
  /** Export names of every mutable global (own or added by the intake), for putting an instance back. */
  readonly globals: readonly string[];
  /** Exported name of the entry: `frenezulo_main`, `_start` or `main`; null where none is needed. */
  readonly entry: string | null;
  /** True if `_initialize` is exported: called once after instantiation. */
  readonly initialize: boolean;
  /** True for what the rewrite for light processes made: it has the imports and exports of wire/abi/light.ts. */
  readonly light: boolean;
  /**
   * Where a stack of the guest may be unwound into for a moment: the lowest data segment, 16 bytes aligned, such that
   * BORROW_BYTES fit into the memory it starts with, or from 0 where they do not. null for a module without memory.
   */
  readonly borrow: number | null;
  /** null if an instance can be put back in place, else why not (an opcode, several memories…). */
  readonly notResettable: string | null;
}

/** A directory of the host that a guest may use. */
export interface Preopen {
  /** The name the guest sees. */
  readonly guest: string;
  /** Absolute, without links in it. */
  readonly host: string;
  readonly isReadOnly: boolean;
}

/** What a process sees of the world it was started in. */
export interface Guest {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly preopens: readonly Preopen[];
}

/** A module that instances are made of. */
export interface CarrierModule {
  readonly module: WebAssembly.Module;
  readonly info: ModuleInfo;
}

/** How much of what a guest writes to stdout and stderr gets to the log; Infinity in all four: all of it, as it is. */
export interface OutputLimits {
  readonly outputRequestBytesMax: number;
  readonly outputRequestLinesMax: number;
  readonly outputSecondBytesMax: number;
  readonly outputSecondLinesMax: number;
}

/**
 * An environment: the processes of a service version, or of a `frenezulo run`. Names and pids are private to it.
 * Sizes bytes, durations ms.
 */
export interface EnvironmentSpec extends OutputLimits {
  /** Never used again. u32 */
  readonly id: number;
  /** For texts: the service's prefix, or the program. */
  readonly name: string;
  /** COUNTS, shared by all carriers it has processes in. */
  readonly counts: SharedArrayBuffer;
  /** The main thread's name for the module of its first process. */
  readonly moduleKey: string;
  readonly processesMax: number;
  readonly memoryBytesMax: number;
  readonly mailboxMessagesMax: number;
  readonly mailboxBytesMax: number;
  readonly messageBytesMax: number;
  /** How long a sender waits for room in a mailbox before it traps. */
  readonly sendTimeoutMs: number;
  readonly canCompileModules: boolean;
  readonly env: Readonly<Record<string, string>>;
  readonly args: readonly string[];
  readonly preopens: readonly Preopen[];
  /** True if its processes read the standard input of the node; else theirs is at its end. */
  readonly hasStdin: boolean;
}

/** What a carrier needs to start an actor. Sent over comlink, once an actor. Durations ms, sizes bytes. */
export interface ActorSpec extends OutputLimits {
  readonly pid: number;
  readonly service: string;
  /** Number of its environment. */
  readonly environmentId: number;
  /** Its environment if its module can have to do with other processes; null: it cannot. */
  readonly environment: EnvironmentSpec | null;
  /** The module's form for light processes: what it spawns; null: there is none (yet). */
  readonly light: CarrierModule | null;
  /** True if its requests run in that form too: while one waits, its carrier does other things. */
  readonly isLight: boolean;
  readonly module: WebAssembly.Module;
  /** sha256 of the module, hex. */
  readonly digest: string;
  readonly info: ModuleInfo;
  readonly state: "fresh" | "kept";
  /** Put back even if start asked for a clock or randomness (policy snapshot_entropy). */
  readonly snapshotEntropy: boolean;
  readonly env: Readonly<Record<string, string>>;
  readonly args: readonly string[];
  readonly preopens: readonly Preopen[];
  readonly replyBytesMax: number;
}

/** What a carrier's thread is started with (workerData). */
export interface CarrierData {
  /** 1 to 1,023: the thread's number, no other living thread's; part of each pid that it gives out (pids.ts). */
  readonly slot: number;
  readonly bell: SharedArrayBuffer;
  readonly control: SharedArrayBuffer;
  readonly requests: SharedArrayBuffer;
  readonly replies: SharedArrayBuffer;
  /** SQLite's locks on files (file-locks.ts), one block a node. */
  readonly locks: SharedArrayBuffer;
  /** Descriptors that its guests may hold open together. */
  readonly filesMax: number;
  /** Payloads that are too large for a ring, both ways: Ticket messages. */
  readonly tickets: import("node:worker_threads").MessagePort;
  /** MeshNote messages of the main thread. */
  readonly mesh: import("node:worker_threads").MessagePort;
  /** comlink: CarrierControl. */
  readonly port: import("node:worker_threads").MessagePort;
}

/**
 * A payload beside the ring (DECISIONS 1.3): posted before the frame that names it is committed. Its block is
 * transferred, not shared: V8 does not count shared memory, so that 300 replies of 4 MB were 1.2 GiB of garbage (M).
 */
export interface Ticket {
  readonly ticket: number;
  readonly block: ArrayBuffer;
}
