// src/carriers/main-mesh.ts with a real carrier's thread: what it gets, what is refused, what is told of threads that
// are not there.
import "../../../src/engine.ts"; // its V8 flags: a carrier refuses to run without them
import { MessageChannel } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { encodeSignal } from "../../../actors/processes/signals.ts";
import type { Carrier } from "../../../src/carriers/carrier.ts";
import { MainMesh } from "../../../src/carriers/main-mesh.ts";
import { BELL, CONTROL, SIGNAL } from "../../../wire/layout.ts";
import { Mesh } from "../../../wire/mesh.ts";
import { Pids } from "../../../wire/pids.ts";
import { realCarriers } from "../../harness/real-carrier.ts";

const makeCarrier = await realCarriers();

const nothing = new Uint8Array();
const bellBlock = () => new SharedArrayBuffer(BELL.bytes);

function carrierOn(mesh: MainMesh, bell: SharedArrayBuffer, slot: number, onEnd = () => {}): Carrier {
  const carrier = makeCarrier({ slot, bell, onEnd });
  carrier.join(mesh);
  return carrier;
}

/** The end of a carrier in this thread: its notes come when it looks for them. */
function endOf(mesh: MainMesh, slot: number): { mesh: Mesh; words: Int32Array } {
  const control = new SharedArrayBuffer(CONTROL.bytes);
  const { port1, port2 } = new MessageChannel();
  port1.unref();
  mesh.join(slot, control, port1);
  const words = new Int32Array(control);
  const connect = (to: number): void => mesh.connect(slot, to);
  return { mesh: new Mesh({ slot, connect, notes: { words, port: port2 } }), words };
}

/** Everything that a poll tells. */
function polled(mesh: Mesh) {
  const told: { kind: number; to: number; from: number; environment: number; bytes: Buffer }[] = [];
  mesh.poll((kind, to, from, environment, bytes, start, length) => {
    told.push({ kind, to, from, environment, bytes: Buffer.from(bytes.slice(start, start + length)) });
  });
  return told;
}

