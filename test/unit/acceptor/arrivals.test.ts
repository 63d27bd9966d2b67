// Covers src/acceptor/arrivals.ts and body.ts: room for bodies, who waits for it, and that all get on.
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Arrival, type ArrivalLimits, Arrivals, Share } from "../../../src/acceptor/arrivals.ts";
import { BodyReader } from "../../../src/acceptor/body.ts";

const limits: ArrivalLimits = { count: 100, bytes: 1000, sourceShare: 0.25, serviceShare: 0.5 };
const pace = { idleMs: 10_000, rateMin: 1024, totalMs: Number.POSITIVE_INFINITY };

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setImmediate", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A body that is paused and resumed by nobody but its arrival. */
class Body {
  readonly arrival: Arrival;
  isPaused = false;
  left = 0;

  constructor(arrival: Arrival) {
    this.arrival = arrival;
    arrival.begin({
      pause: () => {
        if (this.isPaused) throw new Error("paused twice");
        this.isPaused = true;
      },
      resume: () => {
        if (!this.isPaused) throw new Error("resumed twice");
        this.isPaused = false;
      },
    });
  }
}

function enter(arrivals: Arrivals, source: string, service: Share | null): Body {
  const arrival = arrivals.enter(source, service);
  if (!(arrival instanceof Arrival)) throw new Error(arrival);
  return new Body(arrival);
}

describe("the number of bodies that come at once", () => {
  it("is bounded in the node, from a source (IPv6: /64) and for a service", () => {
    const arrivals = new Arrivals({ ...limits, count: 20, sourceShare: 0.25, serviceShare: 0.5 });
    const [one, other] = [new Share(), new Share()];
    const came = Array.from({ length: 5 }, (_, i) => enter(arrivals, `2001:db8::${i}`, one));
    expect(arrivals.enter("2001:db8::ffff", other)).toMatch(/5 bodies .* from this address \(limits\.bodies_source\)/);
    for (let i = 0; i < 5; i++) came.push(enter(arrivals, `10.0.0.${i}`, one));
    expect(arrivals.enter("10.0.1.1", one)).toMatch(/10 bodies .* for this service \(limits\.bodies_service\)/);
    for (let i = 0; i < 10; i++) came.push(enter(arrivals, `10.0.0.${i}`, other));
    expect(arrivals.enter("10.0.1.1", new Share())).toMatch(/20 bodies are coming in \(limits\.bodies\)/);
    enter(arrivals, "10.0.0.1", null).arrival.finish(); // the admin routes are not refused
    for (const { arrival } of came) arrival.finish();
    expect(enter(arrivals, "2001:db8::1", one).arrival.source?.count).toBe(1);
  });
});

