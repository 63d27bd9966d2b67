// A thread with a carrier's stack in which a guest calls host functions with more and less of it left, beside a
// neighbour of another service. Tells how many calls there were, and what was found wrong.
import "../../src/engine.ts"; // its V8 flags
import { parentPort, workerData } from "node:worker_threads";
import { Process } from "../../actors/processes/process.ts";
import type { Member } from "../../actors/runtime/kernel.ts";
import type { Task } from "../../actors/runtime/task.ts";
import type { Exit } from "../../wire/exits.ts";
import { SIGNAL } from "../../wire/layout.ts";
import type { CarrierModule } from "../../wire/specs.ts";
import { environment } from "./alone.ts";
import { type Frame, type OnWay, SimCarrier } from "./processes-carrier.ts";
import { Random } from "./random.ts";

export interface StackFuzz {
  readonly seed: number;
  /** Calls of host functions in all. */
  readonly calls: number;
  readonly plain: CarrierModule;
  readonly light: CarrierModule;
  readonly neighbour: CarrierModule;
  /** Functions, by their numbers in the guests' tables, where one more calls none. */
  readonly names: readonly string[];
  /** Those of them that wait for a time, while others have their turns: tried more than the others. */
  readonly waiting: readonly number[];
  /** Sets of arguments that the guests have. */
  readonly sets: number;
}

export interface StackFuzzed {
  readonly calls: number;
  /** Calls that a function answered, and that ended in a trap. */
  readonly returned: number;
  readonly trapped: number;
  /** Turns that the neighbour had, and those of them while a plain guest waited. */
  readonly turns: number;
  readonly inside: number;
  readonly wrong: readonly string[];
}

/** call: the function at a depth; caught: the same inside lunatic::trap.catch. */
type Entry = "call" | "caught";

/** Frames that are tried below the deepest: more than the headroom of a call is, whatever a frame takes. */
const FRAMES = 4096;
/** Frames around the edge of the headroom, which are tried most. */
const EDGE = 48;
/** Used instances of the light guest that wait for their next. */
const POOLED = 8;
const NEIGHBOUR = 2;
const FUZZED = 1;
/** In the neighbour's memory: its turns, and whether it was ever somebody else. */
const TURNS_AT = 0;
const OTHER_AT = 8;

const { seed, calls, plain, light, neighbour, names, waiting, sets } = workerData as StackFuzz;
const { next } = new Random(seed);
const inbox: { from: number; onWay: OnWay }[] = [];
const exits = new Map<number, Exit>();
const wrong: string[] = [];
const carrier = new SimCarrier({
  slot: 1,
  bell: new SharedArrayBuffer(64),
  net: { send, next: () => inbox.shift(), has: () => inbox.length > 0, isWritable: () => true },
  begin: () => {
    throw new Error("no generators here");
  },
  enter: () => {},
  onFault: (thrown) => void wrong.push(`fault: ${thrown}`),
  onExit: ({ process }, exit) => void exits.set(process.pid, exit),
});
carrier.budget = Number.POSITIVE_INFINITY;
const { runtime } = carrier;
const { host, kernel, scheduler } = runtime;
const plainPool = runtime.addModule("plain", plain);
runtime.addModule("light", light);
runtime.addModule("neighbour", neighbour);
const fuzzed = environment(FUZZED, { moduleKey: "light", mailboxMessagesMax: 100, mailboxBytesMax: 100_000 });
const home = runtime.open(fuzzed);
const guest = { args: ["fuzz"], env: { MINE: "1" }, preopens: [] };

/** The main thread refuses whatever it is asked. */
function send(_from: number, _to: number, { kind, from, environment: id, bytes }: Frame): boolean {
  if (kind !== SIGNAL.ask) return true;
  const text = Buffer.from("refused");
  const answer = Buffer.concat([bytes.subarray(0, 4), Uint8Array.of(1, 0, 0, 0), text]);
  inbox.push({ from: 0, onWay: { kind: SIGNAL.answer, to: from, from: 0, environment: id, bytes: answer } });
  return true;
}

function bear(
  spec: typeof fuzzed,
  module: string,
  name: string,
  params: readonly number[] = [],
  env = new Map<string, string>(),
): Member {
  const born = runtime.spawner.bear({
    environment: runtime.open(spec),
    pool: runtime.pool(module),
    module,
    rights: { ...carrier.rights, env },
    entry: { name, params },
    root: 0,
    link: null,
  });
  if (typeof born === "string") throw new Error(born);
  return born;
}

const victim = bear(environment(NEIGHBOUR), "neighbour", "main", [], new Map([["SECRET", "1"]]));
poke();
runAll();
const victimMemory = (victim.task as Task).instance?.memoryBytes as Buffer;
const pristine = Buffer.from(victimMemory);
const before = stateOf(victim.process);
const room = { instances: carrier.instances, members: kernel.size, open: host.fileBudget.open };

function stateOf({ mailbox, resources, files, dying, scratch }: Process): string {
  const held = Object.entries(resources).map(([name, table]) => `${name} ${(table as { size?: number }).size}`);
  return JSON.stringify([mailbox.length, mailbox.bytes, held, files === null, dying, scratch === null]);
}

