// A carrier's thread: takes requests from its ring, runs them in its actors, writes what comes of them into the other.
//
// Between requests it is in its event loop, so that control calls are answered (DECISIONS 2.1); right after a request
// it first blocks for a moment, because the next one usually comes soon and that wake-up is the cheapest.
import { readlinkSync } from "node:fs";
import { workerData } from "node:worker_threads";
import * as Comlink from "comlink";
import nodeEndpoint from "comlink/dist/esm/node-adapter.mjs";
import { Bell } from "../wire/bell.ts";
import { monotonicMs } from "../wire/clock.ts";
import type { BirthSpec, CarrierControl } from "../wire/control.ts";
import type { Exit } from "../wire/exits.ts";
import { FileLocks } from "../wire/file-locks.ts";
import {
  BELL,
  CLAIM_PENDING,
  CLAIM_TAKEN,
  CONTROL,
  KIND,
  SEQ_STARTING,
  SEQ_TURNS,
  STATE_IDLE,
} from "../wire/layout.ts";
import { Look } from "../wire/look.ts";
import { Mesh } from "../wire/mesh.ts";
import { Pids } from "../wire/pids.ts";
import { RingReader, RingWriter } from "../wire/ring.ts";
import type { ActorSpec, CarrierData } from "../wire/specs.ts";
import { GuestActor } from "./actor.ts";
import { ActorMembers } from "./actor-members.ts";
import { ControlOrder } from "./control-order.ts";
import { assertEngine } from "./engine-check.ts";
import { Inbox } from "./inbox.ts";
import { InstanceBudget } from "./instances/budget.ts";
import { lightRequest } from "./light-request.ts";
import { Metering } from "./metering.ts";
import { Output } from "./output.ts";
import { Reports } from "./reports.ts";
import { bearSpec } from "./runtime/birth.ts";
import type { Member } from "./runtime/kernel.ts";
import { Runtime } from "./runtime/runtime.ts";
import { Sender } from "./sender.ts";

/** How long the thread blocks for the next request before it goes to its event loop. */
const HOT_MS = 2;
/** Under load it visits its event loop at least this often. */
const CONTROL_MS = 20;
/** Light processes have their turns for so long before a request or a control call has the next. ms */
const TURNS_MS = 5;
/** Turns between two looks at the clock. */
const TURNS_A_TIME = 16;
const SHUTDOWN: Exit = { reason: "shutdown", text: "its service ended it" };

assertEngine();
const data = workerData as CarrierData;
const words = new Int32Array(data.control);
Atomics.store(words, CONTROL.thread, threadNumber());
const bell = new Bell(new Int32Array(data.bell), BELL.asleep);
const asleep = new Bell(words, CONTROL.asleep);
const requests = new RingReader(data.requests, () => bell.ring());
const replies = new RingWriter(data.replies);
const pids = new Pids(data.bell, data.slot);
const actors = new Map<number, GuestActor>();
/** Of the actors that have to do with other processes, by their pids. */
const members = new Map<number, ActorMembers>();
const inbox = new Inbox(data.tickets);
const sender = new Sender(replies, data.tickets, bell, words);
const reports = new Reports(replies, sender, bell);
const output = new Output(replies, bell, words);
const metering = new Metering(replies, bell);
const mesh = new Mesh({ slot: data.slot, connect: (slot) => reports.connect(slot), notes: { words, port: data.mesh } });
/** The actor whose guest code runs now or ran last. */
let running: GuestActor | null = null;
const look = new Look();
/** When the event loop was visited last, and when something was done last. performance.now() */
let visitedMs = 0;
let endedMs = 0;
const runtime = new Runtime({
  slot: data.slot,
  pids,
  mesh,
  asleep,
  isWanted: () => canRun() || performance.now() - visitedMs > CONTROL_MS,
  output: (budget, from, stream, bytes) => output.write(budget ?? running, from, stream, bytes),
  reply: (from, pid, message) => sender.reply(from, pid, message),
  alone: (from, pid, message) => sender.send(runtime.host, from, pid, message),
  deadLetter: () => Atomics.add(words, CONTROL.deadLetters, 1),
  budget: new InstanceBudget(new Int32Array(data.bell), words),
  takeModule: (key) => inbox.takeModule(key),
  metric: (service, ...event) => metering.record(service ?? (running as GuestActor).spec.service, ...event),
  onMismatch,
  onTurn: (environment) => Atomics.store(words, CONTROL.turnOf, environment),
  onExit,
  onOrphaned: (...args) => reports.orphaned(...args),
});
runtime.host.fileBudget.max = data.filesMax;
runtime.host.sqlites.locks = new FileLocks(data.locks, data.slot);
const order = new ControlOrder(runtime.host.sqlites);

