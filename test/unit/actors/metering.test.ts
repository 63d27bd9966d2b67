// Guests' metrics from the host functions to the frame and the text: what is summed, bounded, and never waited for.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Metering, type MetricEvent } from "../../../actors/metering.ts";
import { GuestMetrics } from "../../../src/metrics/guest.ts";
import { Bell } from "../../../wire/bell.ts";
import { BELL, KIND } from "../../../wire/layout.ts";
import { bucketOf, decodeMetrics, METRIC_BOUNDS } from "../../../wire/metrics.ts";
import { makeRing, RingReader, RingWriter } from "../../../wire/ring.ts";
import { inside } from "../../harness/local-carrier.ts";

const events: readonly MetricEvent[] = ["add", "set", "change", "observe"];

function metering(ringBytes = 1 << 20) {
  const block = makeRing(ringBytes);
  const [writer, reader] = [new RingWriter(block), new RingReader(block)];
  const counts = new Metering(writer, new Bell(new Int32Array(new SharedArrayBuffer(BELL.bytes)), BELL.asleep));
  const frames = (): Buffer[] => {
    const found: Buffer[] = [];
    for (; reader.next(); reader.release()) {
      expect(reader.kind).toBe(KIND.metrics);
      found.push(Buffer.from(reader.bytes.subarray(reader.offset, reader.offset + reader.length)));
    }
    return found;
  };
  return { counts, writer, frames };
}

/** What each name comes to, as the node shows it. */
function shown(metrics: GuestMetrics): string[] {
  const lines = [...metrics.lines("c", "counter"), ...metrics.lines("g", "gauge"), ...metrics.lines("h", "histogram")];
  return lines.join("").trimEnd().split("\n");
}

describe("what guests count", () => {
  it("is summed as if each event had come alone, however it is cut into frames", () => {
    const event = fc.record({
      event: fc.constantFrom(...events),
      name: fc.constantFrom("a", "ž", "a b"),
      value: fc.integer({ min: 0, max: 20_000 }),
      isFlushed: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (all) => {
        const [whole, pieces] = [new GuestMetrics(() => true), new GuestMetrics(() => true)];
        for (const [metrics, isCut] of [
          [whole, false],
          [pieces, true],
        ] as const) {
          const { counts, frames } = metering();
          for (const { event, name, value, isFlushed } of all) {
            counts.record("s", event, name, value);
            if (isCut && isFlushed) counts.flush();
          }
          counts.flush();
          for (const frame of frames()) metrics.take(frame);
        }
        expect(shown(pieces).sort()).toEqual(shown(whole).sort());
        const added = all.filter((each) => each.event === "add" && each.name === "a");
        if (added.length === 0) return;
        const sum = added.reduce((total, { value }) => total + value, 0);
        expect(shown(pieces)).toContain(`c{service="s",name="a"} ${sum}`);
      }),
    );
  });

  it("has its buckets by upper bounds, the last one above all", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true }), (value) => {
        const bucket = bucketOf(value);
        expect(value <= (METRIC_BOUNDS[bucket] ?? Number.POSITIVE_INFINITY)).toBe(true);
        if (bucket > 0) expect(value > (METRIC_BOUNDS[bucket - 1] as number)).toBe(true);
      }),
    );
  });

  it("has at most 100 names a service, of at most 128 bytes without control characters; the rest is counted", () => {
    const { counts, frames } = metering();
    for (let i = 0; i < 150; i++) for (const name of [`n${i}`, `n${i}`]) counts.record("s", "add", name, 1);
    for (const name of ["", "a\nb", "x".repeat(129), "ž".repeat(65)]) counts.record("t", "add", name, 1);
    counts.record("t", "set", "ž".repeat(64), 1);
    counts.record("t", "observe", "h", Number.NaN);
    counts.flush();
    // How many frames they are is a matter of time.
    const all = frames().map(decodeMetrics);
    for (const [wanted, names, refusals] of [
      ["s", 100, 100],
      ["t", 1, 5],
    ] as const) {
      const its = all.filter(({ service }) => service === wanted);
      expect(new Set(its.flatMap(({ changes }) => changes.map(({ name }) => name))).size).toBe(names);
      expect(its.reduce((sum, { refused }) => sum + refused, 0)).toBe(refusals);
    }
    const metrics = new GuestMetrics(() => true);
    for (let round = 0; round < 3; round++) {
      const other = metering();
      for (let i = 0; i < 60; i++) other.counts.record("s", "add", `${round}-${i}`, 1);
      other.counts.flush();
      for (const frame of other.frames()) metrics.take(frame);
    }
    expect([shown(metrics).length, metrics.refused]).toEqual([100, 80]);
    metrics.remove("s");
    expect(shown(metrics)).toEqual([""]);
  });

  it("waits in the carrier while the ring has no room, and holds up nobody", () => {
    const { counts, writer, frames } = metering(4096);
    for (let at = writer.reserve(400); at >= 0; at = writer.reserve(400)) writer.commit(KIND.metrics, 0, 0, 0, 0);
    for (let i = 0; i < 1000; i++) counts.record("s", "add", "a", 1);
    counts.flush();
    frames();
    counts.flush();
    const told = frames().map(decodeMetrics);
    expect(told).toMatchObject([{ service: "s", changes: [{ name: "a", value: 1000 }] }]);
    counts.flush();
    expect(frames()).toEqual([]);
  });

  it("is told at once, and then no more of it than the main thread can bear; nothing of it is lost", () => {
    const { counts, frames } = metering();
    const told: number[] = [];
    let sum = 0;
    const read = (): void => {
      for (const frame of frames()) {
        const { changes } = decodeMetrics(frame);
        told.push(changes.length);
        for (const { value } of changes) sum += value;
      }
    };
    const beganMs = performance.now();
    for (let i = 0; i < 300; i++) {
      for (let name = 0; name < 100; name++) counts.record("s", "add", `n${name}`, 1);
      counts.tell();
      if (i === 0) expect(counts.idleMs).toBe(Number.POSITIVE_INFINITY);
      read();
    }
    expect(told[0]).toBe(100);
    // 100 series are half a tenth of a second's worth.
    expect(told.length).toBeLessThanOrEqual(1 + (performance.now() - beganMs) / 50);
    counts.record("s", "add", "n0", 1);
    expect(counts.idleMs).toBeLessThanOrEqual(50);
    counts.flush();
    read();
    expect(sum).toBe(300 * 100 + 1);
    expect(counts.idleMs).toBe(Number.POSITIVE_INFINITY);
  });

  it("of a service that is gone is dropped", () => {
    const { counts, frames } = metering();
    counts.record("gone", "add", "a", 1);
    counts.forget("gone");
    const metrics = new GuestMetrics((service) => service !== "gone");
    for (const frame of frames()) metrics.take(frame);
    expect(shown(metrics)).toEqual([""]);
  });
});

