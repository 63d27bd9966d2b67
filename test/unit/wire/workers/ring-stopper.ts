// Writes frames into a ring and stands still at a chosen step of one, so that it can be terminated exactly there.
import { workerData } from "node:worker_threads";
import { Bell } from "../../../../wire/bell.ts";
import { FRAME, KIND } from "../../../../wire/layout.ts";
import { RingWriter } from "../../../../wire/ring.ts";
import { steps, write } from "../../../harness/frames.ts";

export interface RingStopper {
  readonly ring: SharedArrayBuffer;
  /** Word 0: the reader's sleep flag; word 16 becomes 1 when this thread stands still. */
  readonly bells: SharedArrayBuffer;
  readonly wholeFrames: number;
  readonly payload: number;
  readonly step: (typeof steps)[number];
}

const data = workerData as RingStopper;
const words = new Int32Array(data.bells);
const bell = new Bell(words, 0);
const writer = new RingWriter(data.ring);

function room(): number {
  let at = writer.reserve(data.payload);
  while (at < 0) at = writer.waitForRoom(data.payload, Number.POSITIVE_INFINITY, () => bell.ring());
  return at;
}

for (let i = 0; i < data.wholeFrames; i++) {
  const at = room();
  writer.commit(KIND.request, i, i, write(writer.bytes, at, i, data.payload), data.payload);
  bell.ring();
}
const i = data.wholeFrames;
const doings: Record<(typeof steps)[number], (at: number) => void> = {
  reserved: () => {},
  "half written": (at) => write(writer.bytes, at, i, data.payload >> 1),
  written: (at) => write(writer.bytes, at, i, data.payload),
  "header written": (at) => {
    const header = (at - FRAME.bytes) >> 2;
    writer.words[header + FRAME.length] = data.payload;
    writer.words[header + FRAME.kind] = KIND.request;
  },
  committed: (at) => writer.commit(KIND.request, i, i, write(writer.bytes, at, i, data.payload), data.payload),
  rung: () => bell.ring(),
};
const at = room();
for (const step of steps.slice(0, steps.indexOf(data.step) + 1)) doings[step](at);
Atomics.store(words, 16, 1);
Atomics.notify(words, 16);
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