const control: CarrierControl = {
  start: (spec) => order.start(spec.module, spec.environmentId, () => start(spec)),
  stop: (pid) => order.run(() => stop(pid)),
  spawn: (spec) => order.start(spec.carrierModule.module, spec.environment.id, () => bear(spec)),
  close: (environment) => order.run(() => close(environment)),
  drop: (environment, digest) => order.run(() => runtime.drop(environment, digest)),
};
Comlink.expose(control, nodeEndpoint(data.port));
void serve();

function start(spec: ActorSpec): string | null {
  const membership = spec.environment === null ? null : new ActorMembers(runtime, spec, spec.environment);
  const actor = new GuestActor(spec, runtime.host, runtime.imports, pids, membership);
  const exit = startActor(actor);
  if (exit?.reason !== "normal") {
    actor.end({ reason: "start_failed", text: "its start failed" });
    return exit === null ? "its carrier was condemned" : exit.text;
  }
  actors.set(spec.pid, actor);
  if (membership !== null) members.set(spec.pid, membership);
  Atomics.add(words, CONTROL.instances, 1);
  return null;
}

function stop(pid: number): void {
  const actor = actors.get(pid);
  if (actor === undefined) return;
  forget(actor);
  if (!hasActors("service", actor.spec.service)) metering.forget(actor.spec.service);
}

function bear(spec: BirthSpec): number | string {
  asleep.ring(); // the loop below may be asleep while this call is answered
  return bearSpec(runtime, spec);
}

function close(environment: number): void {
  runtime.close(environment, SHUTDOWN);
  dropSqlite();
}

async function serve(): Promise<void> {
  visitedMs = performance.now();
  for (;;) {
    let ran = 0;
    for (; ; ran++) {
      const hasCome = runtime.hasNews && runtime.poll();
      if (canRun()) {
        if (!runNext()) return; // condemned: the main thread ends this one
        if (runtime.scheduler.hasReady && !runTurns()) return;
      } else if (runtime.scheduler.hasReady) {
        if (!runTurns()) return;
      } else if (hasCome) endedMs = performance.now();
      else break;
      if (endedMs - visitedMs > CONTROL_MS) {
        await new Promise<void>((resolve) => setImmediate(resolve));
        visitedMs = performance.now();
      }
    }
    metering.tell();
    if (ran === 1 && look.at(requests)) continue;
    // Woken for a control call it would keep that waiting.
    if (ran > 0) asleep.block(hasWork, Math.min(HOT_MS, runtime.idleMs));
    if (hasWork()) continue;
    const idleMs = Math.min(runtime.idleMs, metering.idleMs);
    await (asleep.sleep(hasWork, idleMs) ?? new Promise<void>((resolve) => setImmediate(resolve)));
    asleep.awake();
    visitedMs = performance.now();
  }
}

/** Gives light processes their turns for a moment, where the watchdog sees it. False if the carrier was condemned. */
function runTurns(): boolean {
  const hasPlain = runtime.scheduler.nextIsPlain;
  // A plain process runs as long as it likes: it has the carrier to itself.
  const beganMs = performance.now();
  if (!hasPlain && !enter(SEQ_TURNS, 0, beganMs)) return false;
  do {
    for (let i = 0; i < TURNS_A_TIME && runtime.scheduler.runOne(); i++);
    endedMs = performance.now();
  } while (runtime.scheduler.hasReady && !canRun() && endedMs - beganMs < TURNS_MS && !mesh.hasNext());
  return hasPlain || Atomics.compareExchange(words, CONTROL.state, SEQ_TURNS, STATE_IDLE) === SEQ_TURNS;
}

/**
 * True if the ring shows a frame to deal with. One for an actor that has ended stays until the main thread takes it
 * back.
 */
function canRun(): boolean {
  if (!requests.next()) return false;
  return actors.get(requests.pid)?.isReady === true || !requests.isPending;
}

function hasWork(): boolean {
  return canRun() || runtime.scheduler.hasReady || runtime.hasNews;
}

/** Runs the request that the ring shows. False if the carrier was condemned before or meanwhile. */
function runNext(): boolean {
  const seq = requests.seq;
  const began = performance.now();
  if (!enter(seq, requests.pid, began)) return false;
  if (!requests.claim(CLAIM_PENDING, CLAIM_TAKEN)) {
    // Taken back: the client has gone or its time in the queue has passed.
    inbox.payload(requests); // or its block would stay
    requests.release();
    return Atomics.compareExchange(words, CONTROL.state, seq, STATE_IDLE) === seq;
  }
  const actor = actors.get(requests.pid) as GuestActor;
  running = actor;
  const [bytes, start, length] = inbox.payload(requests);
  if (actor.spec.isLight) return runLight(actor, bytes, start, length);
  const exit = actor.run(bytes, start, length, requests.about);
  if (runtime.host.running !== null) onMismatch();
  endedMs = performance.now();
  metering.tell();
  const goesOn = runtime.goesOn(actor.process, requests.about, actor.hasReplied);
  reports.end(KIND.done, seq, requests.pid, exit, endedMs - began, goesOn);
  const isMine = Atomics.compareExchange(words, CONTROL.state, seq, STATE_IDLE) === seq;
  requests.release();
  bell.ring();
  if (!isMine) return false;
  return actor.settle(exit) || restart(actor);
}