describe("lunatic::metrics", () => {
  it("adds, sets, changes and observes what the guest names", () => {
    const metrics = new GuestMetrics(() => true);
    const { carrier, exit } = inside(({ call, memory }) => {
      memory().write("name", 100);
      call("metrics.counter", 100, 4, 40n);
      call("metrics.increment_counter", 100, 4);
      call("metrics.increment_counter", 100, 4);
      call("metrics.gauge", 100, 4, 2);
      call("metrics.increment_gauge", 100, 4, 1.5);
      call("metrics.decrement_gauge", 100, 4, 0.25);
      call("metrics.histogram", 100, 4, 3);
    });
    expect(exit).toEqual({ reason: "normal", text: "" });
    carrier.metering.flush();
    carrier.frames();
    for (const bytes of carrier.metrics) metrics.take(bytes);
    expect(shown(metrics).slice(0, 2)).toEqual([
      'c{service="test",name="name"} 42',
      'g{service="test",name="name"} 3.25',
    ]);
    expect(shown(metrics).slice(-2)).toEqual([
      'h_sum{service="test",name="name"} 3',
      'h_count{service="test",name="name"} 1',
    ]);
  });

  it("traps for a name that is not UTF-8 or not in memory", () => {
    const traps = (pointer: number, length: number) =>
      inside(({ call, memory }) => {
        memory()[100] = 0xff;
        call("metrics.increment_counter", pointer, length);
      }).exit;
    expect(traps(100, 1)).toEqual({ reason: "trap", text: "lunatic::metrics.increment_counter: a name is not UTF-8" });
    expect(traps(131_070, 4).text).toMatch(/^out of bounds/);
    expect(traps(100, -1).text).toMatch(/^out of bounds/);
    expect(traps(0, 131_072).reason).toBe("normal"); // too long to be a name: refused and counted
  });
});
