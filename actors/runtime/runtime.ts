// What a carrier does for the processes in it: spawning, waiting, ends, turns, and the way to others.

import { ASK } from "../../wire/asks.ts";
import type { Exit } from "../../wire/exits.ts";
import { digestOf } from "../../wire/module-key.ts";
import { slotOf } from "../../wire/pids.ts";
import type { CarrierModule, EnvironmentSpec } from "../../wire/specs.ts";
import { Host, type Services } from "../abi/host.ts";
import { makeImports, makeLightImports } from "../abi/imports.ts";
import type { Later, Processes } from "../abi/processes.ts";
import { Ballast } from "../instances/ballast.ts";
import { InstancePool } from "../instances/pool.ts";
import type { MetricEvent } from "../metering.ts";
import { Environment } from "../processes/environment.ts";
import type { Message } from "../processes/mailbox.ts";
import type { Process } from "../processes/process.ts";
import type { ProcessConfig } from "../processes/resources.ts";
import { AskedStdin, type Stdin } from "../processes/stdin.ts";
import { Asking } from "./asking.ts";
import { Ends } from "./ends.ts";
import { GiveWay } from "./give-way.ts";
import { Kernel, type Member } from "./kernel.ts";
import type { RuntimeParts } from "./parts.ts";
import { Scheduler } from "./scheduler.ts";
import { signalHandler } from "./signal-handler.ts";
import { Spawner } from "./spawner.ts";
import type { Task } from "./task.ts";
import { Turns } from "./turns.ts";

const NO_BYTES = new Uint8Array(0);

