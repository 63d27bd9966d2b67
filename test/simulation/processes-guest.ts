// What a guest of the simulation does: random host calls, each told to the model, and each result checked against it.
import assert from "node:assert/strict";
import type { Message } from "../../actors/processes/mailbox.ts";
import type { Program, SimCarrier } from "../harness/processes-carrier.ts";
import type { Random } from "../harness/random.ts";
import { fits, type Intent, type Item, type ProcessesModel, slot } from "./processes-model.ts";

const TIMED_OUT = 9027;
const NEVER = -1n;
export const SEND_TIMEOUT_MS = 5000;
const INHERIT = -1n;
/** Places in guest memory. */
const NAME = 0;
const TAGS = 64;
const OUT = 128;
const DATA = 256;

export interface Limits {
  readonly processesMax: number;
  readonly mailboxMessagesMax: number;
  readonly mailboxBytesMax: number;
}

/** What is known of a message by its key: data by the number in them. */
export function keyOf({ kind, tag, process, bytes, start }: Message): string {
  if (kind === "data") return `m ${Buffer.from(bytes.buffer, bytes.byteOffset + start).readUInt32LE(0)}`;
  return kind === "link_died" ? `l ${process} ${tag}` : `p ${process}`;
}

export class GuestPrograms {
  /** Everybody that was ever born, and some that never were. */
  readonly pids: number[] = [1024 + 1, 5 * 1024 + 3, 7];
  /** True while a guest is inside a host call. */
  isCalling = false;
  /** Nobody begins anything more: they receive what there is, and return. */
  isCalm = false;
  /** What a guest found wrong: for its carrier that is a trap like others. */
  failure: unknown = null;
  /** Sends that have not come back, by sender. */
  readonly sending = new Map<number, Intent>();
  readonly #random: Random;
  readonly #model: ProcessesModel;
  readonly #limits: Limits;
  readonly #now: () => number;
  #messages = 0;
  /** Timers that may be cancelled: sender, the kernel's number, the message. */
  #timers: { readonly pid: number; readonly timer: bigint; readonly intent: Intent }[] = [];

  constructor(random: Random, model: ProcessesModel, limits: Limits, now: () => number) {
    this.#random = random;
    this.#model = model;
    this.#limits = limits;
    this.#now = now;
  }

  *program(carrier: SimCarrier, pid: number): Program {
    const random = this.#random;
    for (let calls = 3 + random.below(20); calls > 0; calls--) {
      if (this.isCalm) break;
      yield* this.#act(carrier, pid);
      yield () => carrier.calls["frenezulo:light"]?.yield?.();
    }
    this.#model.exit(pid, "normal");
  }

