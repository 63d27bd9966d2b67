// A program by itself: its first process, all that it spawns, and its exit code (`frenezulo run`).
import { availableParallelism } from "node:os";
import { ASK, type RightsSpec } from "../../wire/asks.ts";
import type { Exit } from "../../wire/exits.ts";
import { digestOf, moduleKey } from "../../wire/module-key.ts";
import type { Preopen } from "../../wire/specs.ts";
import type { CarrierEvents } from "../carriers/carrier.ts";
import { Carriers } from "../carriers/carriers.ts";
import { guestFilesMax, INSTANCES_MAX } from "../config/machine.ts";
import type { LightCache } from "../modules/light-cache.ts";
import { type IntakeLimits, Modules } from "../modules/modules.ts";
import type { NetworkSettings } from "../networking/policy.ts";
import { nextEnvironmentId } from "../services/service.ts";
import type { MainEnvironment } from "./environments.ts";
import type { ProcessModule } from "./forms.ts";
import { ProcessSystem } from "./processes.ts";
import { StdinPieces } from "./stdin-pieces.ts";

export interface ProgramOptions {
  /** For texts. */
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly preopens: readonly Preopen[];
  /** What its processes read as standard input; null: nothing. */
  readonly stdin: NodeJS.ReadableStream | null;
  /** Bytes of memory of a process at most. */
  readonly memoryBytesMax: number;
  /** What it may connect to and listen on, as a policy's `network`. */
  readonly network: NetworkSettings;
  readonly cache: LightCache;
}

/** What is told of a run and of all processes it has made. */
export interface Watcher {
  readonly onOutput: (stream: number, text: Buffer) => void;
  /** A process other than the first has failed. */
  readonly onFailure: (pid: number, exit: Exit) => void;
}

const MIB = 2 ** 20;
/** A program has the machine to itself: these only keep it from taking that down. */
const limits = {
  processes: 1_000_000,
  memoryBytes: 64 * 2 ** 30,
  mailboxMessages: 1_000_000,
  mailboxBytes: 256 * MIB,
  messageBytes: 64 * MIB,
  sendTimeoutMs: 60_000,
  moduleBytes: 256 * MIB,
  compileMs: 60_000,
  tableElements: 100_000,
  rewriteMs: 600_000,
  rewriteBytes: 64 * MIB,
} as const;
const LATE_MS = 2000;
/** Processes that need threads of their own have so many at most. */
const THREADS_MAX = 256;

export class Program {
  readonly #options: ProgramOptions;
  readonly #digest: string;
  readonly #modules = new Modules({ threads: 1, cacheBytesMax: limits.moduleBytes, modulesMax: 256 });
  readonly #processes: ProcessSystem;
  readonly #carriers: Carriers;
  readonly #watchers = new Map<number, Watcher>();
  readonly #intake: IntakeLimits;
  readonly #stdin: StdinPieces | null;
  readonly #given = new Map<string, Uint8Array>();
  #module!: ProcessModule;

