// One random history of processes on three carriers under a virtual clock: the real runtimes (processes-carrier.ts) and
// the model side by side, compared after every step.
import assert from "node:assert/strict";
import { decodeSignal } from "../../actors/processes/signals.ts";
import type { Carrier } from "../../src/carriers/carrier.ts";
import { Environments, type MainEnvironment } from "../../src/processes/environments.ts";
import { ASK, SPAWNED } from "../../wire/asks.ts";
import { isNormalExit } from "../../wire/exits.ts";
import { BELL, SIGNAL } from "../../wire/layout.ts";
import { pidEnd } from "../../wire/pids.ts";
import { type Frame, type Net, type OnWay, SimCarrier } from "../harness/processes-carrier.ts";
import { Random } from "../harness/random.ts";
import { Comparison } from "./processes-compare.ts";
import { GuestPrograms, SEND_TIMEOUT_MS } from "./processes-guest.ts";
import { type Death, ProcessesModel, slot } from "./processes-model.ts";

const SLOTS = [1, 2, 3] as const;
/** Slots that something can come from: the main thread's, and one where there was never anybody. */
const FROM = [0, ...SLOTS, 7];
const STEPS_MAX = 20_000;

interface SpawnAsked {
  readonly carrier: SimCarrier;
  readonly from: number;
  readonly environment: number;
  readonly number: number;
  readonly link: { readonly pid: number; readonly tag: string } | null;
}

/** Runs the history of a seed; returns how many steps it had. @throws AssertionError */
export function runHistory(seed: number): number {
  const now = performance.now;
  const history = new History(seed);
  performance.now = () => history.nowMs;
  try {
    return history.run();
  } finally {
    performance.now = now;
  }
}

class History implements Net {
  nowMs = 1000;
  readonly #random: Random;
  readonly #model = new ProcessesModel();
  readonly #bell = new SharedArrayBuffer(BELL.bytes);
  readonly #carriers = new Map<number, SimCarrier>();
  readonly #environments = new Environments(4);
  readonly #worlds: MainEnvironment[];
  readonly #ways = new Map<string, OnWay[]>();
  readonly #asked: SpawnAsked[] = [];
  /** Pairs "slot receiver" of carriers that were told that the receiver's mailbox is full. */
  readonly #full = new Set<string>();
  /** "slot receiver tag" of messages that such a receiver waits for. */
  readonly #awaited = new Set<string>();
  readonly #ended = new Map<number, Death>();
  readonly #programs: GuestPrograms;
  readonly #comparison: Comparison;
  /** Frames that a way holds before it refuses more. */
  readonly #backlogMax: number;
  #steps = 0;

  constructor(seed: number) {
    const random = new Random(seed);
    this.#random = random;
    this.#backlogMax = random.pick([2, 5, 1000, 1000]);
    const limits = {
      processesMax: random.pick([4, 8, 12]),
      mailboxMessagesMax: random.pick([1, 2, 3, 100]),
      mailboxBytesMax: random.pick([40, 100, 100_000]),
    };
    this.#worlds = [1, 2].map((id) => this.#world(id, limits));
    this.#programs = new GuestPrograms(random, this.#model, limits, () => this.nowMs);
    this.#comparison = new Comparison(this.#model, this.#programs, limits);
    for (const each of SLOTS) this.#open(each);
  }

