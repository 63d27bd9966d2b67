// What a carrier has around its actors, in the test's own thread: host, sender, output and ring are the real ones.
import { createHash } from "node:crypto";
import { MessageChannel, receiveMessageOnPort } from "node:worker_threads";
import { Host, type Services } from "../../actors/abi/host.ts";
import { makeImports } from "../../actors/abi/imports.ts";
import type { Processes } from "../../actors/abi/processes.ts";
import { GuestActor } from "../../actors/actor.ts";
import { Metering } from "../../actors/metering.ts";
import { Output } from "../../actors/output.ts";
import type { Process } from "../../actors/processes/process.ts";
import type { Stdin } from "../../actors/processes/stdin.ts";
import { Sender } from "../../actors/sender.ts";
import { compileModule } from "../../src/modules/compile-worker.ts";
import { abiTable } from "../../wire/abi/table.ts";
import { Bell } from "../../wire/bell.ts";
import type { Exit } from "../../wire/exits.ts";
import { BELL, CONTROL, KIND } from "../../wire/layout.ts";
import { Pids } from "../../wire/pids.ts";
import { makeRing, RingReader, RingWriter } from "../../wire/ring.ts";
import type { ActorSpec, ModuleInfo, Ticket } from "../../wire/specs.ts";
import { type GuestName, guest } from "../guests/guests.ts";
import { type RequestParts, requestMessage } from "../guests/minimal-host.ts";
import { wasm } from "./modules-fixtures.ts";

export type Compiled = Pick<ActorSpec, "module" | "digest" | "info">;

/** Through the real intake. @throws what the intake says */
export async function compile(guestOrBytes: GuestName | Uint8Array, memoryBytes = 32 << 20): Promise<Compiled> {
  const source = typeof guestOrBytes === "string" ? guest(guestOrBytes) : guestOrBytes;
  const limits = { memoryBytes, tableElements: 10_000 };
  const outcome = await compileModule({ bytes: new Uint8Array(source), limits });
  if (!outcome.ok) throw new Error(`${outcome.code}: ${JSON.stringify(outcome.details)}`);
  return { ...outcome, digest: createHash("sha256").update(source).digest("hex") };
}

export function specOf(compiled: Compiled, overrides: Partial<ActorSpec> = {}): ActorSpec {
  return {
    pid: 0,
    service: "test",
    environmentId: 1,
    environment: null,
    light: null,
    isLight: false,
    module: compiled.module,
    digest: compiled.digest,
    info: compiled.info,
    state: "fresh",
    snapshotEntropy: false,
    env: {},
    args: [],
    preopens: [],
    replyBytesMax: 8 << 20,
    outputRequestBytesMax: 64 << 10,
    outputRequestLinesMax: 1000,
    outputSecondBytesMax: 1 << 20,
    outputSecondLinesMax: 10_000,
    ...overrides,
  };
}

/** A message that came out of the carrier, in the order of the ring. */
export interface Frame {
  readonly kind: number;
  readonly seq: number;
  readonly pid: number;
  readonly about: number;
  readonly bytes: Buffer;
}

export interface Ran {
  readonly exit: Exit;
  readonly replies: readonly Frame[];
  readonly output: string;
}

const nobody = new Int32Array(new SharedArrayBuffer(4));

/** Processes as a guest without any right finds them. */
const nobodyElse: Processes = {
  tell: () => () => {},
  spawn: () => () => ({ error: "there is no room" }),
  exists: () => () => false,
  kill: () => {},
  sendAfter: () => 1,
  cancelTimer: () => true,
  hasTaken: () => {},
  awaits: () => {},
  rightsOf: () => ({
    maxMemory: 0,
    maxFuel: 0n,
    canCompileModules: false,
    canCreateConfigs: false,
    canSpawnProcesses: false,
    args: [],
    env: new Map(),
    preopens: [],
  }),
  moduleOf: () => "",
};
/** The main thread's end of asks, as a test has it. */
export type Main = (op: number, payload: Buffer) => Uint8Array;

export class LocalCarrier {
  readonly host: Host;
  readonly pids: Pids;
  readonly metering: Metering;
  /** Frames of metrics among those that were looked at. */
  readonly metrics: Buffer[] = [];
  /** Milliseconds of every wait that a guest asked for. */
  readonly waits: number[] = [];
  /** Bytes of the largest piece of output that a host function made. */
  outputPieceMax = 0;
  /** What the main thread answers at once; null: there is none. */
  main: Main | null = null;
  readonly #imports: WebAssembly.Imports;
  readonly #reader: RingReader;
  readonly #words = new Int32Array(new SharedArrayBuffer(CONTROL.bytes));
  readonly #channel = new MessageChannel();
  #running: GuestActor | null = null;

