// Real threads on a real mesh, and the main thread as one of its ends, as Carriers have them.
import { MessageChannel, Worker } from "node:worker_threads";
import { MainMesh } from "../../../src/carriers/main-mesh.ts";
import { Bell } from "../../../wire/bell.ts";
import { BELL, CONTROL, KIND } from "../../../wire/layout.ts";
import { Pids, slotOf } from "../../../wire/pids.ts";
import { makeRing, RingReader } from "../../../wire/ring.ts";
import { countsAt, isRight, makeCounts, payloadOf, signalKind } from "./mesh-signals.ts";
import type { MeshEnd, MeshEndNews } from "./workers/mesh-end.ts";

export interface MeshThreadsOptions {
  readonly ringBytes?: number;
  readonly frames: number;
  readonly payloadMax: number;
  readonly backlogBytesMax?: number;
  readonly window?: number;
}

export type Mode = (slot: number) => MeshEnd["mode"];

export interface Thread {
  readonly pid: number;
  readonly worker: Worker;
  readonly replies: RingReader;
  readonly news: MeshEndNews[];
}

export class MeshThreads {
  readonly bellBlock = new SharedArrayBuffer(BELL.bytes);
  readonly pid = new Pids(this.bellBlock, 0).next();
  readonly mesh: MainMesh;
  /** By slot. */
  readonly threads = new Map<number, Thread>();
  /** What was wrong, anywhere. */
  readonly wrong: string[] = [];
  /** Signals that the main thread got and sent, by pid. */
  readonly got = new Map<number, number>();
  readonly sent = new Map<number, number>();
  readonly gone: number[] = [];
  readonly #counts = makeCounts();
  readonly #sentCounts = new Int32Array(this.#counts.sent);
  readonly #gotCounts = new Int32Array(this.#counts.got);
  readonly #bell = new Bell(new Int32Array(this.bellBlock), BELL.asleep);
  readonly #program: string;
  readonly #options: MeshThreadsOptions;

  constructor(program: string, options: MeshThreadsOptions) {
    this.#program = program;
    this.#options = options;
    this.mesh = new MainMesh(this.bellBlock, options.ringBytes, options.backlogBytesMax);
    this.mesh.onPeerGone = (slot) => this.gone.push(slot);
  }

  /**
   * Starts threads in these slots. Each sends to all others that are there, the main one included.
   * @param program another one than mesh-end, and what it has besides mesh-end's data
   */
  start(slots: readonly number[], mode: Mode, program = this.#program, more: object = {}): void {
    const made = slots.map((slot) => {
      const control = new SharedArrayBuffer(CONTROL.bytes);
      const asleep = new Bell(new Int32Array(control), CONTROL.asleep);
      const replies = makeRing(256);
      const { port1, port2 } = new MessageChannel();
      port1.unref();
      this.mesh.join(slot, control, port1);
      const reader = new RingReader(replies, () => asleep.ring());
      return { pid: new Pids(this.bellBlock, slot).next(), control, replies, reader, port: port2 };
    });
    const pids = [this.pid, ...[...this.threads.values(), ...made].map(({ pid }) => pid)];
    for (const { pid, control, replies, reader, port } of made) {
      const data: MeshEnd = {
        pid,
        bell: this.bellBlock,
        control,
        replies,
        mesh: port,
        others: pids.filter((each) => each !== pid),
        frames: this.#options.frames,
        payloadMax: this.#options.payloadMax,
        mode: mode(slotOf(pid)),
        backlogBytesMax: this.#options.backlogBytesMax ?? 8 << 20,
        counts: this.#counts,
        window: this.#options.window ?? 0,
      };
      const worker = new Worker(program, { workerData: { ...data, ...more }, transferList: [port] });
      const news: MeshEndNews[] = [];
      worker.on("message", (each: MeshEndNews) => {
        news.push(each);
        if (each.what === "wrong") this.wrong.push(each.text);
        this.#bell.ring();
      });
      worker.on("error", (error) => this.wrong.push(`${pid}: ${error.stack}`));
      this.threads.set(slotOf(pid), { pid, worker, replies: reader, news });
    }
  }

  at(slot: number): Thread {
    return this.threads.get(slot) as Thread;
  }

  /** Signals that `to` has got from `from`, by their pids. */
  counted(what: "sent" | "got", from: number, to: number): number {
    return Atomics.load(what === "sent" ? this.#sentCounts : this.#gotCounts, countsAt(from, to));
  }

  /** Deals with what has come, and sends back to each thread as much as it sent to the main thread. */
  drain(): void {
    for (const [slot, { replies }] of this.threads) {
      for (; replies.next(); replies.release()) if (replies.kind === KIND.connect) this.mesh.connect(slot, replies.pid);
    }
    const { payloadMax } = this.#options;
    this.mesh.poll((kind, to, from, i, bytes, at, length) => {
      const expected = this.got.get(from) ?? 0;
      if (to !== this.pid || i !== expected || !isRight(kind, i, bytes, at, length, payloadMax)) {
        this.wrong.push(`main got ${JSON.stringify({ kind, i, length, to, from })}, not ${expected}`);
      }
      this.got.set(from, expected + 1);
      Atomics.store(this.#gotCounts, countsAt(from, this.pid), expected + 1);
    });
    for (const [slot, { pid }] of this.threads) {
      const got = this.got.get(pid) ?? 0;
      let i = this.sent.get(pid) ?? 0;
      for (; i < got && this.mesh.isWritable(slot); i++) {
        const payload = payloadOf(i, payloadMax);
        this.mesh.send(slot, signalKind, pid, this.pid, i, payload, 0, payload.length);
      }
      this.sent.set(pid, i);
    }
  }

  /** Drains until the test says true or something is wrong; the test's own time-out is its end. */
  async until(test: () => boolean): Promise<void> {
    const hasWork = (): boolean =>
      this.mesh.hasNext() || [...this.threads.values()].some(({ replies }) => replies.hasNext);
    for (;;) {
      this.drain();
      if (this.wrong.length > 0 || test()) return;
      // Also without a ring now and then: messages of threads come by the event loop.
      const rung = this.#bell.sleep(hasWork);
      if (rung === null) await new Promise((resolve) => setImmediate(resolve));
      else await Promise.race([rung, new Promise((resolve) => setTimeout(resolve, 20))]);
    }
  }

  /** Ends a thread at once, and tells the mesh as Carriers do. */
  async kill(slot: number): Promise<Thread> {
    const thread = this.at(slot);
    await thread.worker.terminate();
    this.drain();
    this.threads.delete(slot);
    this.mesh.leave(slot);
    this.drain();
    this.mesh.ended(slot);
    return thread;
  }

  async close(): Promise<void> {
    await Promise.all([...this.threads.values()].map(({ worker }) => worker.terminate()));
    this.threads.clear();
  }
}
