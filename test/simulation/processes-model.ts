// The pure model of lunatic's processes (lunatic-abi.md §2), written from the reference and not from actors/: who
// lives, who is linked to whom, which signals are on their way, what lies in each mailbox.
//
// It leaves open what the reference leaves open: the order in which things of different senders arrive within one step.
import assert from "node:assert/strict";

export type Death = "normal" | "failed";

/** What lies in a mailbox: "m 12" a message, "l 7 3" link 7 died (tag 3), "p 7" process 7 died. */
export interface Item {
  readonly key: string;
  /** Who sent it, or has died. */
  readonly from: number;
  readonly tag: bigint;
  readonly bytes: number;
}

interface ModelSignal {
  readonly type:
    | "link"
    | "unlink"
    | "link_died"
    | "born"
    | "monitor"
    | "stop_monitoring"
    | "process_died"
    | "kill"
    | "message";
  readonly from: number;
  readonly to: number;
  /** Of whoever began it: in another nobody has that pid. */
  readonly environment: number;
  readonly tag: bigint;
  readonly death: Death;
  readonly item: Item | null;
}

export interface Wait {
  readonly tags: readonly bigint[] | null;
  readonly untilMs: number;
  /** What ended it. */
  taken: Item | null;
}

export interface ModelProcess {
  readonly pid: number;
  readonly environment: number;
  trapsExits: boolean;
  /** Tag that the other is told when this one dies. */
  readonly links: Map<number, bigint>;
  /** Tag that this one is told when the other's carrier dies, which tells nothing. */
  readonly theirs: Map<number, bigint>;
  readonly watched: Set<number>;
  readonly watchers: Set<number>;
  /** In the order of arrival, as far as it is known; behind `settled` all is new in this step. */
  mailbox: Item[];
  settled: number;
  wait: Wait | null;
  /** It must end, and is only still on the stack. */
  doomed: Death | null;
}

export interface Intent {
  readonly id: number;
  readonly from: number;
  readonly to: number;
  readonly environment: number;
  readonly item: Item;
  /** When a timer sends it; 0: its sender does. */
  readonly dueMs: number;
  state: "wanted" | "sent" | "cancelled";
}

const SLOTS = 1024;
export const slot = (pid: number): number => pid % SLOTS;
const NONE = { tag: 0n, death: "failed", item: null } as const;

export class ProcessesModel {
  readonly live = new Map<number, ModelProcess>();
  /** Everybody that ever lived, and how it ended. */
  readonly deaths = new Map<number, Death>();
  readonly intents = new Map<number, Intent>();
  /** Signals between slots, by the pair of processes: those arrive in order. */
  readonly #ways = new Map<string, ModelSignal[]>();
  /** The process whose guest code runs: its end waits until it has left the stack. */
  running = 0;
  /** Keys of messages that somebody has got: never twice. */
  readonly #got = new Set<string>();
  onWay = 0;
  /** Pairs where a link and an unlink passed each other: then one may have an end that the other has not. */
  readonly crossed = new Set<string>();

  born(pid: number, environment: number): ModelProcess {
    assert.ok(!this.live.has(pid) && !this.deaths.has(pid), `pid ${pid} is used twice`);
    const process: ModelProcess = {
      pid,
      environment,
      trapsExits: false,
      links: new Map(),
      theirs: new Map(),
      watched: new Set(),
      watchers: new Set(),
      mailbox: [],
      settled: 0,
      wait: null,
      doomed: null,
    };
    this.live.set(pid, process);
    return process;
  }

  of(pid: number): ModelProcess {
    const process = this.live.get(pid);
    assert.ok(process !== undefined, `process ${pid} runs and does not live`);
    return process;
  }

  // --- What a guest does. ---

  link(pid: number, to: number, tag: bigint): void {
    if (to === pid) return;
    const { links, theirs, environment } = this.of(pid);
    links.set(to, tag);
    theirs.set(to, tag);
    this.#tell({ ...NONE, type: "link", from: pid, to, environment, tag });
  }

  unlink(pid: number, to: number): void {
    const { links, environment } = this.of(pid);
    if (links.delete(to)) this.#tell({ ...NONE, type: "unlink", from: pid, to, environment });
  }

  monitor(pid: number, to: number): void {
    const { watched, environment } = this.of(pid);
    if (watched.has(to)) return;
    watched.add(to);
    this.#tell({ ...NONE, type: "monitor", from: pid, to, environment });
  }