  /** @param more imports besides those of the table, for guests that only a test has */
  constructor(more: WebAssembly.Imports = {}, stdin?: Stdin) {
    const bellBlock = new SharedArrayBuffer(BELL.bytes);
    const bell = new Bell(new Int32Array(bellBlock), BELL.asleep);
    const ring = makeRing(4 << 20);
    const writer = new RingWriter(ring);
    this.#reader = new RingReader(ring);
    this.pids = new Pids(bellBlock, 1);
    const sender = new Sender(writer, this.#channel.port1, bell, this.#words);
    const output = new Output(writer, bell, this.#words);
    this.metering = new Metering(writer, bell);
    const services: Services = {
      send: (from, pid, message) => sender.send(this.host, from, pid, message),
      output: (from, stream, bytes) => {
        this.outputPieceMax = Math.max(this.outputPieceMax, bytes.length);
        output.write(this.#running, from, stream, bytes);
      },
      wait: (ready, ms) => {
        this.waits.push(ms);
        const value = ready();
        if (value !== undefined) return value;
        Atomics.wait(nobody, 0, 0, Math.min(ms, 10_000)); // nothing can come for it here
        return ready();
      },
      metric: (_from, event, name, value) => this.metering.record("test", event, name, value),
      ...(stdin !== undefined && { stdin }),
      ask: (_, op, payload) => {
        const answer = this.main?.(op, Buffer.from(payload ?? []));
        if (answer === undefined) return this.host.trap("a local carrier has no main thread to ask");
        return () => answer;
      },
      mayGoOn: () => true,
      // Nobody else lives here: what has to do with others is tested in carriers.
      processes: nobodyElse,
    };
    this.host = new Host(services);
    this.#imports = { ...makeImports(this.host), ...more };
  }

  /** The process of the actor that runs now or ran last. */
  get process(): Process {
    return (this.#running as GuestActor).process;
  }

  get deadLetters(): number {
    return this.#words[CONTROL.deadLetters] as number;
  }

  get outputDropped(): number {
    return this.#words[CONTROL.outputDropped] as number;
  }

  actor(compiled: Compiled, overrides: Partial<ActorSpec> = {}): GuestActor {
    return new GuestActor(
      specOf(compiled, { pid: this.pids.next(), ...overrides }),
      this.host,
      this.#imports,
      this.pids,
    );
  }

  /** An actor whose start went well. */
  started(compiled: Compiled, overrides: Partial<ActorSpec> = {}): GuestActor {
    const actor = this.actor(compiled, overrides);
    this.#running = actor;
    const exit = actor.start();
    if (exit.reason !== "normal") throw new Error(`the actor did not start: ${exit.text}`);
    return actor;
  }

  /** A request's bytes; its tag is the reply pid, as the node has it. */
  message(replyPid: number, parts: RequestParts = {}): Buffer {
    return requestMessage({ pid: replyPid, tag: replyPid, ...parts });
  }

  /** One request, and what the carrier does after it: put back, kept, or a new instance. */
  run(actor: GuestActor, parts: RequestParts = {}): Ran {
    const pid = this.pids.next();
    const ran = this.runMessage(actor, this.message(pid, parts), pid);
    if (!actor.settle(ran.exit)) actor.start();
    return ran;
  }

  /** Only the guest's run. The message lies amid other bytes, as in a ring. */
  runMessage(actor: GuestActor, message: Uint8Array, replyPid: number): Ran {
    const ring = new Uint8Array(message.length + 96).fill(0xee);
    ring.set(message, 32);
    this.#running = actor;
    const exit = actor.run(ring, 32, message.length, replyPid);
    const frames = this.frames();
    const texts = frames.filter(({ kind }) => kind === KIND.output).map(({ bytes }) => bytes.subarray(1));
    const replies = frames.filter(({ kind }) => kind === KIND.reply);
    return { exit, replies, output: Buffer.concat(texts).toString() };
  }

  frames(): Frame[] {
    const frames: Frame[] = [];
    const reader = this.#reader;
    while (reader.next()) {
      const { kind, seq, pid, about, offset, length } = reader;
      const bytes =
        (kind & KIND.ticket) === 0 ? Buffer.from(reader.bytes.subarray(offset, offset + length)) : this.#block();
      if (kind === KIND.metrics) this.metrics.push(bytes);
      frames.push({ kind: kind & ~KIND.ticket, seq, pid, about, bytes });
      reader.release();
    }
    return frames;
  }

  #block(): Buffer {
    const received = receiveMessageOnPort(this.#channel.port2);
    if (received === undefined) throw new Error("the frame's ticket is not in the port");
    return Buffer.from((received.message as Ticket).block);
  }
}

/** A host function as the guest calls it: with wasm's conversions and types. */
export type Call = (name: string, ...args: (number | bigint)[]) => number | bigint | undefined;

const valueTypes: Readonly<Record<string, string>> = { i: "i32", I: "i64", f: "f32", F: "f64" };

/** A guest that imports every function of the table and, when it runs, hands them to `test.step`. */
function everyFunction(age: "new" | "old"): Uint8Array<ArrayBuffer> {
  const imports: string[] = [];
  for (const [module, functions] of Object.entries(abiTable)) {
    for (const [name, signatures] of Object.entries(functions)) {
      const [parameters = "", results = ""] = (signatures.at(age === "new" ? 0 : -1) as string).split(">");
      const types = (letters: string) => [...letters].map((letter) => valueTypes[letter]).join(" ");
      const type = `(param ${types(parameters)}) (result ${types(results)})`;
      imports.push(`(import "${module}" "${name}" (func $${imports.length} ${type}))`);
    }
  }
  const all = imports.map((_each, i) => `$${i}`);
  return wasm(`(module
    ${imports.join("\n")}
    (import "test" "step" (func $step (param ${all.map(() => "funcref").join(" ")})))
    (memory (export "memory") 2 8)
    (global $top (mut i32) (i32.const 65536))
    (func (export "lunatic_alloc") (param i32) (result i32)
      (global.get $top) (global.set $top (i32.add (global.get $top) (local.get 0))))
    (elem declare func ${all.join(" ")})
    (func (export "frenezulo_main") (call $step ${all.map((each) => `(ref.func ${each})`).join(" ")})))`);
}

const info: ModuleInfo = {
  memory: "memory",
  memoryPagesMin: 2,
  memoryPagesMax: 8,
  globals: [],
  entry: "frenezulo_main",
  initialize: false,
  light: false,
  borrow: null,
  notResettable: "it is not put back",
};
const modules = {
  new: new WebAssembly.Module(everyFunction("new")),
  old: new WebAssembly.Module(everyFunction("old")),
};
const names = Object.entries(abiTable).flatMap(([module, functions]) =>
  Object.keys(functions).map(
    (name) => `${module.replace("lunatic::", "").replace("wasi_snapshot_preview1", "wasi")}.${name}`,
  ),
);

/** A guest's inside: its memory, and its imports by names such as "message.send", "wasi.fd_write". */
export interface Inside {
  readonly call: Call;
  readonly memory: () => Buffer;
  readonly carrier: LocalCarrier;
  readonly actor: GuestActor;
}

export interface InsideOptions {
  readonly age?: "new" | "old";
  readonly request?: RequestParts | Uint8Array;
  readonly spec?: Partial<ActorSpec>;
  readonly stdin?: Stdin;
  readonly main?: Main;
}

/**
 * Runs `step` as a guest that was asked something. What it throws by itself comes through; a trap ends it as a guest.
 */
export function inside(step: (inside: Inside) => void, options: InsideOptions = {}): Ran & { carrier: LocalCarrier } {
  const { age = "new", request = {}, spec = {}, main = null } = options;
  let failure: unknown;
  const imports = {
    test: {
      step: (...functions: ((...args: (number | bigint)[]) => number | bigint | undefined)[]) => {
        const call: Call = (name, ...args) => {
          const found = functions[names.indexOf(name)];
          if (found === undefined) throw new Error(`there is no import ${name}`);
          return found(...args);
        };
        try {
          step({ call, memory: () => carrier.host.memory(), carrier, actor });
        } catch (thrown) {
          if (!(thrown instanceof WebAssembly.RuntimeError)) failure = thrown;
          throw thrown;
        }
      },
    },
  };
  const carrier = new LocalCarrier(imports, options.stdin);
  carrier.main = main;
  const actor = carrier.started({ module: modules[age], digest: age, info }, spec);
  const pid = 7;
  const message = request instanceof Uint8Array ? request : requestMessage({ pid, ...request });
  const ran = carrier.runMessage(actor, message, pid);
  if (failure !== undefined) throw failure;
  return { ...ran, carrier };
}