function runAll(): void {
  runtime.poll();
  for (let turns = 0; scheduler.runOne(); turns++) if (turns > 10_000) throw new Error("it does not come to rest");
}

/** Something comes for the neighbour: it is ready from now on. */
function poke(): void {
  inbox.push({
    from: 3,
    onWay: { kind: SIGNAL.message, to: victim.process.pid, from: 3, environment: NEIGHBOUR, bytes: new Uint8Array(16) },
  });
}

/** What holds after every call, whoever made it. */
function check(what: string): void {
  const say = (text: string): void => void wrong.push(`${what}: ${text}`);
  if (host.running !== null) say("somebody still runs");
  runAll();
  const turns = victimMemory.readUInt32LE(TURNS_AT);
  if (victimMemory.readUInt32LE(OTHER_AT) !== 0) say("the neighbour was somebody else");
  victimMemory.writeUInt32LE(pristine.readUInt32LE(TURNS_AT), TURNS_AT);
  if (!victimMemory.equals(pristine)) say("the neighbour's memory has changed");
  victimMemory.writeUInt32LE(turns, TURNS_AT);
  if (exits.has(victim.process.pid)) say(`the neighbour has ended: ${JSON.stringify(exits.get(victim.process.pid))}`);
  else if (stateOf(victim.process) !== before) say(`the neighbour was ${before}, is ${stateOf(victim.process)}`);
  if (carrier.instances > room.instances + POOLED) say(`${carrier.instances} instances, not ${room.instances}`);
  if (kernel.size !== room.members) say(`${kernel.size} processes, not ${room.members}`);
  if (host.fileBudget.open !== room.open) say(`${host.fileBudget.open} descriptors, not ${room.open}`);
}

let returned = 0;
let trapped = 0;
let inside = 0;
let pids = 900_000;
const plainInstance = plainPool.take();
const entries = plainInstance.exports as Readonly<
  Record<string, (depth: number, index: number, set: number) => number>
>;

/** A request of a plain actor. False if it trapped. */
function callPlain(name: Entry, depth: number, index: number, set: number, what: string): boolean {
  const process = new Process(pids++ * 1024 + 1, home.limits, undefined, FUZZED);
  const member: Member = { process, environment: home, task: null, rights: carrier.rights, module: "plain" };
  kernel.add(member);
  let hasReturned = false;
  host.runAs(process, plainInstance, guest, () => {
    try {
      hasReturned = entries[name]?.(depth, index, set) === 1;
    } catch {
      // trapped
    }
    if (host.running !== process || host.instance !== plainInstance || host.guest !== guest)
      wrong.push(`${what}: another runs now`);
  });
  runtime.removed(member, { reason: "normal", text: "" });
  return hasReturned;
}

/** A light process. False if it trapped. */
function callLight(name: Entry, depth: number, index: number, set: number): boolean {
  const { process } = bear(fuzzed, "light", name, [depth, index, set]);
  runAll();
  if (!exits.has(process.pid)) {
    runtime.close(FUZZED, { reason: "killed", text: "it still waits" });
    runtime.addModule("light", light);
  }
  return exits.get(process.pid)?.reason === "normal";
}

/** The most frames with which `index` still returns. */
function deepest(index: number): number {
  let low = 0;
  let high = 1 << 19;
  while (low + 1 < high) {
    const middle = (low + high) >>> 1;
    if (callPlain("call", middle, index, 0, "depth")) low = middle;
    else high = middle;
  }
  return low;
}

const NONE = names.length;
/** A function that does nothing but ask for headroom. */
const LEAST = names.indexOf("lunatic::process.process_id");
let most = { all: 0, host: 0 };
let made = 0;
for (; made < calls && wrong.length < 20; made++) {
  // V8 compiles the guest once more when it likes, with smaller frames: the depth is measured now and then.
  if (made % 64 === 0) most = { all: deepest(NONE), host: deepest(LEAST) };
  const index = next() < 0.4 ? pick(waiting) : Math.floor(next() * names.length);
  const isLight = next() < 0.4;
  const name = next() < 0.5 ? "call" : "caught";
  const depth = depthOf(next());
  const set = Math.floor(next() * sets);
  const form = isLight ? "light" : "plain";
  const what = `call ${made}: ${form} ${name} ${names[index]} ${set} at ${depth} of ${most.host} and ${most.all}`;
  poke();
  const turnsBefore = victimMemory.readUInt32LE(TURNS_AT);
  const hasReturned = isLight ? callLight(name, depth, index, set) : callPlain(name, depth, index, set, what);
  if (!isLight) inside += victimMemory.readUInt32LE(TURNS_AT) - turnsBefore;
  if (hasReturned) returned++;
  else trapped++;
  check(what);
}

/** Where the host function is called: mostly around the edge of the headroom, else nearer to the end, else anywhere. */
function depthOf(share: number): number {
  if (share < 0.5) return most.host + Math.floor((next() - 0.75) * EDGE);
  if (share < 0.8) return most.all - Math.floor(next() * next() * FRAMES);
  return Math.floor(next() * most.all);
}

function pick(from: readonly number[]): number {
  return from[Math.floor(next() * from.length)] as number;
}

const done: StackFuzzed = { calls: made, returned, trapped, turns: victimMemory.readUInt32LE(TURNS_AT), inside, wrong };
parentPort?.postMessage(done);