  private constructor(options: ProgramOptions, digest: string) {
    this.#options = options;
    this.#digest = digest;
    this.#carriers = new Carriers({
      threadsMax: THREADS_MAX,
      spares: availableParallelism(),
      graceMs: LATE_MS,
      zombieMs: LATE_MS,
      lightInstancesMax: INSTANCES_MAX,
      filesMax: guestFilesMax(availableParallelism()),
    });
    this.#processes = new ProcessSystem({
      carriers: this.#carriers,
      modules: this.#modules,
      cache: options.cache,
      limits: { rewrite: limits.rewriteMs, rewrite_bytes: limits.rewriteBytes, carriers: THREADS_MAX },
      nameServers: [],
      log: null,
      share: null,
    });
    this.#intake = {
      memoryBytes: options.memoryBytesMax,
      tableElements: limits.tableElements,
      moduleBytesMax: limits.moduleBytes,
      compileMs: limits.compileMs,
      needsEntry: false,
    };
    this.#stdin = options.stdin === null ? null : new StdinPieces(options.stdin);
    if (this.#stdin !== null) this.#processes.asks.on(ASK.stdin, () => (this.#stdin as StdinPieces).next());
  }

  /** Takes the module in, and makes it light if it spawns. @throws as intake; nothing runs then */
  static async open(options: ProgramOptions): Promise<Program> {
    const digest = Buffer.from(await crypto.subtle.digest("SHA-256", new Uint8Array(options.bytes))).toString("hex");
    const program = new Program(options, digest);
    try {
      program.#given.set(digest, options.bytes);
      const { module, info, usesProcesses } = await program.#modules.compile(options.bytes, program.#intake);
      program.#module = usesProcesses
        ? await program.#load(digest, Number.POSITIVE_INFINITY)
        : { key: `${digest}:plain`, module: { module, info }, why: "it spawns nothing" };
      await program.#carriers.open({
        events: program.#events(),
        onZombie: () => {},
        onMetrics: () => {},
        onSignal: program.#processes.server.onSignal,
      });
      return program;
    } catch (thrown) {
      await program.close();
      throw thrown;
    }
  }

  /** Exports of the module that are functions. */
  get exports(): string[] {
    return WebAssembly.Module.exports(this.#module.module.module)
      .filter(({ kind }) => kind === "function")
      .map(({ name }) => name);
  }

  /**
   * Runs an exported function as the first process of an environment of its own, which ends with it.
   * @param stopped ends the run before its time: what it settles with is then the end
   * @returns how it ended
   */
  async run(entry: string, watcher: Watcher, stopped?: Promise<Exit>): Promise<Exit> {
    const { args, env, preopens } = this.#options;
    const rights: RightsSpec = {
      maxMemory: 2 ** 32 - 1,
      maxFuel: "0",
      canCompileModules: true,
      canCreateConfigs: true,
      canSpawnProcesses: true,
      args,
      env: Object.entries(env),
      preopens: preopens.map(({ guest }) => guest),
    };
    const environment = this.#makeEnvironment();
    const { id } = environment.spec;
    this.#watchers.set(id, watcher);
    try {
      const ended = new Promise<Exit>((resolve, reject) => {
        const request = { rights, entry: { name: entry, params: [] }, root: 0, link: null };
        this.#processes.server.spawn(environment, this.#module, request, resolve).catch(reject);
      });
      return await (stopped === undefined ? ended : Promise.race([ended, stopped]));
    } finally {
      this.#processes.environments.close(id);
      this.#processes.networking.closeEnvironment(id);
    }
  }

  /** Ends what still runs. */
  async close(): Promise<void> {
    this.#stdin?.close();
    await Promise.all([this.#carriers.close(), this.#modules.close(), this.#processes.close()]);
  }

  #makeEnvironment(): MainEnvironment {
    const { name, args, env, preopens, network } = this.#options;
    const { environments, networking } = this.#processes;
    const id = nextEnvironmentId();
    networking.openEnvironment(id, network);
    return environments.make(
      id,
      {
        name,
        moduleKey: moduleKey(this.#digest, this.#intake),
        processesMax: limits.processes,
        memoryBytesMax: limits.memoryBytes,
        mailboxMessagesMax: limits.mailboxMessages,
        mailboxBytesMax: limits.mailboxBytes,
        messageBytesMax: limits.messageBytes,
        sendTimeoutMs: limits.sendTimeoutMs,
        canCompileModules: true,
        env,
        args,
        preopens,
        hasStdin: this.#stdin !== null,
        outputRequestBytesMax: Number.POSITIVE_INFINITY,
        outputRequestLinesMax: Number.POSITIVE_INFINITY,
        outputSecondBytesMax: Number.POSITIVE_INFINITY,
        outputSecondLinesMax: Number.POSITIVE_INFINITY,
      },
      { load: (key, memoryBytesMax) => this.#load(key, memoryBytesMax), compile: (bytes) => this.#compile(bytes) },
    );
  }

  #events(): CarrierEvents {
    const { server } = this.#processes;
    return {
      reply: () => {},
      done: () => {},
      ended: () => {},
      suspended: () => {},
      seen: () => {},
      orphaned: () => {},
      spare: () => {},
      drained: () => {},
      output: (_carrier, _actor, environment, stream, text) => this.#watchers.get(environment)?.onOutput(stream, text),
      exited: (_carrier, pid, environment, exit) => {
        if (!server.exited(pid, exit) && exit.reason !== "normal")
          this.#watchers.get(environment)?.onFailure(pid, exit);
      },
      gone: (carrier, why) => server.carrierGone(carrier, why),
    };
  }

  #load(key: string, memoryBytesMax: number): Promise<ProcessModule> {
    const digest = digestOf(key);
    const bytes = async (): Promise<Uint8Array> => {
      const given = this.#given.get(digest);
      if (given === undefined) throw new Error(`there is no module ${digest}`);
      return given;
    };
    return this.#processes.forms.load(digest, bytes, { limits: this.#intake, memoryBytesMax }, true);
  }

  async #compile(bytes: Uint8Array): Promise<string> {
    const { digest } = await this.#modules.compile(bytes, this.#intake);
    this.#given.set(digest, bytes);
    return moduleKey(digest, this.#intake);
  }
}