  stopMonitoring(pid: number, to: number): void {
    const { watched, environment } = this.of(pid);
    if (watched.delete(to)) this.#tell({ ...NONE, type: "stop_monitoring", from: pid, to, environment });
  }

  kill(pid: number, to: number): void {
    if (to === pid) this.#die(this.of(pid), "failed");
    else this.#tell({ ...NONE, type: "kill", from: pid, to, environment: this.of(pid).environment });
  }

  /** It leaves by itself: returns or traps. */
  exit(pid: number, death: Death): void {
    const process = this.of(pid);
    process.doomed ??= death;
  }

  /** The running guest has left the stack. */
  ranOut(): void {
    const process = this.live.get(this.running);
    this.running = 0;
    if (process?.doomed != null) this.#die(process, process.doomed);
  }

  /** A message leaves its sender for good. */
  send(id: number, nowMs: number): void {
    const intent = this.intents.get(id);
    assert.ok(intent !== undefined && intent.state === "wanted", `message ${id} is sent, which is ${intent?.state}`);
    assert.ok(intent.dueMs <= nowMs, `message ${id} is sent before its time`);
    intent.state = "sent";
    const { from, to, environment, item } = intent;
    this.#tell({ ...NONE, type: "message", from, to, environment, item });
  }

  /** What a receive gives: an item that lies there, the oldest that fits. */
  take(pid: number, tags: readonly bigint[] | null): Item | null {
    const { mailbox } = this.of(pid);
    const index = mailbox.findIndex((item) => fits(item, tags));
    return index < 0 ? null : (mailbox[index] as Item);
  }

  /** A guest has got this. */
  got(pid: number, key: string): void {
    const process = this.of(pid);
    const { wait } = process;
    process.wait = null;
    if (wait?.taken == null) {
      const index = process.mailbox.findIndex((item) => item.key === key);
      assert.ok(index >= 0, `process ${pid} got "${key}", which is not in its mailbox`);
      process.mailbox.splice(index, 1);
      process.settled--;
    } else assert.equal(key, wait.taken.key, `process ${pid} was given one message and got another`);
    if (!key.startsWith("m")) return;
    assert.ok(!this.#got.has(key), `"${key}" was got twice`);
    this.#got.add(key);
  }

  // --- What the world does. ---

  /** A signal has come from another slot: it must be the oldest of its pair. */
  deliver(type: ModelSignal["type"], from: number, to: number): void {
    const way = this.#ways.get(`${from} ${to}`);
    const signal = way?.shift();
    const expected = signal === undefined ? "nothing" : signal.type;
    assert.equal(type, expected, `${type} from ${from} came to ${to}, where ${expected} was on its way`);
    this.onWay--;
    this.#receive(signal as ModelSignal);
  }

  /** True if one has linked itself to the other, which has not heard of it. */
  isLinking(from: number, to: number): boolean {
    return this.#ways.get(`${from} ${to}`)?.some(({ type }) => type === "link") ?? false;
  }

  /** A carrier is no more: its processes have ended and tell nobody. What it had sent still arrives. */
  carrierDied(dead: number): void {
    for (const process of [...this.live.values()]) {
      if (slot(process.pid) !== dead) continue;
      this.live.delete(process.pid);
      this.deaths.set(process.pid, "failed");
    }
    this.lost((to) => to !== dead);
  }

  /** What is on its way to slots where nobody is does not arrive. */
  lost(isThere: (slot: number) => boolean): void {
    if (this.onWay === 0) return;
    for (const [pair, way] of this.#ways) {
      if (isThere(slot(Number(pair.split(" ")[1])))) continue;
      this.onWay -= way.length;
      this.#ways.delete(pair);
    }
  }

  /** A slot has heard that another's carrier has gone: everything of it is dead. */
  peerGone(at: number, gone: number, pidEnd: number): void {
    for (const process of [...this.live.values()]) {
      if (slot(process.pid) !== at) continue;
      const dead = (pid: number): boolean => slot(pid) === gone && pid < pidEnd;
      if (process.doomed !== null && [...process.links.keys(), ...process.watched].some(dead)) {
        this.#die(process, process.doomed);
        continue;
      }
      for (const pid of [...process.links.keys()]) {
        if (dead(pid)) this.#linkDied(process, pid, process.theirs.get(pid) ?? 0n, "failed");
      }
      if (!this.live.has(process.pid)) continue;
      for (const pid of [...process.watched]) if (dead(pid)) this.#processDied(process, pid);
    }
  }

  killAll(environment: number, at: number): void {
    for (const process of [...this.live.values()]) {
      if (process.environment === environment && slot(process.pid) === at) this.#die(process, "normal");
    }
  }

  /** A child was made beside its parent: both know. */
  bornHere(parent: number, child: number, tag: bigint): void {
    this.of(child).links.set(parent, tag);
    this.of(parent).links.set(child, 0n);
    this.of(parent).theirs.set(child, tag);
  }

  /** A child was made in another slot: it knows of its link, and its parent hears of it before all else from it. */
  bornElsewhere(parent: number, environment: number, child: number, tag: bigint): void {
    this.born(child, environment).links.set(parent, tag);
    this.#tell({ ...NONE, type: "born", from: child, to: parent, environment, tag });
  }

  // --- Signals. ---

  #tell(signal: ModelSignal): void {
    if (slot(signal.from) === slot(signal.to) || slot(signal.to) === 0) {
      this.#receive(signal);
      return;
    }
    const pair = `${signal.from} ${signal.to}`;
    const way = this.#ways.get(pair);
    const back = this.#ways.get(`${signal.to} ${signal.from}`);
    if (back?.some(({ type }) => type === "link" || type === "unlink")) {
      this.crossed.add(signal.from < signal.to ? pair : `${signal.to} ${signal.from}`);
    }
    this.onWay++;
    if (way === undefined) this.#ways.set(pair, [signal]);
    else way.push(signal);
  }