export class Runtime implements Services, Processes {
  readonly host: Host;
  readonly kernel: Kernel;
  readonly scheduler: Scheduler;
  readonly spawner: Spawner;
  readonly asking: Asking;
  readonly imports: WebAssembly.Imports;
  readonly environments = new Map<number, Environment>();
  readonly processes: Processes = this;
  readonly #parts: RuntimeParts;
  readonly #lightImports: WebAssembly.Imports;
  readonly #pools = new Map<string, InstancePool>();
  readonly #ballast = new Ballast();
  readonly #turns: Turns;
  readonly #giveWay = new GiveWay();
  readonly #othersWait = ({ environment }: Process): boolean => this.scheduler.hasReadyBeside(environment);
  readonly #ends = new Ends((task, exit) => this.#finish(task, exit));
  constructor(parts: RuntimeParts) {
    this.#parts = parts;
    this.host = new Host(this);
    this.imports = makeImports(this.host);
    this.#lightImports = makeLightImports(this.host, this.imports);
    this.scheduler = new Scheduler(this.host, {
      onEnd: (task, exit) => this.endTask(task, exit),
      onTurn: ({ process }) => {
        this.#giveWay.begin();
        parts.onTurn(process.environment);
      },
      onMismatch: parts.onMismatch,
    });
    const { mesh, slot } = parts;
    this.kernel = new Kernel({
      slot,
      toSlot: (to, kind, toPid, fromPid, environment, bytes) =>
        mesh.send(to, kind, toPid, fromPid, environment, bytes, 0, bytes.length, true),
      isWritable: (to) => mesh.isWritable(to),
      poke: (task) => this.scheduler.poke(task),
      endTask: (task, exit) => this.endTask(task, exit),
      deadLetter: parts.deadLetter,
    });
    mesh.onPeerGone = (gone, pidEnd) => {
      this.kernel.slotGone(gone, pidEnd);
      this.asking.slotGone(gone);
    };
    this.asking = new Asking(
      (to, kind, { pid, environment }, payload) =>
        mesh.send(to, kind, 0, pid, environment, payload, 0, payload.length, true),
      (pid) => this.#pokePid(pid),
    );
    const { kernel, scheduler, asking } = this;
    const { asleep, isWanted } = parts;
    this.#turns = new Turns({
      mesh,
      asleep,
      isWanted,
      scheduler: this.scheduler,
      asking: this.asking,
      kernel,
      onSignal: signalHandler(this, mesh),
    });
    this.spawner = new Spawner({
      pids: parts.pids,
      kernel,
      scheduler,
      asking,
      pool: (key) => this.#poolOf(key),
      toMain: (kind, pid, { pid: from, environment }) => mesh.send(0, kind, pid, from, environment, NO_BYTES, 0, 0),
    });
  }

  // --- Environments, modules, members. ---

  /** An environment of which this carrier will have processes. */
  open(spec: EnvironmentSpec): Environment {
    let environment = this.environments.get(spec.id);
    if (environment === undefined) {
      environment = new Environment(spec, this.#parts.slot);
      this.environments.set(spec.id, environment);
    }
    return environment;
  }

  /** Ends all processes of an environment here, and forgets it. */
  close(id: number, exit: Exit): void {
    for (const member of [...this.kernel.members()]) {
      if (member.environment.spec.id === id) this.#end(member, exit);
    }
    for (const timer of this.environments.get(id)?.timers ?? []) this.scheduler.timers.cancel(timer);
    this.environments.delete(id);
    for (const [key, pool] of this.#pools) if (pool.leave(id)) this.#pools.delete(key);
  }

  /** Lets go of a module in all its forms. False if a process of that environment runs it. */
  drop(environment: number, digest: string): boolean {
    let isGone = true;
    const used = new Set<InstancePool>();
    for (const { task, environment: its } of this.kernel.members()) {
      if (task !== null && its.spec.id === environment) used.add(task.pool);
    }
    for (const [key, pool] of this.#pools) {
      if (digestOf(key) !== digest || !pool.users.has(environment)) continue;
      if (used.has(pool)) isGone = false;
      else if (pool.leave(environment)) this.#pools.delete(key);
    }
    return isGone;
  }

  /** Ends the processes that a request began, itself included if it is a task. */
  endRequest(replyPid: number, exit: Exit): void {
    for (const member of [...this.kernel.members()]) if (member.process.root === replyPid) this.#end(member, exit);
  }

  /** The instances of a module; the main thread may just have sent it. */
  #poolOf(key: string): InstancePool | undefined {
    const pool = this.#pools.get(key);
    if (pool !== undefined) return pool;
    const module = this.#parts.takeModule(key);
    return module === undefined ? undefined : this.addModule(key, module);
  }

  /** Instances of a module that was added. */
  pool(key: string): InstancePool {
    return this.#pools.get(key) as InstancePool;
  }

  /** Instances of a module from now on. */
  addModule(key: string, module: CarrierModule): InstancePool {
    const known = this.#pools.get(key);
    if (known !== undefined) return known;
    const imports = module.info.light ? this.#lightImports : this.imports;
    const pool = new InstancePool(module, imports, this.#ballast, this.#parts.budget);
    this.#pools.set(key, pool);
    return pool;
  }

  // --- Turns. ---

  /** True if `poll` has something to do. */
  get hasNews(): boolean {
    return this.#parts.mesh.hasNext() || this.idleMs === 0;
  }

  /** How long there is nothing to do, if nothing comes. ms */
  get idleMs(): number {
    return this.scheduler.idleMs;
  }

  poll(): boolean {
    return this.#turns.poll();
  }

  wait<T>(ready: () => T | undefined, ms: number): T | undefined {
    return this.#turns.wait(this.host.process, ready, ms);
  }

  mayGoOn(process: Process): boolean {
    if (this.#turns.mayGoOn(process)) return true;
    this.#giveWay.ask(process, this.#othersWait);
    return false;
  }

  // --- What processes ask for. ---

  send(from: Process, pid: number, message: Message): boolean {
    if (!from.isListed) return this.#parts.alone(from, pid, message);
    if (pid !== from.replyPid) from.seen();
    if (slotOf(pid) !== 0) return this.kernel.send(from, pid, message);
    this.#reply(from, pid, message);
    return true;
  }

  #reply(from: Process, pid: number, message: Message): void {
    if (pid === from.replyPid) from.replyPid = 0;
    else if (this.environments.get(from.environment)?.mayReply(performance.now()) === false) {
      this.#parts.deadLetter();
      return;
    }
    this.#parts.reply(from, pid, message);
  }

  output(from: Process, stream: number, bytes: Uint8Array): void {
    from.seen();
    const task = this.kernel.taskOf(from.pid);
    this.#parts.output(task?.environment ?? null, from, stream, bytes);
  }

  /** For a request that has ended: whether processes that it began live on and may reply (layout.ts, DONE.goesOn). */
  goesOn({ environment, spawnedElsewhere }: Process, root: number, hasReplied: boolean): 0 | 1 | 2 {
    const here = this.environments.get(environment);
    if (hasReplied || here === undefined) return 0;
    if (!here.roots.has(root)) return spawnedElsewhere ? 1 : 0;
    here.awaited.add(root);
    return 2;
  }

  metric(from: Process, event: MetricEvent, name: string, value: number): void {
    from.seen();
    this.#parts.metric(this.kernel.taskOf(from.pid)?.environment.spec.name ?? null, event, name, value);
  }

  ask(from: Process, op: number, payload: Uint8Array | null): Later<Uint8Array> {
    from.seen();
    return this.asking.ask(from, op, payload);
  }

  tell(from: Process): ReturnType<Kernel["tellOf"]> {
    from.seen();
    return this.kernel.tellOf(from);
  }

  /** Standard input of the process that runs; it reads piece by piece, and what it has not used ends with it. */
  get stdin(): Stdin | undefined {
    const { process } = this.host;
    if (this.environments.get(process.environment)?.spec.hasStdin !== true) return undefined;
    process.stdin ??= new AskedStdin(() => this.asking.ask(process, ASK.stdin, null));
    return process.stdin;
  }

  spawn(...[from, request]: Parameters<Processes["spawn"]>): ReturnType<Processes["spawn"]> {
    from.seen();
    return this.spawner.spawn(from, request);
  }

  exists(from: Process, pid: number): Later<boolean> {
    return this.spawner.exists(from, pid);
  }

  kill(from: Process, pid: number): void {
    from.seen();
    if (pid === from.pid) from.dying ??= { reason: "killed", text: "it killed itself" };
    else this.spawner.kill(from, pid);
  }

  sendAfter(from: Process, pid: number, message: Message, ms: number, onFire: () => void): number {
    from.seen();
    const environment = this.environments.get(from.environment);
    if (environment?.hasTimerRoom(message.length) === false) return 0;
    const timer = this.scheduler.timers.add(performance.now() + ms, () => {
      environment?.removeTimer(timer);
      onFire();
      // Whoever began it may have ended; a full mailbox drops it (DECISIONS 9.5).
      if (slotOf(pid) === 0) this.#reply(from, pid, message);
      else if (!this.kernel.post(from, pid, message)) this.#parts.deadLetter();
    });
    environment?.addTimer(timer, message.length);
    from.endsForMemory(environment);
    return timer;
  }

  cancelTimer(from: Process, timer: number): boolean {
    const isCancelled = this.scheduler.timers.cancel(timer);
    if (isCancelled) this.environments.get(from.environment)?.removeTimer(timer);
    return isCancelled;
  }

  awaits(process: Process): void {
    this.kernel.awaits(process);
  }

  hasTaken(process: Process): void {
    this.kernel.hasTaken(process);
  }

  rightsOf({ pid }: Process): ProcessConfig {
    return this.kernel.memberOf(pid).rights;
  }

  moduleOf({ pid }: Process): string {
    return this.kernel.memberOf(pid).module;
  }

  // --- Ends. ---

  /** A task that has returned, trapped or must end. It does not run now. */
  endTask(task: Task, exit: Exit): void {
    if (task.state === "ended") return;
    this.scheduler.forget(task);
    this.#ends.add(task, exit);
  }

  #finish(task: Task, exit: Exit): void {
    const { process, environment, instance, pool, request } = task;
    this.removed(this.kernel.memberOf(process.pid), exit);
    if (request === null) environment.release(task.pages);
    if (instance !== null) pool.give(instance);
  }

  /** A process is no more: everybody is told. */
  removed(member: Member, exit: Exit): void {
    const { process, environment, task } = member;
    this.kernel.remove(member, exit);
    this.asking.forget(process);
    process.closeAll();
    const isCounted = task !== null && task.request === null;
    const births = isCounted ? environment.countOut(process.root) : null;
    if (births !== null) this.#parts.onOrphaned(environment.spec.id, process.root, births);
    this.#parts.onExit(member, exit);
  }

  #end({ process, task }: Member, exit: Exit): void {
    process.dying ??= exit;
    if (task !== null && task.state !== "running") this.endTask(task, process.dying);
  }

  #pokePid(pid: number): void {
    const task = this.kernel.taskOf(pid);
    if (task !== null) this.scheduler.poke(task);
  }
}
