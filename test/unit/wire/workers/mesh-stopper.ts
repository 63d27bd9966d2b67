// A thread of the mesh tests that writes signals into the ring to slot 2 and stands still at a chosen step of one, so
// that it can be terminated exactly there.
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { Bell } from "../../../../wire/bell.ts";
import { BELL, CONTROL, FRAME, KIND } from "../../../../wire/layout.ts";
import type { MeshNote, MeshRings } from "../../../../wire/mesh-peer.ts";
import { RingWriter } from "../../../../wire/ring.ts";
import type { Ticket } from "../../../../wire/specs.ts";
import type { steps } from "../../../harness/frames.ts";
import { payloadOf, signalKind } from "../mesh-signals.ts";
import type { MeshEnd } from "./mesh-end.ts";

export interface MeshStopper {
  /** Pid of the one in slot 2. */
  readonly to: number;
  readonly wholeFrames: number;
  readonly step: (typeof steps)[number] | "ticket posted";
}

const data = workerData as MeshEnd & MeshStopper;
const words = new Int32Array(data.control);
const replies = new RingWriter(data.replies);
replies.reserve(0);
replies.commit(KIND.connect, 0, 2, 0, 0);
new Bell(new Int32Array(data.bell), BELL.asleep).ring();
const asleep = new Bell(words, CONTROL.asleep);
while (Atomics.load(words, CONTROL.mesh) === 0) asleep.block(() => Atomics.load(words, CONTROL.mesh) !== 0, 1000);
const note = receiveMessageOnPort(data.mesh)?.message as MeshNote;
const rings = note.rings as MeshRings;
const writer = new RingWriter(rings.out);
const peer = new Bell(new Int32Array(rings.bell), rings.bellWord);

const room = (length: number): number => {
  let at = writer.reserve(length);
  while (at < 0) at = writer.waitForRoom(length, Number.POSITIVE_INFINITY, () => peer.ring());
  return at;
};
const commit = (i: number, length: number): number => writer.commit(signalKind, i, data.to, data.pid, length);

for (let i = 0; i < data.wholeFrames; i++) {
  const payload = payloadOf(i, data.payloadMax);
  writer.bytes.set(payload, room(payload.length));
  commit(i, payload.length);
  peer.ring();
}
const last = payloadOf(data.wholeFrames, data.payloadMax);
const at = room(last.length);
const doings: readonly (readonly [MeshStopper["step"], () => void])[] = [
  ["reserved", () => {}],
  [
    "ticket posted",
    () => {
      const ticket: Ticket = { ticket: 1, block: new ArrayBuffer(100_000) };
      rings.tickets.postMessage(ticket, [ticket.block]);
    },
  ],
  ["half written", () => writer.bytes.set(last.subarray(0, last.length >> 1), at)],
  ["written", () => writer.bytes.set(last, at)],
  [
    "header written",
    () => {
      writer.words[((at - FRAME.bytes) >> 2) + FRAME.length] = last.length;
      writer.words[((at - FRAME.bytes) >> 2) + FRAME.kind] = signalKind;
    },
  ],
  ["committed", () => commit(data.wholeFrames, last.length)],
  ["rung", () => peer.ring()],
];
for (const [step, doing] of doings) {
  doing();
  if (step === data.step) break;
}
parentPort?.postMessage({ what: "all" });
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
