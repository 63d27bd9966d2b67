// wire/ring.ts between real threads: a long stress with checksums, and producers that are terminated at each step.
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { Bell } from "../../../wire/bell.ts";
import { RING } from "../../../wire/layout.ts";
import { makeRing, RingReader } from "../../../wire/ring.ts";
import { bundle } from "../../harness/bundle.ts";
import { checksum, lengthOf, steps } from "../../harness/frames.ts";
import { result } from "../../harness/threads.ts";
import type { RingEnd, RingEndResult } from "./workers/ring-end.ts";
import type { RingStopper } from "./workers/ring-stopper.ts";

const ringEnd = await bundle("test/unit/wire/workers/ring-end.ts");
const ringStopper = await bundle("test/unit/wire/workers/ring-stopper.ts");
const isLong = process.env.TEST_LONG === "1";

/** A ring whose positions wrap soon. */
function ring(capacity: number): SharedArrayBuffer {
  const block = makeRing(capacity);
  const words = new Int32Array(block);
  words[RING.head] = words[RING.tail] = -1024;
  return block;
}

const modes = ["block", "event"] as const;
const [manyFrames, someFrames, fewFrames] = isLong ? [10_000_000, 1_000_000, 200_000] : [1_000_000, 100_000, 10_000];
const sizes = [
  { holds: "many frames", capacity: 64 * 1024, payloadMax: 64, frames: someFrames },
  { holds: "1 frame", capacity: 64, payloadMax: 32, frames: fewFrames },
  { holds: "2 frames", capacity: 128, payloadMax: 32, frames: fewFrames },
  { holds: "3 frames", capacity: 256, payloadMax: 48, frames: fewFrames },
];
const cases = sizes.flatMap((size) =>
  modes.flatMap((producer) =>
    modes.map((consumer) => {
      const isLongest = size.frames === someFrames && producer === "block" && consumer === "block";
      return { ...size, producer, consumer, ...(isLongest ? { frames: manyFrames } : {}) };
    }),
  ),
);

describe("a ring between two threads", () => {
  it.each(cases)(
    "that holds $holds delivers $frames frames ($producer to $consumer)",
    async ({ capacity, payloadMax, frames, producer, consumer }) => {
      const common = { ring: ring(capacity), bells: new SharedArrayBuffer(128), frames, payloadMax };
      const results = await Promise.all([
        result<RingEnd, RingEndResult>(ringEnd, { ...common, role: "consume", mode: consumer }),
        result<RingEnd, RingEndResult>(ringEnd, { ...common, role: "produce", mode: producer }),
      ]);
      expect(results).toEqual([
        { frames, wrong: null },
        { frames, wrong: null },
      ]);
    },
  );
});

describe("a producer that is terminated", () => {
  const payload = 40;
  // 80 bytes a frame in 256: each count ends at another place, some of them right behind a pad.
  const counts = [0, 1, 2, 3, 4, 6, 7];

  it.each(steps)("once the next frame is %s leaves exactly the committed frames", async (step) => {
    for (const wholeFrames of counts) {
      const block = ring(256);
      const bells = new SharedArrayBuffer(128);
      const words = new Int32Array(bells);
      const reader = new RingReader(block);
      const bell = new Bell(words, 0);
      const data: RingStopper = { ring: block, bells, wholeFrames, payload, step };
      const worker = new Worker(ringStopper, { workerData: data });
      const read: number[] = [];
      const drain = () => {
        while (reader.next()) {
          expect(reader.length).toBe(payload);
          expect(reader.about).toBe(checksum(reader.bytes, reader.offset, reader.pid, payload));
          read.push(reader.pid);
          reader.release();
        }
      };
      while (Atomics.load(words, 16) === 0) {
        drain();
        bell.block(() => reader.hasNext || Atomics.load(words, 16) === 1, 2);
        await new Promise((resolve) => setImmediate(resolve));
      }
      await worker.terminate();
      drain();
      const isCommitted = steps.indexOf(step) >= steps.indexOf("committed");
      expect(read).toEqual(Array.from({ length: wholeFrames + (isCommitted ? 1 : 0) }, (_, i) => i));
    }
  });

  it("at any moment leaves whole frames only", async () => {
    for (let kill = 0; kill < (isLong ? 500 : 40); kill++) {
      const block = ring(4096);
      const payloadMax = 200;
      const bells = new SharedArrayBuffer(128);
      const reader = new RingReader(block);
      let read = 0;
      /** Not all there is: a producer that is faster than this thread would never let it end. */
      const drain = (framesMax: number) => {
        for (let frames = 0; frames < framesMax && reader.next(); frames++) {
          const { pid, length, offset, about } = reader;
          expect([pid, length, about]).toEqual([
            read,
            lengthOf(read, payloadMax),
            checksum(reader.bytes, offset, pid, length),
          ]);
          reader.release();
          read++;
        }
      };
      const workerData: RingEnd = { role: "produce", mode: "block", ring: block, bells, frames: 2 ** 40, payloadMax };
      const worker = new Worker(ringEnd, { workerData });
      await once(worker, "online");
      // It is read until it has begun, and then for a moment that differs: the kill falls anywhere in its loop.
      for (let left = (kill % 40) * 3; left > 0; drain(100)) {
        if (read > 0) left--;
        await new Promise((resolve) => setImmediate(resolve));
      }
      await worker.terminate();
      drain(Number.POSITIVE_INFINITY);
      expect(reader.next()).toBe(false);
    }
  });
});
