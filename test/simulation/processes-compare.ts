// Holds the real processes of a simulation against the model: who lives, links, monitors, mailboxes, who waits.
import assert, { AssertionError } from "node:assert/strict";
import { Message } from "../../actors/processes/mailbox.ts";
import type { Process } from "../../actors/processes/process.ts";
import type { Task } from "../../actors/runtime/task.ts";
import type { SimCarrier } from "../harness/processes-carrier.ts";
import { type GuestPrograms, keyOf, type Limits } from "./processes-guest.ts";
import { type Death, fits, type Item, type ModelProcess, type ProcessesModel, slot } from "./processes-model.ts";

function fail(message: string): never {
  throw new AssertionError({ message });
}

export class Comparison {
  readonly #model: ProcessesModel;
  readonly #programs: GuestPrograms;
  readonly #limits: Limits;

  constructor(model: ProcessesModel, programs: GuestPrograms, limits: Limits) {
    this.#model = model;
    this.#programs = programs;
    this.#limits = limits;
  }

  /** After every step. @param ended how each process ended that did */
  compare(carriers: ReadonlyMap<number, SimCarrier>, nowMs: number, ended: ReadonlyMap<number, Death>): void {
    const model = this.#model;
    let members = 0;
    for (const carrier of carriers.values()) {
      members += carrier.runtime.kernel.size;
      for (const { process, task } of carrier.runtime.kernel.members()) {
        const expected = model.live.get(process.pid);
        if (expected === undefined) fail(`process ${process.pid} lives on`);
        this.#flags(process, expected);
        this.#mailbox(process, task as Task, expected, nowMs);
      }
    }
    if (members !== model.live.size) {
      const lost = [...model.live.keys()].filter((pid) => !carriers.get(slot(pid))?.runtime.kernel.member(pid));
      fail(`processes ${lost} have ended without a reason`);
    }
    if (ended.size !== model.deaths.size) fail(`${ended.size} ends are told, and there were ${model.deaths.size}`);
    for (const [pid, death] of [...model.deaths].slice(-8)) {
      if (ended.get(pid) !== death) fail(`process ${pid} ended ${ended.get(pid)}, not ${death}`);
    }
  }

