// One carrier without a thread for unit tests: what it sends is kept, what comes to it is given.

import type { Member } from "../../actors/runtime/kernel.ts";
import type { Exit } from "../../wire/exits.ts";
import { BELL, COUNTS, SIGNAL } from "../../wire/layout.ts";
import type { CarrierModule, EnvironmentSpec } from "../../wire/specs.ts";
import { type Frame, type OnWay, type Program, SimCarrier } from "./processes-carrier.ts";

export const FOREVER = -1n;
/** Far above what a test needs. */
const TURNS_MAX = 1_000_000;

export function environment(id = 1, overrides: Partial<EnvironmentSpec> = {}): EnvironmentSpec {
  return {
    id,
    name: "test",
    counts: new SharedArrayBuffer(COUNTS.bytes),
    moduleKey: "here",
    processesMax: 100_000,
    memoryBytesMax: 2 ** 40,
    mailboxMessagesMax: 4,
    mailboxBytesMax: 100,
    messageBytesMax: 1000,
    sendTimeoutMs: 60_000,
    canCompileModules: false,
    env: {},
    args: [],
    preopens: [],
    hasStdin: false,
    outputSecondBytesMax: 0,
    outputRequestBytesMax: 0,
    outputSecondLinesMax: 0,
    outputRequestLinesMax: 0,
    ...overrides,
  };
}

/** Slot 1. */
export class Alone {
  readonly sent: (Frame & { readonly slot: number })[] = [];
  readonly inbox: { from: number; onWay: OnWay }[] = [];
  readonly exits = new Map<number, Exit>();
  readonly faults: unknown[] = [];
  isWritable = true;
  readonly carrier: SimCarrier;
  readonly #programs = new Map<number, (pid: number) => Program>();
  #next: ((pid: number) => Program) | null = null;

  constructor() {
    this.carrier = new SimCarrier({
      slot: 1,
      bell: new SharedArrayBuffer(BELL.bytes),
      net: {
        send: (_from, slot, frame) => {
          if (!this.isWritable && frame.kind !== SIGNAL.fate) return false;
          this.sent.push({ ...frame, slot });
          return true;
        },
        next: () => this.inbox.shift(),
        has: () => this.inbox.length > 0,
        isWritable: () => this.isWritable,
      },
      begin: (pid) => (this.#programs.get(pid) ?? this.#next ?? idle)(pid),
      enter: () => {},
      onFault: (thrown) => void this.faults.push(thrown),
      onExit: ({ process }, exit) => void this.exits.set(process.pid, exit),
    });
  }

  /** Whatever is spawned from now on, by whomever, runs this. */
  set spawned(program: (pid: number) => Program) {
    this.#next = program;
  }

  bear(spec: EnvironmentSpec, program: (pid: number) => Program, module = "here"): number {
    const born = this.carrier.bear(spec, module, null);
    if (typeof born === "string") throw new Error(born);
    this.#programs.set(born.process.pid, program);
    return born.process.pid;
  }

  /** A process of a real module. */
  bearWasm(
    spec: EnvironmentSpec,
    module: CarrierModule,
    name: string,
    params: readonly (number | bigint)[] = [],
  ): Member {
    const { runtime } = this.carrier;
    const born = runtime.spawner.bear({
      environment: runtime.open(spec),
      pool: runtime.addModule("wasm", module),
      module: "wasm",
      rights: this.carrier.rights,
      entry: { name, params },
      root: 0,
      link: null,
    });
    if (typeof born === "string") throw new Error(born);
    return born;
  }

  call(module: string, name: string, ...args: (number | bigint)[]): () => number | bigint {
    return () => this.carrier.call(module, name, ...args);
  }

  receive(timeout = FOREVER): () => number | bigint {
    return this.call("message", "receive", 0, 0, timeout);
  }

  /** Runs all that is ready. */
  run(): void {
    let turns = 0;
    this.carrier.poll(this.inbox.length);
    while (this.carrier.runtime.scheduler.runOne())
      if (++turns > TURNS_MAX) throw new Error("it does not come to rest");
    if (this.faults.length > 0) throw this.faults[0];
  }

  get size(): number {
    return this.carrier.runtime.kernel.size;
  }
}

export function* idle(): Program {
  // returns at once
}
