// One end of a ring in a thread of its own: writes or reads numbered frames with checksums, blocking or in its event
// loop.
import { parentPort, workerData } from "node:worker_threads";
import { Bell } from "../../../../wire/bell.ts";
import { KIND } from "../../../../wire/layout.ts";
import { RingReader, RingWriter } from "../../../../wire/ring.ts";
import { checksum, lengthOf, write } from "../../../harness/frames.ts";

export interface RingEnd {
  readonly role: "produce" | "consume";
  readonly mode: "block" | "event";
  readonly ring: SharedArrayBuffer;
  /** Two sleep flags: word 0 the consumer's, word 16 the producer's. */
  readonly bells: SharedArrayBuffer;
  readonly frames: number;
  readonly payloadMax: number;
}

/** What an end tells: frames dealt with, and the first thing that was wrong. */
export interface RingEndResult {
  readonly frames: number;
  readonly wrong: string | null;
}

const data = workerData as RingEnd;
const words = new Int32Array(data.bells);
const consumerBell = new Bell(words, 0);
const producerBell = new Bell(words, 16);
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function produce(): Promise<RingEndResult> {
  const writer = new RingWriter(data.ring);
  for (let i = 0; i < data.frames; i++) {
    const length = lengthOf(i, data.payloadMax);
    let at = writer.reserve(length);
    while (at < 0) {
      if (data.mode === "block") {
        at = writer.waitForRoom(length, Number.POSITIVE_INFINITY, () => consumerBell.ring());
        continue;
      }
      writer.starve();
      await (producerBell.sleep(() => {
        at = writer.reserve(length);
        if (at < 0) consumerBell.ring();
        return at >= 0;
      }) ?? turn());
      if (at < 0) at = writer.reserve(length);
    }
    const sum = write(writer.bytes, at, i, length);
    writer.commit(KIND.request, i & 0x3fff_ffff, i, sum, length);
    consumerBell.ring();
  }
  return { frames: data.frames, wrong: null };
}

async function consume(): Promise<RingEndResult> {
  const reader = new RingReader(data.ring, () => producerBell.ring());
  const hasNext = (): boolean => reader.hasNext;
  for (let i = 0; i < data.frames; ) {
    while (i < data.frames && reader.next()) {
      const { length, offset, pid, about, seq } = reader;
      const isRight =
        pid === i &&
        seq === (i & 0x3fff_ffff) &&
        length === lengthOf(i, data.payloadMax) &&
        about === checksum(reader.bytes, offset, i, length);
      if (!isRight) return { frames: i, wrong: `frame ${i} came as ${JSON.stringify({ pid, seq, length, about })}` };
      reader.release();
      i++;
    }
    // Without a time-out: a wake-up that is lost hangs the test.
    if (i === data.frames) break;
    if (data.mode === "block") consumerBell.block(hasNext, Number.POSITIVE_INFINITY);
    else await (consumerBell.sleep(hasNext) ?? turn());
  }
  return { frames: data.frames, wrong: reader.next() ? "there are more frames than were written" : null };
}

const alive = setInterval(() => {}, 1 << 30); // a promise of Atomics.waitAsync does not keep the loop alive
void (data.role === "produce" ? produce() : consume()).then((result) => {
  clearInterval(alive);
  parentPort?.postMessage(result);
});