/** Gives a request of a light actor its first turn; others follow with those of other processes. */
function runLight({ spec }: GuestActor, bytes: Uint8Array, start: number, length: number): boolean {
  const { seq, about: replyPid } = requests;
  const frame = { seq, replyPid, bytes, start, length };
  const task = lightRequest(runtime, pids, members.get(spec.pid) as ActorMembers, spec, frame);
  task.process.onSeen = () => reports.seen(seq, spec.pid);
  runtime.scheduler.run(task);
  endedMs = performance.now();
  if (task.state !== "ended") {
    task.process.keepRequest(bytes);
    reports.note(KIND.suspended, seq, spec.pid, 0);
  }
  const isMine = Atomics.compareExchange(words, CONTROL.state, seq, STATE_IDLE) === seq;
  requests.release();
  bell.ring();
  return isMine;
}

/** Makes an actor's next instance. False if the carrier was condemned before or meanwhile. */
function restart(actor: GuestActor): boolean {
  const exit = startActor(actor);
  if (exit === null) return false;
  if (exit.reason !== "normal") {
    forget(actor);
    reports.end(KIND.ended, 0, actor.spec.pid, exit);
    bell.ring();
  }
  return true;
}

/** Runs an actor's start code where the watchdog can see it. Null if the carrier was condemned before or meanwhile. */
function startActor(actor: GuestActor): Exit | null {
  if (!enter(SEQ_STARTING, actor.spec.pid, performance.now())) return null;
  running = actor;
  const exit = actor.start();
  return Atomics.compareExchange(words, CONTROL.state, SEQ_STARTING, STATE_IDLE) === SEQ_STARTING ? exit : null;
}

/** Says what runs from now on: time and pid first, then the state, so that they belong together. False if condemned. */
function enter(state: number, pid: number, nowMs: number): boolean {
  Atomics.store(words, CONTROL.beganMs, monotonicMs(nowMs));
  Atomics.store(words, CONTROL.pidLow, pid | 0);
  Atomics.store(words, CONTROL.pidHigh, (pid / 2 ** 32) | 0);
  return Atomics.compareExchange(words, CONTROL.state, STATE_IDLE, state) === STATE_IDLE;
}

/** Whoever runs next might run as another: the thread ends here. */
function onMismatch(): never {
  Atomics.add(words, CONTROL.mismatches, 1);
  bell.ring();
  return process.exit(1);
}

function forget(actor: GuestActor): void {
  if (!actors.delete(actor.spec.pid)) return;
  members.delete(actor.spec.pid);
  actor.end(SHUTDOWN);
  Atomics.sub(words, CONTROL.instances, 1);
  dropSqlite();
}

function hasActors(of: "service" | "environmentId", value: string | number): boolean {
  return [...actors.values()].some(({ spec }) => spec[of] === value);
}

/** SQLite's memory of environments that have neither actors nor processes here any more. */
function dropSqlite(): void {
  runtime.host.sqlites.keep((id) => runtime.environments.has(id) || hasActors("environmentId", id));
}

/** A process that failed by itself is told of, for the log; one whose end the main thread waits for; a request's. */
function onExit({ process, environment, task }: Member, exit: Exit): void {
  if (task === null) return;
  const { request } = task;
  if (request !== null) {
    const goesOn = runtime.goesOn(process, request.replyPid, process.replyPid === 0);
    reports.end(KIND.done, request.seq, request.actorPid, exit, task.ranMs, goesOn);
  } else if (task.isReported || (isOwnFault(exit) && output.takeLine(environment)))
    reports.end(KIND.exited, process.environment, process.pid, exit);
  else return;
  bell.ring();
}

function isOwnFault({ reason }: Exit): boolean {
  return reason === "trap" || reason === "memory" || reason === "exit" || reason === "hogged";
}

/** The kernel's number for this thread, by which the main thread sees what it does even when it does not answer. */
function threadNumber(): number {
  try {
    return Number(readlinkSync("/proc/thread-self").split("/").at(-1));
  } catch {
    return 0;
  }
}
