// A carrier's thread: takes requests from its ring, runs them in its actors, writes what comes of them into the other.
//
// Between requests it is in its event loop, so that control calls are answered (DECISIONS 2.1); right after a request
// it first blocks for a moment, because the next one usually comes soon and that wake-up is the cheapest.
import { type MessagePort, receiveMessageOnPort, workerData } from "node:worker_threads";
import * as Comlink from "comlink";
import nodeEndpoint from "comlink/dist/esm/node-adapter.mjs";
import { Host } from "./abi/host.ts";
import { makeImports } from "./abi/imports.ts";
import { Actor } from "./actor.ts";
import { Bell } from "./bell.ts";
import { type Exit, exitReasons } from "./exits.ts";
import { Mesh } from "./mesh.ts";
import { Metering } from "./metering.ts";
import { Output } from "./output.ts";
import { Pids } from "./pids.ts";
import { RingReader, RingWriter } from "./ring.ts";
import { Sender } from "./sender.ts";
import { waitDedicated } from "./waiting/dedicated.ts";
import {
  type ActorSpec,
  BELL,
  type CarrierControl,
  type CarrierData,
  CLAIM_PENDING,
  CLAIM_TAKEN,
  CONTROL,
  DONE,
  KIND,
  monotonicMs,
  SEQ_STARTING,
  SIGNAL,
  STATE_IDLE,
  type Ticket,
} from "./wire.ts";

/** How long the thread blocks for the next request before it goes to its event loop. */
const HOT_MS = 2;
/** How long it looks on after a lone request; looks between two at the clock; times it does not after a vain one. */
const LOOK_MS = 0.04;
const LOOKS_A_TIME = 64;
const LOOKS_SKIPPED = 50;
/** Under load it visits its event loop at least this often. */
const CONTROL_MS = 20;
const DONE_TEXT_BYTES_MAX = 2048;

assertEngine();
const data = workerData as CarrierData;
const words = new Int32Array(data.control);
const bell = new Bell(new Int32Array(data.bell), BELL.asleep);
const asleep = new Bell(words, CONTROL.asleep);
const requests = new RingReader(data.requests, () => bell.ring());
const replies = new RingWriter(data.replies);
const pids = new Pids(data.bell, data.slot);
const actors = new Map<number, Actor>();
const ticketBlocks = new Map<number, ArrayBuffer>();
const sender = new Sender(replies, data.tickets, bell, words);
const mesh = new Mesh({ slot: data.slot, connect: askForRings, notes: { words, port: data.mesh } });
const output = new Output(replies, bell, words);
const metering = new Metering(replies, bell);
/** The actor whose guest code runs now or ran last. */
let running: Actor | null = null;
let looksToSkip = 0;
/** When the last request ended, or signals alone were taken. ms */
let endedMs = 0;
const host = new Host({
  send: (from, pid, message) => sender.send(host, from, pid, message),
  output: (from, stream, bytes) => output.write(running, from, stream, bytes),
  wait: waitDedicated,
  metric: (_from, event, name, value) => metering.record((running as Actor).spec.service, event, name, value),
  ask: () => host.trap("not supported yet: this carrier cannot ask the main thread"),
});
host.fileBudget.max = data.filesMax;
const imports = makeImports(host);

const control: CarrierControl = {
  start(spec: ActorSpec): string | null {
    const actor = new Actor(spec, host, imports, pids);
    const exit = startActor(actor);
    if (exit === null) return "its carrier was condemned";
    if (exit.reason !== "normal") {
      actor.close();
      return exit.text;
    }
    actors.set(spec.pid, actor);
    countInstances();
    return null;
  },
  stop(pid: number): void {
    const actor = actors.get(pid);
    actor?.close();
    actors.delete(pid);
    countInstances();
    const isLeft = [...actors.values()].some(({ spec }) => spec.service === actor?.spec.service);
    if (actor !== undefined && !isLeft) metering.forget(actor.spec.service);
  },
};
Comlink.expose(control, nodeEndpoint(data.port));
void serve();

async function serve(): Promise<void> {
  let visited = performance.now();
  for (;;) {
    let ran = 0;
    for (; ; ran++) {
      const hasSignals = mesh.hasNext();
      if (hasSignals) mesh.poll(takeSignal);
      if (canRun()) {
        if (!runNext()) return; // condemned: the main thread ends this one
      } else if (hasSignals) endedMs = performance.now();
      else break;
      if (endedMs - visited > CONTROL_MS) {
        await new Promise<void>((resolve) => setImmediate(resolve));
        visited = performance.now();
      }
    }
    metering.flush();
    if (ran === 1 && looksOn()) continue;
    // Woken for a control call it would keep that waiting.
    if (ran > 0) asleep.block(hasWork, HOT_MS);
    if (hasWork()) continue;
    await (asleep.sleep(hasWork) ?? new Promise<void>((resolve) => setImmediate(resolve)));
    visited = performance.now();
  }
}

