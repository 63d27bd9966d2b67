// Births: here, where the module's light form is, else wherever the main thread finds room.

import { ASK, SPAWNED, type SpawnSpec } from "../../wire/asks.ts";
import { COST } from "../../wire/cost.ts";
import { SIGNAL } from "../../wire/layout.ts";
import { boundedKey } from "../../wire/module-key.ts";
import { type Pids, pidBytes, slotOf } from "../../wire/pids.ts";
import type { Guest } from "../../wire/specs.ts";
import type { Later, SpawnOutcome, SpawnRequest } from "../abi/processes.ts";
import { type EntryCall, entryAsJson, entryCost } from "../instances/entry.ts";
import type { InstancePool } from "../instances/pool.ts";
import type { Environment } from "../processes/environment.ts";
import { Process } from "../processes/process.ts";
import { type ProcessConfig, rightsAsJson, rightsCost } from "../processes/resources.ts";
import type { Asking } from "./asking.ts";
import { type Kernel, type Member, NODE_DOWN } from "./kernel.ts";
import type { Scheduler } from "./scheduler.ts";
import { Task } from "./task.ts";

/** Reductions of a unit of fuel: about 100,000 instructions (lunatic-abi.md §1.2), some ten a reduction. */
const FUEL_UNIT = 10_000;
/** With so many processes here, one in so many is born where there are fewer: that costs as much as ten here. */
const CROWD = 256;
const SPAWNS_BETWEEN = 32;
/** With so many, each is, as long as others have fewer: V8 would take long to collect. */
const FULL = 8192;

const PAGE_BYTES = 65_536;

/** A process to be made in this carrier. */
export interface Birth {
  readonly environment: Environment;
  readonly pool: InstancePool;
  readonly module: string;
  readonly rights: ProcessConfig;
  readonly entry: EntryCall;
  readonly root: number;
  /** The process it is linked to from the start, and the tag that one is told when it dies; null: none. */
  readonly link: { readonly pid: number; readonly tag: bigint } | null;
  /** True if its rights are its parent's own. */
  readonly inherits?: boolean;
  /** True if its end must be told to the main thread, whatever it is. */
  readonly isReported?: boolean;
}

export interface SpawnerParts {
  readonly pids: Pids;
  readonly kernel: Kernel;
  readonly scheduler: Scheduler;
  readonly asking: Asking;
  /** The instances of a module here, by the main thread's name for it. */
  readonly pool: (key: string) => InstancePool | undefined;
  /** Tells the main thread of a process; false if too much waits for it. */
  readonly toMain: (kind: number, pid: number, from: Process) => boolean;
}

export class Spawner {
  readonly #parts: SpawnerParts;
  #toSkip = 0;
  readonly #guests = new WeakMap<ProcessConfig, Guest>();

  constructor(parts: SpawnerParts) {
    this.#parts = parts;
  }

  spawn(from: Process, request: SpawnRequest): Later<SpawnOutcome> {
    const { kernel } = this.#parts;
    const parent = kernel.memberOf(from.pid);
    const rights = request.config ?? parent.rights;
    const module = request.module ?? parent.module;
    const [key, pool] = this.#find(module, rights.maxMemory);
    if (pool === undefined || this.#isCrowded()) return this.#spawnByMain(parent, request, module, rights);
    const outcome = this.#spawnHere(parent, request, key, pool, rights);
    return () => outcome;
  }

  #isCrowded(): boolean {
    const { size } = this.#parts.kernel;
    if (size < CROWD || this.#toSkip-- > 0) return false;
    this.#toSkip = size < FULL ? SPAWNS_BETWEEN : 0;
    return true;
  }

  /** The module whose memory is bounded as asked: itself, or a form of it that the main thread makes. */
  #find(module: string, maxMemory: number): [key: string, pool: InstancePool | undefined] {
    const own = this.#parts.pool(module);
    // One that is not light blocks the thread where it waits: it needs a carrier of its own.
    if (own?.module.info.light === false) return [module, undefined];
    if (own === undefined || maxMemory >= own.module.info.memoryPagesMax * PAGE_BYTES) return [module, own];
    const key = boundedKey(module, maxMemory);
    return [key, this.#parts.pool(key)];
  }

  /** Makes a process here. @returns it, or why there is none */
  bear(birth: Birth): Member | string {
    const { environment, pool, rights, entry } = birth;
    pool.users.add(environment.spec.id);
    const refusal = environment.take(pool.pages);
    if (refusal !== null) return refusal;
    const process = new Process(
      this.#parts.pids.next(),
      environment.limits,
      undefined,
      environment.spec.id,
      environment,
    );
    process.root = birth.root;
    const task = new Task({
      process,
      environment,
      guest: this.#guestOf(rights, environment),
      pool,
      entry,
      fuel: rights.maxFuel === 0n ? Number.POSITIVE_INFINITY : Number(rights.maxFuel) * FUEL_UNIT,
      isReported: birth.isReported ?? false,
    });
    try {
      // A light one runs nothing by itself, so that it can be made while another runs.
      if (pool.module.info.light) task.instance = pool.take();
    } catch (thrown) {
      environment.release(pool.pages);
      return thrown instanceof Error ? thrown.message : String(thrown);
    }
    process.count(COST.process + entryCost(entry) + (birth.inherits === true ? 0 : 2 * rightsCost(rights)));
    if (birth.link !== null) process.addLink(birth.link.pid, birth.link.tag, 0n);
    const member: Member = { process, environment, task, rights, module: birth.module };
    if (birth.root !== 0) environment.roots.set(birth.root, (environment.roots.get(birth.root) ?? 0) + 1);
    this.#parts.kernel.add(member);
    this.#parts.scheduler.add(task);
    const { link } = birth;
    // A spawner that is here knows; one elsewhere must, and may have ended, as may have its carrier.
    const { kernel } = this.#parts;
    if (link !== null && kernel.find(link.pid, environment.spec.id) === undefined) {
      kernel.tell(environment.spec.id, link.pid, { type: "born", pid: process.pid, tag: link.tag });
    }
    return member;
  }

  /** What it sees of its host; those that inherit their rights share it. */
  #guestOf(rights: ProcessConfig, { spec }: Environment): Guest {
    let guest = this.#guests.get(rights);
    if (guest === undefined) {
      const preopens = spec.preopens.filter(({ guest }) => rights.preopens.includes(guest));
      guest = { args: rights.args, env: Object.fromEntries(rights.env), preopens };
      this.#guests.set(rights, guest);
    }
    return guest;
  }