describe("the bytes of bodies", () => {
  it("of one source, or for one service, leave room for the others", () => {
    const arrivals = new Arrivals(limits);
    const service = new Share();
    const held = [1, 2, 3].map(() => enter(arrivals, "10.0.0.1", service));
    for (const { arrival } of held) arrival.take(100);
    // All of them stop when the share is full, whoever filled it; but for the first, which goes beyond.
    expect(held.map(({ isPaused }) => isPaused)).toEqual([false, true, true]);
    const others = [2, 3].map((i) => enter(arrivals, `10.0.0.${i}`, service));
    others[0]?.arrival.take(100);
    expect(others.map(({ isPaused }) => isPaused)).toEqual([false, false]);
    others[1]?.arrival.take(100);
    // The service has its 500 now.
    expect([...held, ...others].map(({ isPaused }) => isPaused)).toEqual([false, true, true, true, true]);
    expect(enter(arrivals, "10.0.0.6", service).isPaused).toBe(true);
    expect(enter(arrivals, "10.0.0.6", new Share()).isPaused).toBe(false);
  });

  it("that are whole are no longer their source's", () => {
    const arrivals = new Arrivals(limits);
    const service = new Share();
    const held = [1, 2, 3, 4].map(() => enter(arrivals, "10.0.0.1", service));
    for (const { arrival } of held) arrival.take(75);
    expect(held.map(({ isPaused }) => isPaused)).toEqual([false, true, true, true]);
    held[0]?.arrival.finish();
    expect(held.map(({ isPaused }) => isPaused)).toEqual([false, false, false, false]);
    expect(arrivals.all.bytes).toBe(300);
    for (const { arrival } of held) arrival.release();
    expect([arrivals.all.bytes, arrivals.all.count, service.bytes, service.count]).toEqual([0, 0, 0, 0]);
  });

  it("above twice what may be there are refused at once, since what comes with a head cannot wait", () => {
    const arrivals = new Arrivals({ ...limits, sourceShare: 0.5 });
    const service = new Share();
    enter(arrivals, "10.0.0.1", service).arrival.take(1000);
    expect(arrivals.enter("10.0.0.1", new Share())).toMatch(/1000 bytes of bodies from this address/);
    expect(arrivals.enter("10.0.0.2", service)).toMatch(/1000 bytes of bodies for this service/);
    enter(arrivals, "10.0.0.2", new Share()).arrival.take(1000);
    expect(arrivals.enter("10.0.0.3", new Share())).toMatch(/2000 bytes of bodies are in memory \(limits.body_bytes\)/);
  });

  it("all arrive in the end, whoever waits for whom, and the count returns to zero", () => {
    const body = fc.record({
      source: fc.integer({ min: 1, max: 4 }),
      service: fc.integer({ min: 0, max: 2 }),
      bytes: fc.integer({ min: 1, max: 900 }),
    });
    fc.assert(
      fc.property(fc.array(body, { maxLength: 40 }), fc.infiniteStream(fc.nat()), (bodies, picks) => {
        const arrivals = new Arrivals(limits);
        const services = [new Share(), new Share(), new Share()];
        // A body that may be read is read by 100 at a time, in any order; a whole one is answered later.
        const coming = bodies.flatMap(({ source, service, bytes }) => {
          const arrival = arrivals.enter(`10.0.0.${source}`, services[service] as Share);
          return arrival instanceof Arrival ? [Object.assign(new Body(arrival), { left: bytes })] : [];
        });
        const whole: Arrival[] = [];
        const next = (): number => picks.next().value as number;
        while (coming.length > 0) {
          vi.advanceTimersByTime(20);
          const able = coming.filter(({ isPaused }) => !isPaused);
          if (able.length === 0 || (whole.length > 0 && next() % 3 === 0)) {
            expect(whole.length, "nothing moves, and nothing is held that could be given back").toBeGreaterThan(0);
            whole.splice(next() % whole.length, 1)[0]?.release();
            continue;
          }
          const each = able[next() % able.length] as Body;
          const bytes = Math.min(100, each.left);
          each.arrival.take(bytes);
          each.left -= bytes;
          if (each.left === 0) {
            each.arrival.finish();
            whole.push(each.arrival);
            coming.splice(coming.indexOf(each), 1);
          }
          // The first of the node, of each service and of each source may go beyond, each by a body at most.
          expect(arrivals.all.bytes).toBeLessThanOrEqual(1000 + (1 + 3 + 4) * 900);
        }
        for (const arrival of whole) arrival.release();
        expect([arrivals.all, ...services].map(({ bytes, count, first }) => [bytes, count, first])).toEqual(
          Array.from({ length: 4 }, () => [0, 0, null]),
        );
        expect(arrivals.waiting).toBe(0);
      }),
    );
  });
});

describe("a body", () => {
  const begin = (announced: number, bytesMax: number, arrivals: Arrivals) => {
    const calls: string[] = [];
    const call = (name: string) => () => void calls.push(name);
    const source = { pause: call("pause"), resume: call("resume"), late: call("late") };
    const arrival = arrivals.enter("10.0.0.1", new Share()) as Arrival;
    const reader = new BodyReader(announced, bytesMax, arrival, pace, source);
    return { reader, calls };
  };
  const roomy = (): Arrivals => new Arrivals({ ...limits, bytes: 64 * 1024 * 1024 });

  it.each([-1, 1_000_000])("takes no memory before it comes, and at most twice what has come (announced: %d)", (n) => {
    const arrivals = roomy();
    const { reader } = begin(n, 1_000_000, arrivals);
    expect(arrivals.all.bytes).toBe(0);
    let came = 0;
    while (came < 1_000_000) {
      const chunk = new Uint8Array(Math.min(10_000, 1_000_000 - came)).fill(came / 10_000);
      expect(reader.push(chunk)).toBe(true);
      came += chunk.length;
      expect(arrivals.all.bytes).toBeGreaterThanOrEqual(came);
      expect(arrivals.all.bytes).toBeLessThanOrEqual(2 * came);
    }
    expect(reader.push(new Uint8Array(1))).toBe(false);
    const body = reader.finish();
    expect(body.length).toBe(1_000_000);
    expect(body.every((byte, i) => byte === Math.floor(i / 10_000))).toBe(true);
    reader.release();
    expect(arrivals.all.bytes).toBe(0);
  });

  it("that waits for room is never late, and one that has it and stands still is", () => {
    const arrivals = new Arrivals(limits);
    const others = [enter(arrivals, "10.0.0.2", new Share()), enter(arrivals, "10.0.0.3", new Share())];
    for (const { arrival } of others) arrival.take(500);
    expect(others.map(({ isPaused }) => isPaused)).toEqual([false, true]);
    const { reader, calls } = begin(100, 1000, arrivals);
    vi.advanceTimersByTime(1_000_000);
    expect([calls, reader.isPaused]).toEqual([["pause"], true]);
    for (const { arrival } of others) arrival.release();
    expect([calls, reader.isPaused]).toEqual([["pause", "resume"], false]);
    vi.advanceTimersByTime(9_000);
    expect(calls).toHaveLength(2);
    vi.advanceTimersByTime(2_000);
    expect(calls).toEqual(["pause", "resume", "late"]);
    reader.release();
    expect(arrivals.all.count).toBe(0);
  });
});
