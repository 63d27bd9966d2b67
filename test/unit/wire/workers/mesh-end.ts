// A thread of the mesh tests: exchanges numbered signals with checksums with all others, blocking or in its event loop.
//
// It is as one process: its pid names it, signals for another pid are nobody's. It tells the first thing that is wrong,
// what it had got from a process that has gone, and when it has sent and got everything.
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { Bell } from "../../../../wire/bell.ts";
import { BELL, CONTROL, KIND } from "../../../../wire/layout.ts";
import { Mesh } from "../../../../wire/mesh.ts";
import { slotOf } from "../../../../wire/pids.ts";
import { RingWriter } from "../../../../wire/ring.ts";
import { type Counts, countsAt, isRight, payloadOf, signalKind } from "../mesh-signals.ts";

export interface MeshEnd {
  readonly pid: number;
  readonly bell: SharedArrayBuffer;
  readonly control: SharedArrayBuffer;
  readonly replies: SharedArrayBuffer;
  readonly mesh: MessagePort;
  /** Pids of those it sends to from the beginning. */
  readonly others: readonly number[];
  readonly frames: number;
  readonly payloadMax: number;
  readonly mode: "block" | "event";
  readonly backlogBytesMax: number;
  readonly counts: Counts;
  /** At most this many signals to one thread are on their way; 0: no bound. */
  readonly window: number;
}

export type MeshEndNews =
  | { readonly what: "wrong"; readonly text: string }
  | { readonly what: "gone"; readonly pid: number; readonly got: number }
  | { readonly what: "all" };

interface Other {
  readonly pid: number;
  sent: number;
  got: number;
}

const data = workerData as MeshEnd;
const { pid: own, frames, payloadMax } = data;
const words = new Int32Array(data.control);
const sentCounts = new Int32Array(data.counts.sent);
const gotCounts = new Int32Array(data.counts.got);
const bell = new Bell(new Int32Array(data.bell), BELL.asleep);
const asleep = new Bell(words, CONTROL.asleep);
const replies = new RingWriter(data.replies);
const tell = (news: MeshEndNews): void => parentPort?.postMessage(news);
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
/** By slot. */
const others = new Map<number, Other>(data.others.map((pid) => [slotOf(pid), { pid, sent: 0, got: 0 }]));

const mesh = new Mesh({
  slot: slotOf(own),
  connect: (slot) => {
    while (replies.reserve(0) < 0) replies.waitForRoom(0, 50, () => bell.ring());
    replies.commit(KIND.connect, 0, slot, 0, 0);
    bell.ring();
  },
  notes: { words, port: data.mesh },
  backlogBytesMax: data.backlogBytesMax,
});
mesh.onPeerGone = (slot, pidEnd) => {
  const other = others.get(slot);
  if (other === undefined || other.pid >= pidEnd) return;
  tell({ what: "gone", pid: other.pid, got: other.got });
  others.delete(slot);
};

function take(kind: number, to: number, from: number, i: number, bytes: Uint8Array, at: number, length: number): void {
  if (to !== own) return; // it was for an earlier owner of the slot
  let other = others.get(slotOf(from));
  if (other === undefined || (other.pid < from && other.got === 0)) {
    other = { pid: from, sent: 0, got: 0 };
    others.set(slotOf(from), other);
  }
  if (other.pid !== from || i !== other.got || !isRight(kind, i, bytes, at, length, payloadMax)) {
    const text = `${own} got ${JSON.stringify({ kind, i, length, from })}, not ${other.got} from ${other.pid}`;
    tell({ what: "wrong", text });
  }
  other.got++;
  Atomics.store(gotCounts, countsAt(from, own), other.got);
}

/** Sends one signal to each that may get one. True if any was sent. */
function sendSome(): boolean {
  let any = false;
  for (const [slot, other] of others) {
    if (!maySend(slot, other)) continue;
    const payload = payloadOf(other.sent, payloadMax);
    if (!mesh.send(slot, signalKind, other.pid, own, other.sent, payload, 0, payload.length)) continue;
    other.sent++;
    Atomics.store(sentCounts, countsAt(own, other.pid), other.sent);
    any = true;
  }
  return any;
}

/** With a window the first signal is seen before the next goes: then there are rings, and nothing waits here. */
function maySend(slot: number, { pid, sent }: Other): boolean {
  if (sent === frames || !mesh.isWritable(slot)) return false;
  if (data.window === 0) return true;
  const seen = Atomics.load(gotCounts, countsAt(own, pid));
  return sent - seen < (seen === 0 ? 1 : data.window);
}

const canGoOn = (): boolean => mesh.hasNext() || [...others].some(([slot, other]) => maySend(slot, other));

async function play(): Promise<void> {
  let hasTold = false;
  for (;;) {
    while (sendSome()) mesh.poll(take);
    if (mesh.poll(take)) continue;
    if (!hasTold && [...others.values()].every(({ sent, got }) => sent === frames && got === frames)) {
      hasTold = true;
      tell({ what: "all" });
    }
    // Without a time-out, so that a wake-up that is lost hangs the test; only what a window waits for rings no bell.
    if (data.mode === "block") asleep.block(canGoOn, data.window === 0 ? Number.POSITIVE_INFINITY : 1);
    else if (data.window === 0) await (asleep.sleep(canGoOn) ?? turn());
    else await turn();
  }
}

setInterval(() => {}, 1 << 30); // a promise of Atomics.waitAsync does not keep the loop alive
void play();