  exists(from: Process, pid: number): Later<boolean> {
    const { kernel } = this.#parts;
    if (slotOf(pid) === slotOf(from.pid)) {
      const isThere = kernel.find(pid, from.environment) !== undefined;
      return () => isThere;
    }
    const gone = (): Uint8Array => Uint8Array.of(0);
    const answer = this.#parts.asking.ask(from, ASK.exists, pidBytes(pid), gone, slotOf(pid));
    return () => {
      const bytes = answer();
      return bytes === undefined ? undefined : bytes[0] === 1;
    };
  }

  kill(from: Process, pid: number): void {
    this.#parts.kernel.tell(from.environment, pid, { type: "kill", pid: from.pid });
    if (slotOf(pid) === slotOf(from.pid) || slotOf(pid) === 0) return;
    // One that blocks or spins in a carrier of its own may not look: the main thread sees to it.
    if (!this.#parts.toMain(SIGNAL.kill, pid, from)) {
      from.dying ??= { reason: "trap", text: "too many of its signals wait for the main thread" };
    }
  }

  #spawnHere(
    parent: Member,
    { entry, link }: SpawnRequest,
    module: string,
    pool: InstancePool,
    rights: ProcessConfig,
  ): SpawnOutcome {
    const { process: from, environment } = parent;
    const born = this.bear({
      environment,
      pool,
      module,
      rights,
      entry,
      root: from.root,
      link: link === 0n ? null : { pid: from.pid, tag: link },
      inherits: rights === parent.rights,
    });
    if (typeof born === "string") return { error: born };
    if (link !== 0n) from.addLink(born.process.pid, 0n, link);
    return { pid: born.process.pid };
  }

  #spawnByMain(parent: Member, request: SpawnRequest, module: string, rights: ProcessConfig): Later<SpawnOutcome> {
    const { process: from } = parent;
    const { link, entry } = request;
    const spec: SpawnSpec = {
      module,
      rights: rightsAsJson(rights),
      entry: entryAsJson(entry),
      root: from.root,
      link: link === 0n ? null : { pid: from.pid, tag: String(link) },
    };
    const failed = (why: string): Uint8Array => Buffer.concat([Uint8Array.of(SPAWNED.failed), Buffer.from(why)]);
    const answer = this.#parts.asking.ask(from, ASK.spawn, Buffer.from(JSON.stringify(spec)), failed);
    from.pendingSpawns++;
    from.spawnedElsewhere = true;
    const over = (): void => {
      if (--from.pendingSpawns > 0) return;
      from.born = from.slotsGone = null;
    };
    let outcome: SpawnOutcome | undefined;
    return () => {
      const bytes = outcome === undefined ? answer() : undefined;
      if (bytes === undefined) return outcome;
      const given = Buffer.from(bytes);
      if (given[0] === SPAWNED.failed) outcome = { error: given.toString("utf8", 1) };
      else if (given[0] === SPAWNED.here) {
        // The main thread has a reason to want it here: there is no better place.
        const key = given.toString("utf8", 1);
        this.#toSkip = SPAWNS_BETWEEN;
        const pool = this.#parts.pool(key);
        outcome =
          pool === undefined
            ? { error: `the module ${key} did not come` }
            : this.#spawnHere(parent, request, key, pool, rights);
      } else {
        const pid = Number(given.readBigUInt64LE(1));
        if (link !== 0n && !this.#isLinked(from, pid, link)) return undefined;
        outcome = { pid };
      }
      over();
      return outcome;
    };
  }

  /** False until a child in another carrier has told of its birth itself: what it tells after that must come after. */
  #isLinked(from: Process, pid: number, link: bigint): boolean {
    if (from.born?.has(pid)) return true;
    if (pid >= (from.slotsGone?.get(slotOf(pid)) ?? 0)) return false;
    from.addLink(pid, 0n, link);
    from.receive({ type: "link_died", pid, tag: link, exit: NODE_DOWN });
    return true;
  }
}
