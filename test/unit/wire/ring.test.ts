// wire/ring.ts in one thread: rings of few frames, the wrap of positions at 2^32, pads, claims, and any order of
// calls.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CLAIM_CANCELLED, CLAIM_PENDING, CLAIM_TAKEN, FRAME, KIND, RING } from "../../../wire/layout.ts";
import { claimFrame, frameBytes, makeRing, RingReader, RingWriter } from "../../../wire/ring.ts";

/** A ring whose positions begin at `position`, a multiple of 8. */
function ringAt(capacity: number, position = 0): SharedArrayBuffer {
  const block = makeRing(capacity);
  const words = new Int32Array(block);
  words[RING.head] = words[RING.tail] = position | 0;
  return block;
}

function put(writer: RingWriter, payload: Uint8Array, seq = 1): boolean {
  const at = writer.reserve(payload.length);
  if (at < 0) return false;
  writer.bytes.set(payload, at);
  writer.commit(KIND.request, seq, 5, 6, payload.length);
  return true;
}

const shown = (reader: RingReader) => Buffer.from(reader.bytes.subarray(reader.offset, reader.offset + reader.length));

describe("a ring", () => {
  it("has a power of two of bytes, 64 or more", () => {
    for (const capacity of [0, 32, 63, 65, 100, 2 ** 20 + 8]) expect(() => makeRing(capacity)).toThrow(RangeError);
    expect(makeRing(64).byteLength).toBe(RING.data + 64);
  });

  it.each([
    [1, 64, 32],
    [2, 128, 32],
    [3, 128, 8],
  ])(
    "that holds %i frames refuses the next until one is released, over the wrap at 2^32",
    (frames, capacity, length) => {
      const block = ringAt(capacity, 2 ** 32 - 8 * 200);
      const [writer, reader] = [new RingWriter(block), new RingReader(block)];
      let read = 0;
      for (let seq = 1; seq <= 400; ) {
        while (put(writer, Buffer.alloc(length, seq), seq)) seq++;
        expect(seq - 1 - read).toBeGreaterThan(0);
        expect(seq - 1 - read).toBeLessThanOrEqual(frames);
        while (reader.next()) {
          expect([reader.seq, reader.length]).toEqual([++read, length]);
          expect(shown(reader)).toEqual(Buffer.alloc(length, read));
          reader.release();
        }
        expect(read).toBe(seq - 1);
      }
      expect(new Int32Array(block)[RING.head]! >>> 0).toBeLessThan(2 ** 31); // it has wrapped
    },
  );

  it.each([0, 8, 64, 2 ** 31 - 8, 2 ** 32 - 8, 2 ** 32 - 72])(
    "takes a frame as large as itself once it is empty, at position %i",
    (position) => {
      const block = ringAt(128, position);
      const [writer, reader] = [new RingWriter(block), new RingReader(block)];
      const whole = Buffer.alloc(128 - FRAME.bytes, 7);
      for (let i = 0; i < 3; i++) {
        if (!put(writer, whole)) {
          expect(reader.next()).toBe(false); // there was only a pad
          expect(put(writer, whole)).toBe(true);
        }
        expect(writer.reserve(0)).toBe(-1);
        expect(reader.next()).toBe(true);
        expect(shown(reader)).toEqual(whole);
        reader.release();
      }
    },
  );

  it("never takes a frame larger than itself", () => {
    const block = makeRing(64);
    const [writer, reader] = [new RingWriter(block), new RingReader(block)];
    for (let i = 0; i < 4; i++) {
      expect(writer.reserve(64 - FRAME.bytes + 1)).toBe(-1);
      expect(reader.next()).toBe(false);
    }
    expect(put(writer, Buffer.alloc(8))).toBe(true);
  });

  it("passes whole 53-bit pids and sequence numbers", () => {
    const block = makeRing(1024);
    const [writer, reader] = [new RingWriter(block), new RingReader(block)];
    for (const [seq, pid, about] of [
      [1, 2 ** 53 - 1, 2 ** 32],
      [0x3fff_ffff, 2 ** 31, 2 ** 32 - 1],
      [0, 0, 2 ** 52 + 2 ** 31 + 1],
    ] as const) {
      writer.reserve(0);
      writer.commit(KIND.reply, seq, pid, about, 0);
      expect(reader.next()).toBe(true);
      expect([reader.kind, reader.seq, reader.pid, reader.about]).toEqual([KIND.reply, seq, pid, about]);
      reader.release();
    }
  });

  it("shows the same frame until it is released, and to a reader made later", () => {
    const block = makeRing(256);
    const writer = new RingWriter(block);
    put(writer, Buffer.from("first"), 1);
    put(writer, Buffer.from("second"), 2);
    const reader = new RingReader(block);
    expect([reader.next(), reader.seq, reader.next(), reader.seq]).toEqual([true, 1, true, 1]);
    reader.release();
    expect([reader.next(), reader.seq]).toEqual([true, 2]);
    const later = new RingReader(block);
    expect([later.next(), later.seq, shown(later).toString()]).toEqual([true, 2, "second"]);
  });

  it("says how full it is", () => {
    const block = ringAt(256, 2 ** 32 - 128);
    const [writer, reader] = [new RingWriter(block), new RingReader(block)];
    expect(writer.fill).toBe(0);
    put(writer, Buffer.alloc(96));
    expect(writer.fill).toBe(0.5);
    reader.next();
    reader.release();
    expect(writer.fill).toBe(0);
  });

  it("is closed for both once either has closed it", () => {
    for (const end of [0, 1] as const) {
      const block = makeRing(64);
      const ends = [new RingWriter(block), new RingReader(block)] as const;
      expect(ends.map(({ isClosed }) => isClosed)).toEqual([false, false]);
      ends[end].close();
      expect(ends.map(({ isClosed }) => isClosed)).toEqual([true, true]);
    }
  });
});

