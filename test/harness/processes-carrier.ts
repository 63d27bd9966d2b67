// A carrier without a thread: the real runtime, kernel, scheduler and host functions, with guests that are generators
// instead of wasm, and a mesh that is a queue in memory.
import { makeLightImports } from "../../actors/abi/imports.ts";
import { InstanceBudget } from "../../actors/instances/budget.ts";
import type { GuestInstance } from "../../actors/instances/instance.ts";
import type { InstancePool } from "../../actors/instances/pool.ts";
import type { StackState } from "../../actors/instances/stack.ts";
import type { ProcessConfig } from "../../actors/processes/resources.ts";
import type { Member } from "../../actors/runtime/kernel.ts";
import { Runtime } from "../../actors/runtime/runtime.ts";
import type { Bell } from "../../wire/bell.ts";
import type { Exit } from "../../wire/exits.ts";
import { BELL, CONTROL } from "../../wire/layout.ts";
import type { Mesh } from "../../wire/mesh.ts";
import type { SignalHandler } from "../../wire/mesh-peer.ts";
import { Pids } from "../../wire/pids.ts";
import type { EnvironmentSpec, ModuleInfo } from "../../wire/specs.ts";

export interface Frame {
  readonly kind: number;
  readonly to: number;
  readonly from: number;
  readonly environment: number;
  readonly bytes: Uint8Array;
}

/** What a slot's queue to another holds; gone: nothing of that slot's old owner comes any more. */
export type OnWay = Frame | { readonly gone: number };

/** The way between slots: decides what arrives when. */
export interface Net {
  /** False: refused for now. */
  send(from: number, to: number, frame: Frame): boolean;
  /** What comes to a slot now; undefined: nothing. */
  next(to: number): { readonly from: number; readonly onWay: OnWay } | undefined;
  has(to: number): boolean;
  /** False while it refuses messages from a slot to another. */
  isWritable(from: number, to: number): boolean;
}

/** Each value that it yields is one host call; it gets back what that gave. */
export type Program = Generator<() => unknown, void, unknown>;

const INFO: ModuleInfo = {
  memory: "memory",
  memoryPagesMin: 1,
  memoryPagesMax: 1,
  globals: [],
  entry: null,
  initialize: false,
  light: true,
  borrow: 0,
  notResettable: "it is not wasm",
};

/** An instance of a program: its stack is kept by the generator itself. */
class Guest {
  readonly stack = {
    state: "normal" as StackState,
    reductions: 0,
    beginUnwind: () => {
      this.stack.state = "unwinding";
    },
    isKept: false,
    endUnwind: () => {
      this.stack.state = "normal";
      this.stack.isKept = true;
    },
    beginRewind: () => {
      this.stack.state = "rewinding";
    },
    endRewind: () => {
      this.stack.state = "normal";
      this.stack.isKept = false;
    },
    reset: () => {
      this.stack.state = "normal";
      this.stack.isKept = false;
    },
  };
  readonly startCalls = [];
  readonly isNearMemoryLimit = false;
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly memoryBytes: Buffer;
  readonly memoryView: DataView;
  readonly exports: { readonly main: () => void };
  #call: (() => unknown) | null = null;

  constructor(
    memory: { readonly buffer: ArrayBuffer },
    { begin, enter, onFault }: SimCarrierOptions,
    pid: () => number,
  ) {
    this.memory = memory;
    this.memoryBytes = Buffer.from(memory.buffer);
    this.memoryView = new DataView(memory.buffer);
    let program: Program | null = null;
    this.exports = {
      main: () => {
        enter(pid());
        program ??= begin(pid());
        try {
          this.#goOn(program);
        } catch (thrown) {
          if (!(thrown instanceof WebAssembly.RuntimeError)) onFault(thrown);
          throw thrown;
        }
      },
    };
  }

  #goOn(program: Program): void {
    let value: unknown;
    for (;;) {
      if (this.#call !== null) {
        value = this.#call();
        if (this.stack.state === "unwinding") return;
      }
      const next = program.next(value);
      if (next.done === true) return;
      this.#call = next.value;
    }
  }
}

export interface SimCarrierOptions {
  readonly slot: number;
  readonly bell: SharedArrayBuffer;
  readonly net: Net;
  /** The program of a process that begins. */
  readonly begin: (pid: number) => Program;
  /** Its code runs from now on. */
  readonly enter: (pid: number) => void;
  /** It threw something else than a trap: what it found wrong. */
  readonly onFault: (thrown: unknown) => void;
  readonly onExit: (member: Member, exit: Exit) => void;
}