  /** A spawn was refused: only a full environment does that. */
  checkRefusal(environment: number): void {
    let living = 0;
    for (const process of this.#model.live.values()) if (process.environment === environment) living++;
    assert.equal(living, this.#limits.processesMax, "a spawn is refused though there is room");
  }

  carrierDied(dead: number): void {
    for (const pid of this.sending.keys()) if (slot(pid) === dead) this.sending.delete(pid);
    for (const intent of this.#model.intents.values()) {
      if (slot(intent.from) === dead && intent.state === "wanted") intent.state = "cancelled";
    }
  }

  /** Timers that were due have run: what they had to send is on its way, or there was no room. */
  timersRan(carrier: SimCarrier, full: ReadonlySet<string>): void {
    for (const intent of this.#model.intents.values()) {
      const { from, to, dueMs, state } = intent;
      if (dueMs === 0 || state !== "wanted" || dueMs > this.#now() || slot(from) !== carrier.slot) continue;
      const target = carrier.runtime.kernel.member(to)?.process;
      const isThere = target?.mailbox;
      const hasIt = isThere !== undefined && [...mailboxOf(carrier, to)].includes(intent.item.key);
      if (hasIt) continue; // the comparison sees it
      if (slot(to) === carrier.slot) {
        const isRefused = target === undefined || target.mailbox.isFullFor(intent.item.bytes);
        const isGot = carrier.runtime.kernel.taskOf(to)?.process.waitedFor !== undefined;
        assert.ok(
          isRefused || isGot || target.environment !== intent.environment,
          `timer of ${intent.item.key} is lost`,
        );
        if (isGot) continue;
      } else if (!full.has(`${carrier.slot} ${to}`) && slot(to) !== 0) {
        continue; // refused by a long way, or by the dead
      }
      intent.state = "cancelled";
    }
  }

  *#act(carrier: SimCarrier, pid: number): Program {
    const random = this.#random;
    const model = this.#model;
    const call =
      (module: string, name: string, ...args: (number | bigint)[]) =>
      () => {
        this.isCalling = true;
        try {
          return carrier.call(module, name, ...args);
        } finally {
          this.isCalling = false;
        }
      };
    const other = this.#pid();
    const tag = BigInt(random.below(4));
    const dice = random.next();
    if (dice < 0.14) yield* this.#spawn(carrier, pid, tag, call);
    else if (dice < 0.23) {
      yield () => {
        model.link(pid, other, tag);
        return call("process", "link", tag, BigInt(other))();
      };
    } else if (dice < 0.28) {
      yield () => {
        model.unlink(pid, other);
        return call("process", "unlink", BigInt(other))();
      };
    } else if (dice < 0.34) {
      yield () => {
        model.monitor(pid, other);
        return call("process", "monitor", BigInt(other))();
      };
    } else if (dice < 0.37) {
      yield () => {
        model.stopMonitoring(pid, other);
        return call("process", "stop_monitoring", BigInt(other))();
      };
    } else if (dice < 0.4) {
      yield () => {
        model.kill(pid, other);
        return call("process", "kill", BigInt(other))();
      };
    } else if (dice < 0.5) {
      const dies = random.chance(0.3);
      yield () => {
        model.of(pid).trapsExits = !dies;
        return call("process", "die_when_link_dies", dies ? 1 : 0)();
      };
    } else if (dice < 0.7) yield* this.#send(carrier, pid, other, call);
    else if (dice < 0.76) yield* this.#sendAfter(carrier, pid, other, call);
    else if (dice < 0.95) yield* this.#receive(carrier, pid, call);
    else if (dice < 0.97) yield* this.#exists(pid, other, call);
    else if (dice < 0.985) yield call("process", "sleep_ms", BigInt(random.below(30)));
    else {
      yield () => {
        model.exit(pid, "failed");
        throw new WebAssembly.RuntimeError("unreachable");
      };
    }
  }

  *#spawn(carrier: SimCarrier, pid: number, link: bigint, call: Call): Program {
    carrier.bytes.write("main", NAME);
    const model = this.#model;
    const { environment } = model.of(pid);
    let isHere = true;
    const result = yield () => {
      carrier.bytes.write("main", NAME);
      const given = call("process", "spawn", link, INHERIT, INHERIT, NAME, 4, 0, 0, OUT)();
      if (carrier.runtime.host.isUnwinding) isHere = false; // made elsewhere
      if (!isHere || given !== 0) return given;
      const child = Number(carrier.bytes.readBigUInt64LE(OUT));
      model.born(child, environment);
      this.pids.push(child);
      if (link !== 0n) model.bornHere(pid, child, link);
      return given;
    };
    if (result === 0 && !isHere && link !== 0n) {
      const child = Number(carrier.bytes.readBigUInt64LE(OUT));
      const isHalf = model.live.get(child)?.links.has(pid) === true && !model.of(pid).links.has(child);
      assert.ok(!isHalf || model.isLinking(child, pid), `the spawn of ${child} has returned to ${pid} before its link`);
    }
    if (result !== 0 && isHere && carrier.runtime.kernel.memberOf(pid).module === "here") {
      this.checkRefusal(environment);
    }
  }

  *#send(carrier: SimCarrier, pid: number, other: number, call: Call): Program {
    const intent = this.#intent(pid, other, 0);
    this.#write(carrier, intent, call);
    const beganMs = this.#now();
    yield () => {
      this.sending.set(pid, intent);
      // What will never fit ends whoever sends it.
      const target = carrier.runtime.kernel.find(other, intent.environment)?.process;
      const isFull = target?.mailbox.isFullFor(intent.item.bytes) === true;
      const isAwaited = target?.awaited?.includes(intent.item.tag) === true;
      const never = isFull && !isAwaited && (other === pid || target.mailbox.length === 0);
      if (never) this.#model.exit(pid, "failed");
      try {
        return call("message", "send", BigInt(other))();
      } catch (thrown) {
        // There was no room for too long.
        if (intent.state === "wanted" && this.#now() >= beganMs + SEND_TIMEOUT_MS) this.#model.exit(pid, "failed");
        throw thrown;
      }
    };
    this.sending.delete(pid);
    if (intent.state === "wanted") this.#model.send(intent.id, this.#now());
  }

  *#sendAfter(carrier: SimCarrier, pid: number, other: number, call: Call): Program {
    const ms = this.#random.pick([0, 5, 50]);
    const intent = this.#intent(pid, other, this.#now() + ms);
    this.#write(carrier, intent, call);
    const timer = yield call("timer", "send_after", BigInt(other), BigInt(ms));
    this.#timers.push({ pid, timer: timer as bigint, intent });
    const mine = this.#timers.filter((each) => each.pid === pid);
    if (this.#random.chance(0.6)) return;
    const chosen = this.#random.pick(mine);
    this.#timers = this.#timers.filter((each) => each !== chosen);
    const wasArmed = yield call("timer", "cancel_timer", chosen.timer);
    if (wasArmed === 0) return;
    assert.equal(chosen.intent.state, "wanted", `a timer is cancelled that has sent ${chosen.intent.item.key}`);
    chosen.intent.state = "cancelled";
  }

  *#receive(carrier: SimCarrier, pid: number, call: Call): Program {
    const random = this.#random;
    const tags = random.chance(0.5)
      ? null
      : Array.from({ length: 1 + random.below(3) }, (_, i) => BigInt(i === 0 ? 1 + random.below(3) : random.below(4)));
    const timeout = random.pick([0, 0, 3, 40, 400]);
    const untilMs = this.#now() + timeout;
    let expected = this.#model.take(pid, tags);
    let isBlocked = false;
    const result = yield () => {
      (tags ?? []).forEach((tag, i) => void carrier.bytes.writeBigUInt64LE(tag, TAGS + 8 * i));
      const given = call("message", "receive", TAGS, tags?.length ?? 0, timeout === 400 ? NEVER : BigInt(timeout))();
      if (carrier.runtime.host.isUnwinding) {
        isBlocked = true;
        assert.equal(expected, null, `process ${pid} waits though "${expected?.key}" is there`);
        this.#model.of(pid).wait = { tags, untilMs: timeout === 400 ? Infinity : untilMs, taken: null };
      }
      return given;
    };
    if (isBlocked) expected = this.#model.of(pid).wait?.taken ?? null;
    if (result === TIMED_OUT) {
      assert.equal(expected, null, `the receive of ${pid} is over although "${expected?.key}" came`);
      assert.ok(this.#now() >= untilMs && timeout !== 400, `the receive of ${pid} is over too early`);
      this.#model.of(pid).wait = null;
      return;
    }
    const { scratch } = carrier.runtime.kernel.memberOf(pid).process;
    assert.ok(scratch !== null, "a receive gave no message");
    if (expected === null) expected = this.#letIn(keyOf(scratch), pid, tags);
    assert.equal(result, ["data", "link_died", "process_died"].indexOf(scratch.kind));
    assert.equal(keyOf(scratch), expected?.key, `process ${pid} got another message than the oldest that fits`);
    this.#model.got(pid, keyOf(scratch));
  }

  /** A message that its sender had to wait with, let into a full mailbox because it is waited for. */
  #letIn(key: string, pid: number, tags: readonly bigint[] | null): Item | null {
    const intent = [...this.sending.values()].find(({ item }) => item.key === key);
    if (intent === undefined || intent.to !== pid || tags === null || !fits(intent.item, tags)) return null;
    if (intent.state === "wanted") this.#model.send(intent.id, this.#now());
    return intent.item;
  }