describe("a signal for a carrier's thread", () => {
  it("wakes it; a message for nobody is a dead letter", async () => {
    const bell = bellBlock();
    const mesh = new MainMesh(bell);
    const carrier = carrierOn(mesh, bell, 5);
    await carrier.warm();
    for (let i = 1; i <= 3; i++) {
      expect(mesh.send(5, SIGNAL.message, 1029, 1024, 1, Buffer.alloc(i * 30_000), 0, i * 30_000)).toBe(true);
      const unlink = encodeSignal({ type: "unlink", pid: 1024 });
      expect(mesh.send(5, SIGNAL.signal, 1029, 1024, 1, unlink, 0, unlink.length)).toBe(true);
      while (carrier.counter("deadLetters") < i) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await carrier.warm(); // it answers control calls as before
  });

  it("that has ended is answered by the thread's end", async () => {
    const bell = bellBlock();
    const mesh = new MainMesh(bell);
    const gone: number[] = [];
    mesh.onPeerGone = (slot) => gone.push(slot);
    let onEnd = () => {};
    const ended = new Promise<void>((resolve) => {
      onEnd = resolve;
    });
    const carrier = carrierOn(mesh, bell, 6, onEnd);
    mesh.send(6, SIGNAL.message, 1030, 1024, 1, nothing, 0, 0);
    await carrier.warm();
    await carrier.terminate();
    await ended;
    mesh.leave(6);
    polled(mesh);
    expect(gone).toEqual([6]);
    mesh.ended(6);
    mesh.send(6, SIGNAL.message, 1030, 1024, 1, nothing, 0, 0);
    expect(mesh.hasNext()).toBe(true);
    polled(mesh);
    expect(gone).toEqual([6, 6]);
    expect(mesh.idleRings).toBe(2);
  });
});

describe("an end of the mesh", () => {
  it("tells a signal whole: kind, pids, environment and payload, of any size, in order", () => {
    const main = new MainMesh(bellBlock());
    const [a, b] = [endOf(main, 1), endOf(main, 1023)];
    const sizes = [0, 1, 63, 64, 16_000, 20_000, 3, 70_000, 7];
    const from = 2 ** 43 * 1023 + 1;
    for (const [i, size] of sizes.entries()) {
      const bytes = Buffer.alloc(size + 9, i);
      expect(a.mesh.send(1023, SIGNAL.signal + i, 2 ** 53 - 1, from, 0xffff_fff0 + i, bytes, 9, size)).toBe(true);
    }
    polled(a.mesh); // takes the rings
    const told = polled(b.mesh);
    expect(told).toEqual(
      sizes.map((size, i) => {
        const [kind, environment] = [SIGNAL.signal + i, 0xffff_fff0 + i];
        return { kind, to: 2 ** 53 - 1, from, environment, bytes: Buffer.alloc(size, i) };
      }),
    );
  });

  it("refuses what a guest sends at will above the bound, but never what follows from an end, nor an answer", () => {
    const bell = bellBlock();
    const main = new MainMesh(bell, 1024, 10_000);
    const peer = endOf(main, 1);
    const bytes = Buffer.alloc(100);
    let taken = 0;
    for (; main.send(1, SIGNAL.message, 1025, 1024, 1, bytes, 0, 100); taken++) expect(taken).toBeLessThan(200);
    expect(main.isWritable(1)).toBe(false);
    for (const kind of [SIGNAL.signal, SIGNAL.ask]) {
      expect(main.send(1, kind, 1025, 1024, 1, bytes, 0, 100)).toBe(false);
    }
    const always = [SIGNAL.fate, SIGNAL.forget, SIGNAL.end_request, SIGNAL.answer];
    for (const kind of always) expect(main.send(1, kind, 1025, 1024, 1, bytes, 0, 100)).toBe(true);
    const kinds: number[] = [];
    while (main.hasNext() || peer.mesh.hasNext()) {
      kinds.push(...polled(peer.mesh).map(({ kind }) => kind));
      polled(main);
    }
    expect(main.isWritable(1)).toBe(true);
    expect(kinds).toEqual([...Array.from({ length: taken }, () => SIGNAL.message), ...always]);
  });

  it("rings the bell of whoever waits for room, when there is some", () => {
    const bell = bellBlock();
    const main = new MainMesh(bell, 256);
    const peer = endOf(main, 1);
    for (let i = 0; i < 8; i++) main.send(1, SIGNAL.message, 1025, 1024, i, Buffer.alloc(20), 0, 20);
    const words = new Int32Array(bell);
    Atomics.store(words, BELL.asleep, 1); // it sleeps; nobody looks at hasNext again
    polled(peer.mesh);
    expect(Atomics.load(words, BELL.asleep)).toBe(0);
  });

  it("hears up to which pid a slot's processes have ended; those of its next owner are above", () => {
    const bell = bellBlock();
    const main = new MainMesh(bell);
    const a = endOf(main, 1);
    const old = endOf(main, 2);
    const oldPid = new Pids(bell, 2).next();
    const ends: [number, number][] = [];
    a.mesh.onPeerGone = (slot, pidEnd) => ends.push([slot, pidEnd]);
    a.mesh.send(2, SIGNAL.signal, oldPid, 1025, 1, nothing, 0, 0);
    polled(a.mesh); // takes the rings
    expect(polled(old.mesh)).toHaveLength(1);
    old.mesh.send(1, SIGNAL.message, 1025, oldPid, 1, nothing, 0, 0);
    main.ended(2);
    const next = endOf(main, 2);
    const nextPid = new Pids(bell, 2).next();
    // Sent before the end was told here, and yet it reaches the new owner.
    a.mesh.send(2, SIGNAL.message, nextPid, 1025, 1, nothing, 0, 0);
    expect(polled(a.mesh)).toMatchObject([{ from: oldPid }]);
    expect(ends).toHaveLength(1);
    const [slot, pidEnd] = ends[0] as [number, number];
    expect(slot).toBe(2);
    expect(oldPid).toBeLessThan(pidEnd);
    expect(nextPid).toBeGreaterThanOrEqual(pidEnd);
    polled(a.mesh); // takes the new rings
    expect(polled(next.mesh)).toMatchObject([{ to: nextPid }]);
    expect(main.idleRings).toBe(2);
  });

  it("tells nothing twice if a handler throws, and nothing within a handler", () => {
    const main = new MainMesh(bellBlock());
    const a = endOf(main, 1);
    for (const environment of [1, 2, 3]) a.mesh.send(0, SIGNAL.message, 1024, 1025, environment, nothing, 0, 0);
    expect(() =>
      main.poll(() => {
        throw new Error("of the handler");
      }),
    ).toThrow("of the handler");
    const told: number[] = [];
    main.poll((_kind, _to, _from, environment) => {
      told.push(environment);
      expect(main.poll(() => told.push(-1))).toBe(false);
    });
    expect(told).toEqual([2, 3]);
  });

  it("is not sent to by itself", () => {
    const main = new MainMesh(bellBlock());
    const a = endOf(main, 1);
    expect(() => a.mesh.send(1, SIGNAL.message, 1025, 1025, 1, nothing, 0, 0)).toThrow("slot 1 is this thread's own");
    expect(() => main.send(0, SIGNAL.message, 1024, 1024, 1, nothing, 0, 0)).toThrow("slot 0 is this thread's own");
  });
});