type HostCall = (...args: (number | bigint)[]) => number | bigint;
export type HostCalls = Record<string, Record<string, HostCall>>;

export class SimCarrier {
  readonly slot: number;
  readonly runtime: Runtime;
  readonly calls: HostCalls;
  readonly pool: InstancePool;
  /** All guests of a carrier see the same memory: one runs at a time, and keeps nothing there. */
  readonly memory = { buffer: new ArrayBuffer(65_536) };
  readonly bytes = Buffer.from(this.memory.buffer);
  readonly rights: ProcessConfig = {
    maxMemory: 2 ** 32 - 1,
    maxFuel: 0n,
    canCompileModules: false,
    canCreateConfigs: false,
    canSpawnProcesses: true,
    args: [],
    env: new Map(),
    preopens: [],
  };
  deadLetters = 0;
  /** Called for each message that goes to the main thread. */
  onReply: () => void = () => {};
  readonly #control = new Int32Array(new SharedArrayBuffer(CONTROL.bytes));
  readonly #instances: InstanceBudget;
  /** Frames that a poll takes. */
  budget = 0;

  constructor(options: SimCarrierOptions) {
    const { slot, bell, net, onExit } = options;
    const words = new Int32Array(bell);
    words[BELL.lightInstancesMax] = 100_000;
    this.#instances = new InstanceBudget(words, this.#control);
    this.slot = slot;
    const mesh = {
      onPeerGone: (_slot: number, _pidEnd: number): void => {},
      isWritable: (to: number) => net.isWritable(slot, to),
      hasNext: () => this.budget > 0 && net.has(slot),
      send: (to: number, ...[kind, toPid, from, environment, bytes]: [number, number, number, number, Uint8Array]) =>
        net.send(slot, to, { kind, to: toPid, from, environment, bytes: new Uint8Array(bytes) }),
      poll: (handler: SignalHandler): boolean => {
        let came = false;
        for (; this.budget > 0; came = true) {
          const next = net.next(slot);
          if (next === undefined) break;
          this.budget--;
          const { onWay } = next;
          if ("gone" in onWay) mesh.onPeerGone(next.from, onWay.gone);
          else handler(onWay.kind, onWay.to, onWay.from, onWay.environment, onWay.bytes, 0, onWay.bytes.length);
        }
        return came;
      },
    };
    this.runtime = new Runtime({
      slot,
      pids: new Pids(bell, slot),
      mesh: mesh as unknown as Mesh,
      asleep: { block: () => {}, ring: () => {} } as unknown as Bell,
      isWanted: () => true, // a yield always gives way
      output: () => {},
      reply: () => this.onReply(),
      alone: () => true,
      deadLetter: () => void this.deadLetters++,
      metric: () => {},
      budget: this.#instances,
      takeModule: () => undefined,
      onExit,
      onOrphaned: () => {},
      onMismatch: () => {
        throw new Error("another process runs than must");
      },
      onTurn: () => {},
    });
    this.calls = makeLightImports(this.runtime.host, this.runtime.imports) as HostCalls;
    this.pool = this.runtime.addModule("here", { module: null as unknown as WebAssembly.Module, info: INFO });
    Object.assign(this.pool, {
      take: () => {
        this.#instances.add(1);
        const pid = (): number => this.runtime.host.process.pid;
        return new Guest(this.memory, options, pid) as unknown as GuestInstance;
      },
      give: () => this.#instances.add(-1),
    });
  }

  /** Instances that live. */
  get instances(): number {
    return this.#control[CONTROL.instances] as number;
  }

  /** One frame comes. */
  poll(frames: number): void {
    this.budget = frames;
    this.runtime.poll();
    this.budget = 0;
  }

  call(module: string, name: string, ...args: (number | bigint)[]): number | bigint {
    const call = this.calls[`lunatic::${module}`]?.[name] as HostCall;
    return call(...args);
  }

  /** Puts a process there, as the main thread does. */
  bear(spec: EnvironmentSpec, module: string, link: { pid: number; tag: bigint } | null): Member | string {
    return this.runtime.spawner.bear({
      environment: this.runtime.open(spec),
      pool: this.pool,
      module,
      rights: this.rights,
      entry: { name: "main", params: [] },
      root: 0,
      link,
    });
  }
}