  /** The last signal that was told did not leave: its sender must end for it. */
  refused(from: number, to: number): void {
    if (this.#ways.get(`${from} ${to}`)?.pop() !== undefined) this.onWay--;
    const sender = this.live.get(from);
    if (sender !== undefined) sender.doomed ??= "failed";
  }

  #receive(signal: ModelSignal): void {
    const { type, from, to, environment, tag } = signal;
    const process = this.live.get(to);
    if (process === undefined || process.environment !== environment) {
      if (type === "link" || type === "born")
        this.#tell({ ...NONE, type: "link_died", from: to, to: from, environment, tag });
      if (type === "monitor") this.#tell({ ...NONE, type: "process_died", from: to, to: from, environment });
      return;
    }
    this.#apply(process, signal);
    // Whoever is to end does at the next signal.
    if (process.doomed !== null && type !== "message") this.#die(process, process.doomed);
  }

  #apply(process: ModelProcess, { type, from, tag, death, item }: ModelSignal): void {
    switch (type) {
      case "link":
        process.links.set(from, tag);
        process.theirs.set(from, tag);
        return;
      case "born":
        process.links.set(from, 0n);
        process.theirs.set(from, tag);
        return;
      case "unlink":
        process.links.delete(from);
        return;
      case "link_died":
        this.#linkDied(process, from, tag, death);
        return;
      case "monitor":
        process.watchers.add(from);
        return;
      case "stop_monitoring":
        process.watchers.delete(from);
        return;
      case "process_died":
        this.#processDied(process, from);
        return;
      case "kill":
        this.#die(process, "failed");
        return;
      case "message":
        if (item !== null) process.mailbox.push(item);
    }
  }

  #linkDied(process: ModelProcess, from: number, tag: bigint, death: Death): void {
    if (!process.links.delete(from) || death === "normal") return; // unlinked meanwhile
    if (process.trapsExits) process.mailbox.push({ key: `l ${from} ${tag}`, from, tag, bytes: 0 });
    else this.#die(process, "failed");
  }

  #processDied(process: ModelProcess, from: number): void {
    if (process.watched.delete(from)) process.mailbox.push({ key: `p ${from}`, from, tag: 0n, bytes: 0 });
  }

  #die(process: ModelProcess, death: Death): void {
    if (process.pid === this.running) {
      process.doomed ??= death;
      return;
    }
    if (!this.live.delete(process.pid)) return;
    const { pid, environment, links, watchers, watched } = process;
    this.deaths.set(pid, death);
    for (const [to, tag] of links) this.#tell({ ...NONE, type: "link_died", from: pid, to, environment, tag, death });
    for (const to of watchers) this.#tell({ ...NONE, type: "process_died", from: pid, to, environment });
    for (const to of watched) this.#tell({ ...NONE, type: "stop_monitoring", from: pid, to, environment });
  }
}

/**
 * True if a receive with these tags takes it (lunatic-abi.md §2.5): without tags everything; else untagged messages
 * never match.
 */
export function fits(item: Item, tags: readonly bigint[] | null): boolean {
  return tags === null || (item.tag !== 0n && tags.includes(item.tag));
}