describe("a claim word", () => {
  it("is won once, by the reader or by whoever knows the frame's offset", () => {
    const block = makeRing(256);
    const [writer, reader] = [new RingWriter(block), new RingReader(block)];
    const offsets = [1, 2].map((seq) => {
      writer.reserve(4);
      return writer.commit(KIND.request, seq, 5, 6, 4);
    });
    reader.next();
    expect(reader.isPending).toBe(true);
    expect(reader.claim(CLAIM_PENDING, CLAIM_TAKEN)).toBe(true);
    expect(reader.isPending).toBe(false);
    expect(claimFrame(writer.words, offsets[0]!, CLAIM_PENDING, CLAIM_CANCELLED)).toBe(false);
    reader.release();
    expect(claimFrame(writer.words, offsets[1]!, CLAIM_PENDING, CLAIM_CANCELLED)).toBe(true);
    reader.next();
    expect([reader.seq, reader.isPending, reader.claim(CLAIM_PENDING, CLAIM_TAKEN)]).toEqual([2, false, false]);
  });

  it("is pending again in every frame that takes the place of an old one", () => {
    const block = makeRing(64);
    const [writer, reader] = [new RingWriter(block), new RingReader(block)];
    for (let seq = 1; seq < 10; seq++) {
      expect(put(writer, Buffer.alloc(20), seq)).toBe(true);
      reader.next();
      expect(reader.claim(CLAIM_PENDING, CLAIM_CANCELLED)).toBe(true);
      reader.release();
    }
  });
});