  run(): number {
    const random = this.#random;
    for (let first = 1 + random.below(3); first > 0; first--) this.#bearFirst();
    for (let actions = 30 + random.below(120); actions > 0; actions--) {
      const dice = random.next();
      if (dice < 0.012) this.#bearFirst();
      else if (dice < 0.02) this.#carrierDies();
      else if (dice < 0.06) this.#pass(random.pick([1, 10, 100, 6000]));
      else if (!this.#step()) this.#pass(1 + random.below(50));
    }
    this.#programs.isCalm = true;
    this.#settle();
    for (const each of SLOTS) if (!this.#carriers.has(each)) this.#open(each);
    for (const { spec } of this.#worlds) {
      for (const carrier of this.#carriers.values()) {
        this.#model.killAll(spec.id, carrier.slot);
        carrier.runtime.close(spec.id, { reason: "shutdown", text: "the end" });
        this.#compare();
        for (let steps = random.below(3); steps > 0; steps--) this.#step();
      }
    }
    this.#settle();
    this.#checkEnd();
    return this.#steps;
  }

  // --- Net. ---

  send(from: number, to: number, frame: Frame): boolean {
    const way = this.#way(from, to);
    const isLong = !this.isWritable(from, to);
    if (isLong && frame.kind === SIGNAL.message) return false;
    if (isLong && frame.kind === SIGNAL.signal && this.#programs.isCalling) {
      this.#model.refused(frame.from, frame.to);
      return false;
    }
    if (frame.kind === SIGNAL.message) {
      const pair = `${from} ${frame.to}`;
      const isAwaited = this.#awaited.delete(`${pair} ${Buffer.from(frame.bytes).readBigUInt64LE(0)}`);
      assert.ok(isAwaited || !this.#full.has(pair), `${frame.from} sends to ${frame.to}, which is full`);
      this.#model.send(Buffer.from(frame.bytes).readUInt32LE(16), this.nowMs);
    }
    if (to === 0) this.#toMain(frame, from);
    else if (this.#carriers.has(to)) way.push(frame);
    else this.#way(to, from).push({ gone: pidEnd(this.#bell) });
    return true;
  }

  isWritable(from: number, to: number): boolean {
    return this.#way(from, to).length < this.#backlogMax;
  }

  has(to: number): boolean {
    return FROM.some((from) => this.#way(from, to).length > 0);
  }

  next(to: number): { from: number; onWay: OnWay } | undefined {
    const ways = FROM.filter((from) => this.#way(from, to).length > 0);
    if (ways.length === 0) return undefined;
    const from = this.#random.pick(ways);
    const onWay = this.#way(from, to).shift() as OnWay;
    if ("gone" in onWay) {
      for (const pair of this.#full) if (slot(Number(pair.split(" ")[1])) === from) this.#full.delete(pair);
      this.#model.peerGone(to, from, onWay.gone);
    } else this.#arrives(onWay);
    return { from, onWay };
  }

  /** The model takes what the kernel is about to be told. */
  #arrives(frame: Frame): void {
    if (frame.kind === SIGNAL.message) this.#model.deliver("message", frame.from, frame.to);
    if (frame.kind !== SIGNAL.signal && frame.kind !== SIGNAL.fate) return;
    const signal = decodeSignal(Buffer.from(frame.bytes));
    const { type, pid } = signal;
    if (type === "full") {
      this.#full.add(`${slot(frame.to)} ${pid}`);
      for (const key of this.#awaited) if (key.startsWith(`${slot(frame.to)} ${pid} `)) this.#awaited.delete(key);
    } else if (type === "room") this.#full.delete(`${slot(frame.to)} ${pid}`);
    else if (type === "awaits") this.#awaited.add(`${slot(frame.to)} ${pid} ${signal.tag}`);
    else this.#model.deliver(type, pid, frame.to);
  }

  #way(from: number, to: number): OnWay[] {
    const key = `${from} ${to}`;
    const way = this.#ways.get(key) ?? [];
    this.#ways.set(key, way);
    return way;
  }

  // --- The main thread. ---

  #toMain({ kind, from, environment, bytes }: Frame, slotFrom: number): void {
    if (kind !== SIGNAL.ask) return;
    const payload = Buffer.from(bytes);
    if (payload.readUInt16LE(4) !== ASK.spawn) return;
    const { link } = JSON.parse(payload.toString("utf8", 8)) as SpawnAsked;
    const carrier = this.#carriers.get(slotFrom) as SimCarrier;
    this.#asked.push({ carrier, from, environment, number: payload.readUInt32LE(0), link });
  }

  /** Makes a process that was asked for, in any carrier but that of the asker. */
  #answerSpawn(): void {
    const { carrier, from, environment, number, link } = this.#asked.shift() as SpawnAsked;
    const hosts = [...this.#carriers.values()].filter((each) => each !== carrier);
    const world = this.#worlds.find(({ spec }) => spec.id === environment) as MainEnvironment;
    const tag = BigInt(link?.tag ?? 0);
    const host = this.#random.pick(hosts);
    const child = host.bear(world.spec, this.#module(), link === null ? null : { pid: from, tag });
    const isBorn = typeof child !== "string";
    if (isBorn) {
      const { pid } = child.process;
      this.#programs.pids.push(pid);
      if (link === null) this.#model.born(pid, environment);
      else this.#model.bornElsewhere(from, environment, pid, tag);
    }
    if (this.#carriers.get(carrier.slot) !== carrier) return; // it has died meanwhile
    const answer = Buffer.alloc(17);
    answer.writeUInt32LE(number, 0);
    answer[8] = isBorn ? SPAWNED.made : SPAWNED.failed;
    if (isBorn) answer.writeBigUInt64LE(BigInt(child.process.pid), 9);
    this.#way(0, carrier.slot).push({ kind: SIGNAL.answer, to: from, from: 0, environment, bytes: answer });
  }

  #bearFirst(): void {
    const carrier = this.#random.pick([...this.#carriers.values()]);
    const { spec } = this.#random.pick(this.#worlds);
    const born = carrier.bear(spec, this.#module(), null);
    if (typeof born === "string") this.#programs.checkRefusal(spec.id);
    else {
      this.#programs.pids.push(born.process.pid);
      this.#model.born(born.process.pid, spec.id);
    }
  }

  /** What a process spawns from: what its carrier has, or what the main thread must be asked for. */
  #module(): string {
    return this.#random.chance(0.6) ? "here" : "away";
  }

  #world(id: number, limits: object): MainEnvironment {
    const world = this.#environments.make(
      id,
      {
        name: `world ${id}`,
        moduleKey: "here",
        memoryBytesMax: 2 ** 40,
        messageBytesMax: 1000,
        sendTimeoutMs: SEND_TIMEOUT_MS,
        canCompileModules: false,
        env: {},
        args: [],
        preopens: [],
        hasStdin: false,
        outputSecondBytesMax: 0,
        outputRequestBytesMax: 0,
        outputSecondLinesMax: 0,
        outputRequestLinesMax: 0,
        ...(limits as { processesMax: number; mailboxMessagesMax: number; mailboxBytesMax: number }),
      },
      { load: () => Promise.reject(new Error()), compile: () => Promise.reject(new Error()) },
    );
    return world;
  }

  // --- Carriers. ---

  #open(at: number): void {
    const carrier = new SimCarrier({
      slot: at,
      bell: this.#bell,
      net: this,
      begin: (pid) => this.#programs.program(this.#carriers.get(at) as SimCarrier, pid),
      enter: (pid) => {
        this.#model.running = pid;
      },
      onFault: (thrown) => {
        this.#programs.failure ??= thrown;
      },
      onExit: ({ process }, { reason }) => {
        assert.ok(!this.#ended.has(process.pid), `process ${process.pid} ends twice`);
        this.#ended.set(process.pid, isNormalExit(reason) ? "normal" : "failed");
      },
    });
    this.#carriers.set(at, carrier);
    for (const world of this.#worlds) world.carriers.add(carrier as unknown as Carrier);
  }

  #carrierDies(): void {
    const carrier = this.#random.pick([...this.#carriers.values()]);
    if (this.#carriers.size < 3) {
      this.#open(SLOTS.find((each) => !this.#carriers.has(each)) as number);
      return;
    }
    const dead = carrier.slot;
    this.#carriers.delete(dead);
    for (const pid of this.#model.live.keys()) if (slot(pid) === dead) this.#ended.set(pid, "failed");
    this.#model.carrierDied(dead);
    this.#programs.carrierDied(dead);
    for (const world of this.#worlds) world.carrierGone(carrier as unknown as Carrier);
    for (const from of FROM) this.#way(from, dead).length = 0;
    for (const pair of this.#full) if (Number(pair.split(" ")[0]) === dead) this.#full.delete(pair);
    for (const each of this.#carriers.keys()) this.#way(dead, each).push({ gone: pidEnd(this.#bell) });
    this.#compare();
  }

  // --- Steps. ---

  /** Something that can happen happens; false if nothing can. */
  #step(): boolean {
    if (this.#steps++ > STEPS_MAX) throw new Error(`it is not at rest after ${STEPS_MAX} steps`);
    const choices: (() => void)[] = [];
    for (const carrier of this.#carriers.values()) {
      const { scheduler } = carrier.runtime;
      if (scheduler.hasReady)
        choices.push(
          () => this.#turn(carrier),
          () => this.#turn(carrier),
        );
      if (this.has(carrier.slot))
        choices.push(
          () => carrier.poll(1),
          () => carrier.poll(1 + this.#random.below(4)),
        );
      const isFree = SLOTS.every((to) => this.isWritable(carrier.slot, to));
      if (carrier.runtime.kernel.hasBarred && isFree) choices.push(() => carrier.poll(0));
      if (scheduler.idleMs === 0) choices.push(() => carrier.poll(0));
    }
    if (this.#asked.length > 0) choices.push(() => this.#answerSpawn());
    if (choices.length === 0) return false;
    this.#random.pick(choices)();
    this.#compare();
    return true;
  }

  #turn(carrier: SimCarrier): void {
    carrier.runtime.scheduler.runOne();
    this.#model.ranOut();
  }

  #pass(ms: number): void {
    this.nowMs += ms;
  }

  /** Goes on until nothing can happen any more. */
  #settle(): void {
    for (;;) {
      while (this.#step());
      this.#comparison.checkQuiet(this.#carriers, this.nowMs);
      const nextMs = Math.min(...[...this.#carriers.values()].map(({ runtime }) => runtime.scheduler.nextMs));
      if (nextMs === Number.POSITIVE_INFINITY) return;
      this.nowMs = Math.max(this.nowMs, nextMs);
    }
  }

  #compare(): void {
    this.#model.lost((to) => this.#carriers.has(to));
    if (this.#programs.failure !== null) throw this.#programs.failure;
    for (const carrier of this.#carriers.values()) {
      if (carrier.runtime.scheduler.idleMs > 0) this.#programs.timersRan(carrier, this.#full);
    }
    this.#comparison.compare(this.#carriers, this.nowMs, this.#ended);
  }

  #checkEnd(): void {
    assert.equal(this.#model.live.size, 0, "processes live after the end");
    assert.equal(this.#model.onWay, 0, "signals are on their way after the end");
    for (const world of this.#worlds) {
      assert.equal(world.processes, 0, "processes are counted after the end");
      assert.ok(
        new Int32Array(world.spec.counts).every((word) => word === 0),
        "pages are counted after the end",
      );
    }
    for (const { runtime, instances } of this.#carriers.values()) {
      assert.equal(runtime.kernel.size, 0, "the kernel has members after the end");
      assert.equal(runtime.kernel.waitedFor, 0, "somebody waits for room after the end");
      assert.equal(runtime.scheduler.timers.size, 0, "timers are left after the end");
      assert.equal(runtime.asking.size, 0, "questions are open after the end");
      assert.equal(runtime.environments.size, 0, "environments are open after the end");
      assert.equal(instances, 0, "instances are in use after the end");
    }
  }
}