  *#exists(pid: number, other: number, call: Call): Program {
    const isThere = (): boolean => this.#model.live.get(other)?.environment === this.#model.of(pid).environment;
    const before = isThere();
    const result = yield call("process", "exists", BigInt(other));
    if (!before) assert.equal(result, 0, `${other} exists for ${pid}, and does not live`);
    else if (isThere()) assert.equal(result, 1, `${other} does not exist for ${pid}, and lives`);
  }

  #intent(from: number, to: number, dueMs: number): Intent {
    const id = ++this.#messages;
    const item = {
      key: `m ${id}`,
      from,
      tag: BigInt(this.#random.below(4)),
      bytes: this.#random.pick([4, 4, 12, 30, 60]),
    };
    const intent: Intent = {
      id,
      from,
      to,
      environment: this.#model.of(from).environment,
      item,
      dueMs,
      state: "wanted",
    };
    this.#model.intents.set(id, intent);
    return intent;
  }

  #write(carrier: SimCarrier, { id, item }: Intent, call: Call): void {
    call("message", "create_data", item.tag, 0n)();
    carrier.bytes.fill(0, DATA, DATA + item.bytes);
    carrier.bytes.writeUInt32LE(id, DATA);
    call("message", "write_data", DATA, item.bytes)();
  }

  /** Mostly somebody who lives. */
  #pid(): number {
    if (this.#random.chance(0.8) && this.#model.live.size > 0) return this.#random.pick([...this.#model.live.keys()]);
    return this.#random.pick(this.pids);
  }
}

type Call = (module: string, name: string, ...args: (number | bigint)[]) => () => number | bigint;

/** Keys of what lies in a mailbox, oldest first. */
export function mailboxOf(carrier: SimCarrier, pid: number): string[] {
  const keys: string[] = [];
  carrier.runtime.kernel.member(pid)?.process.mailbox.forEach((message) => void keys.push(keyOf(message)));
  return keys;
}