describe("a producer that waits for room", () => {
  it("is told once, by the next release", () => {
    const block = makeRing(128);
    const writer = new RingWriter(block);
    let told = 0;
    const reader = new RingReader(block, () => told++);
    while (put(writer, Buffer.alloc(32))) expect(told).toBe(0);
    reader.next();
    reader.release();
    expect(told).toBe(0); // it had not asked
    put(writer, Buffer.alloc(32));
    writer.starve();
    reader.next();
    reader.release();
    reader.next();
    reader.release();
    expect(told).toBe(1);
  });

  it("is told by the release of a pad, too", () => {
    const block = ringAt(128, 64);
    const writer = new RingWriter(block);
    let told = 0;
    const reader = new RingReader(block, () => told++);
    expect(writer.reserve(96)).toBe(-1);
    writer.starve();
    expect(reader.next()).toBe(false);
    expect(told).toBe(1);
    expect(writer.reserve(96)).toBeGreaterThan(0);
  });

  it("gives up after its time and takes room that is there", () => {
    const block = makeRing(64);
    const [writer, reader] = [new RingWriter(block), new RingReader(block)];
    put(writer, Buffer.alloc(32));
    let woken = 0;
    expect(writer.waitForRoom(32, 5, () => woken++)).toBe(-1);
    expect(woken).toBe(1);
    reader.next();
    reader.release();
    expect(writer.waitForRoom(32, 5, () => woken++)).toBe(RING.data + FRAME.bytes);
    expect(woken).toBe(1);
  });

  it("wakes the consumer after its last look, which may have committed a pad", () => {
    const block = ringAt(128, 64);
    const [writer, reader] = [new RingWriter(block), new RingReader(block)];
    const seen: boolean[] = [];
    expect(writer.waitForRoom(96, 1, () => seen.push(reader.hasNext))).toBe(-1);
    expect(seen).toEqual([true]);
  });
});

describe("a ring, in any order of calls,", () => {
  const payload = fc.nat({ max: 300 });
  const pid = fc.maxSafeNat();
  const command = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant("put" as const), payload, used: payload, pid, about: pid }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("abandon" as const), payload }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant("take" as const), looks: fc.integer({ min: 1, max: 3 }) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("look" as const) }) },
  );

  it("delivers exactly the committed frames, in order, with their bytes", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(64, 128, 256, 1024),
        fc.oneof(
          fc.nat({ max: 2 ** 29 - 1 }).map((eights) => eights * 8),
          fc.nat({ max: 64 }).map((eights) => 2 ** 32 - 8 - eights * 8),
        ),
        fc.array(command, { maxLength: 120 }),
        (capacity, position, commands) => {
          const block = ringAt(capacity, position);
          const [writer, reader] = [new RingWriter(block), new RingReader(block)];
          const committed: { seq: number; pid: number; about: number; bytes: Buffer }[] = [];
          let seq = 0;
          const take = (looks: number) => {
            for (let i = 0; i < looks; i++) expect(reader.next()).toBe(committed.length > 0);
            const expected = committed.shift();
            if (expected === undefined) return;
            const { seq, pid, about } = reader;
            expect({ seq, pid, about, bytes: shown(reader) }).toEqual(expected);
            reader.release();
          };
          for (const step of commands) {
            if (step.do === "put") {
              const at = writer.reserve(step.payload);
              if (at < 0) {
                // Refused for good reason only: not while the ring is empty and the frame not larger than it.
                const isEmpty = committed.length === 0 && !reader.next();
                if (isEmpty) expect(writer.reserve(step.payload) > 0).toBe(frameBytes(step.payload) <= capacity);
                continue;
              }
              expect(at % 8).toBe(0);
              expect(at + step.payload).toBeLessThanOrEqual(RING.data + capacity);
              const bytes = Buffer.alloc(Math.min(step.used, step.payload), ++seq);
              writer.bytes.set(bytes, at);
              writer.commit(KIND.request, seq, step.pid, step.about, bytes.length);
              committed.push({ seq, pid: step.pid, about: step.about, bytes });
            } else if (step.do === "abandon") {
              const at = writer.reserve(step.payload);
              if (at >= 0) writer.bytes.fill(0xee, at - FRAME.bytes, at + step.payload);
            } else if (step.do === "take") {
              take(step.looks);
            } else {
              expect(reader.next()).toBe(committed.length > 0);
              expect(reader.hasNext).toBe(committed.length > 0);
            }
          }
          while (committed.length > 0) take(1);
          expect(reader.next()).toBe(false);
        },
      ),
      { numRuns: 2000 },
    );
  });
});