/**
 * Looks at the ring for a moment more before the thread sleeps, as long as that pays: a client that asks one thing
 * after the other comes again at once, and a wake-up costs both threads more than the look. True if a frame came.
 */
function looksOn(): boolean {
  if (looksToSkip > 0) {
    looksToSkip--;
    return false;
  }
  const untilMs = performance.now() + LOOK_MS;
  do {
    for (let i = 0; i < LOOKS_A_TIME; i++) if (requests.hasNext) return true;
  } while (performance.now() < untilMs);
  looksToSkip = LOOKS_SKIPPED;
  return false;
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
  return canRun() || mesh.hasNext();
}

/** No process takes signals yet: a message is a dead letter, the rest is forgotten. */
function takeSignal(kind: number): void {
  if (kind === SIGNAL.message) Atomics.add(words, CONTROL.deadLetters, 1);
}

/** The main thread always drains, so room comes. */
function askForRings(slot: number): void {
  sender.reserve(0);
  replies.commit(KIND.connect, 0, slot, 0, 0);
  bell.ring();
}

/** Runs the request that the ring shows. False if the carrier was condemned before or meanwhile. */
function runNext(): boolean {
  const seq = requests.seq;
  const began = performance.now();
  if (!enter(seq, requests.pid, began)) return false;
  if (!requests.claim(CLAIM_PENDING, CLAIM_TAKEN)) {
    // Taken back: the client has gone or its time in the queue has passed.
    forgetTicket();
    requests.release();
    return Atomics.compareExchange(words, CONTROL.state, seq, STATE_IDLE) === seq;
  }
  const actor = actors.get(requests.pid) as Actor;
  running = actor;
  const [bytes, start, length] = payload();
  const exit = actor.run(bytes, start, length, requests.about);
  endedMs = performance.now();
  metering.flush();
  report(KIND.done, seq, requests.pid, exit, endedMs - began);
  const isMine = Atomics.compareExchange(words, CONTROL.state, seq, STATE_IDLE) === seq;
  requests.release();
  bell.ring();
  if (!isMine) return false;
  return actor.settle(exit) || restart(actor);
}

/** Makes an actor's next instance. False if the carrier was condemned before or meanwhile. */
function restart(actor: Actor): boolean {
  const exit = startActor(actor);
  if (exit === null) return false;
  if (exit.reason !== "normal") {
    actor.close();
    actors.delete(actor.spec.pid);
    countInstances();
    report(KIND.ended, 0, actor.spec.pid, exit, 0);
    bell.ring();
  }
  return true;
}

/** Runs an actor's start code where the watchdog can see it. Null if the carrier was condemned before or meanwhile. */
function startActor(actor: Actor): Exit | null {
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

function countInstances(): void {
  Atomics.store(words, CONTROL.instances, actors.size);
}

function payload(): [Uint8Array, number, number] {
  if ((requests.kind & KIND.ticket) === 0) return [requests.bytes, requests.offset, requests.length];
  const block = takeTicket();
  const bytes = new Uint8Array(block);
  return [bytes, 0, bytes.length];
}

/** The block that the shown frame names. It was posted before the frame was committed, so it is in the port. */
function takeTicket(): ArrayBuffer {
  const ticket = requests.bytes.readUInt32LE(requests.offset);
  for (;;) {
    const block = ticketBlocks.get(ticket);
    if (block !== undefined) {
      ticketBlocks.delete(ticket);
      return block;
    }
    const received = receiveMessageOnPort(data.tickets as MessagePort);
    if (received === undefined) throw new Error(`ticket ${ticket} is not in the port`);
    const message = received.message as Ticket;
    ticketBlocks.set(message.ticket, message.block);
  }
}

function forgetTicket(): void {
  if ((requests.kind & KIND.ticket) !== 0) takeTicket();
}

/** Writes how a request or an actor ended; waits for room, since this must not be lost. */
function report(kind: number, seq: number, pid: number, exit: Exit, ms: number): void {
  const text = exit.text === "" ? null : Buffer.from(exit.text).subarray(0, DONE_TEXT_BYTES_MAX);
  const length = DONE.text + (text === null ? 0 : text.length);
  const at = sender.reserve(length);
  replies.bytes[at + DONE.reason] = exitReasons.indexOf(exit.reason);
  replies.bytes.writeUInt32LE(Math.min(Math.round(ms * 1000), 0xffff_ffff), at + DONE.micros);
  if (text !== null) replies.bytes.set(text, at + DONE.text);
  replies.commit(kind, seq, pid, 0, length);
}

/** The V8 flags that bound guests must be set in the process (engine.ts): without them one module can end it. */
function assertEngine(): void {
  const isRefused = (make: () => unknown): boolean => {
    try {
      make();
      return false;
    } catch {
      return true;
    }
  };
  if (
    !isRefused(() => new WebAssembly.Table({ initial: 100_001, element: "anyfunc" })) ||
    !isRefused(() => new WebAssembly.Memory({ initial: 4097 }))
  ) {
    throw new Error("V8 runs without the flags of src/engine.ts");
  }
}