  /** Nothing is ready and nothing on its way: then nobody waits for room that is there, and links have two ends. */
  checkQuiet(carriers: ReadonlyMap<number, SimCarrier>, nowMs: number): void {
    assert.equal(this.#model.onWay, 0, "signals are on their way for ever");
    for (const [pid, { to, item }] of this.#programs.sending) {
      if (!this.#model.live.has(pid)) continue;
      const target = carriers.get(slot(to))?.runtime.kernel.member(to)?.process;
      if (target === undefined) fail(`${pid} waits to send to ${to}, which does not live`);
      if (target.mailbox.hasMuchRoom && !target.mailbox.isFullFor(item.bytes)) {
        fail(`${pid} waits to send to ${to}, which has room`);
      }
    }
    for (const { pid, links, environment, wait } of this.#model.live.values()) {
      for (const to of links.keys()) {
        const other = this.#model.live.get(to);
        const isHalf = other === undefined || other.environment !== environment || !other.links.has(pid);
        if (isHalf && !this.#model.crossed.has(pairOf(pid, to))) fail(`${pid} is linked to ${to}, and not back`);
      }
      if (wait !== null && wait.untilMs <= nowMs) fail(`the receive of ${pid} is not over in time`);
    }
  }

  #flags(process: Process, expected: ModelProcess): void {
    const { pid } = process;
    if (process.dying !== null && expected.doomed === null) {
      // It waited to send what has no room in an empty mailbox: that is seen once the mailbox is empty.
      const bytes = this.#programs.sending.get(pid)?.item.bytes ?? 0;
      if (bytes <= this.#limits.mailboxBytesMax) fail(`${pid} is to end without a reason: ${process.dying.text}`);
      expected.doomed = "failed";
    }
    if (process.diesWithLinks === expected.trapsExits) fail(`${pid} takes the deaths of links the wrong way`);
    const isSame =
      process.links.size === expected.links.size &&
      [...expected.links].every(([to, tag]) => process.links.get(to)?.tag === tag);
    if (!isSame) {
      const real = [...process.links].map(([to, { tag }]) => `${to}:${tag}`);
      fail(`${pid} is linked to [${real}], expected [${[...expected.links].map(([to, tag]) => `${to}:${tag}`)}]`);
    }
    if (!sameSet(process.watched, expected.watched)) fail(`${pid} watches ${[...process.watched]}`);
    if (!sameSet(process.watchers, expected.watchers)) fail(`${pid} is watched by ${[...process.watchers]}`);
  }

  #mailbox(process: Process, task: Task, expected: ModelProcess, nowMs: number): void {
    const { pid } = process;
    const real: string[] = [];
    process.mailbox.forEach((message) => void real.push(keyOf(message)));
    const taken = task.process.waitedFor instanceof Message ? keyOf(task.process.waitedFor) : null;
    for (const key of taken === null ? real : [taken, ...real]) this.#arrived(key, nowMs);
    const { wait } = expected;
    if (taken !== null && wait !== null && wait.taken === null) this.#take(expected, taken);
    const { mailbox, settled } = expected;
    if (mailbox.length !== real.length) {
      fail(`the mailbox of ${pid} has [${real}], expected [${mailbox.map(({ key }) => key)}]`);
    }
    for (let i = 0; i < settled; i++) {
      if (mailbox[i]?.key !== real[i]) fail(`the mailbox of ${pid} has another order: [${real}]`);
    }
    if (settled < real.length) this.#adopt(expected, real);
    let own = 0;
    for (const { key, from } of expected.mailbox) if (key.startsWith("m") && slot(from) === slot(pid)) own++;
    // One more where it was waited for.
    if (own > this.#limits.mailboxMessagesMax + 1) fail(`the mailbox of ${pid} has ${own} messages`);
    if (wait === null || wait.taken !== null || task.state !== "waiting") return;
    const found = expected.mailbox.find((item) => fits(item, wait.tags));
    if (found !== undefined) fail(`${pid} waits though "${found.key}" has come`);
  }

  /** One that its sender had to wait with, or a timer sends, has arrived. */
  #arrived(key: string, nowMs: number): void {
    if (!key.startsWith("m")) return;
    const intent = this.#model.intents.get(Number(key.slice(2)));
    if (intent?.state === "wanted") this.#model.send(intent.id, nowMs);
  }

  /** The message that ended a wait: it must be the first that fits among what has come since. */
  #take(process: ModelProcess, key: string): void {
    const { mailbox, settled, wait, pid } = process;
    const index = mailbox.findIndex((item) => item.key === key);
    const item = mailbox[index];
    if (item === undefined || wait === null) fail(`${pid} was given "${key}", which nobody sent`);
    if (!fits(item, wait.tags)) fail(`${pid} was given "${key}", which does not fit`);
    if (index < settled) fail(`${pid} was given "${key}" late`);
    const earlier = mailbox
      .slice(settled, index)
      .find(({ from, ...rest }) => from === item.from && fits({ from, ...rest }, wait.tags));
    if (earlier !== undefined) fail(`${pid} was given "${key}" before "${earlier.key}"`);
    mailbox.splice(index, 1);
    wait.taken = item;
  }

  /** What is new in this step takes the order that it has, which must be each sender's own. */
  #adopt(process: ModelProcess, real: readonly string[]): void {
    const fresh = process.mailbox.slice(process.settled);
    const next = new Map<number, Item[]>();
    for (const item of fresh) next.set(item.from, [...(next.get(item.from) ?? []), item]);
    for (let i = process.settled; i < real.length; i++) {
      const found = [...next.values()].find((items) => items[0]?.key === real[i]);
      if (found === undefined)
        fail(`the mailbox of ${process.pid} has [${real}], new are [${fresh.map(({ key }) => key)}]`);
      process.mailbox[i] = found.shift() as Item;
    }
    process.settled = real.length;
  }
}

function sameSet(one: ReadonlySet<number>, other: ReadonlySet<number>): boolean {
  return one.size === other.size && [...one].every((each) => other.has(each));
}

export function pairOf(one: number, other: number): string {
  return one < other ? `${one} ${other}` : `${other} ${one}`;
}
