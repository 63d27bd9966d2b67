// wire/mesh.ts with rings that the test itself writes: what threads that end and slots that change hands look like.
import { MessageChannel } from "node:worker_threads";
import { expect, it } from "vitest";
import { CONTROL, SIGNAL } from "../../../wire/layout.ts";
import { Mesh } from "../../../wire/mesh.ts";
import type { MeshNote } from "../../../wire/mesh-peer.ts";
import { makeRing, RingWriter } from "../../../wire/ring.ts";

it("a slot's owner is told of as gone before anything of the next one, also where the handler sends meanwhile", () => {
  const words = new Int32Array(new SharedArrayBuffer(CONTROL.bytes));
  const notes = new MessageChannel();
  const mesh = new Mesh({ slot: 1, connect: () => {}, notes: { words, port: notes.port2 } });
  const seen: string[] = [];
  mesh.onPeerGone = (slot, pidEnd) => seen.push(`gone ${slot} below ${pidEnd}`);
  const note = (value: MeshNote): void => {
    notes.port1.postMessage(value, value.rings === null ? [] : [value.rings.tickets]);
    Atomics.add(words, CONTROL.mesh, 1);
  };
  /** The next owner of a slot, which has written one signal. */
  const meet = (slot: number, from: number): void => {
    const [out, ring] = [makeRing(4096), makeRing(4096)];
    const bell = new SharedArrayBuffer(CONTROL.bytes);
    const { port1: tickets } = new MessageChannel();
    note({ slot, rings: { bell, bellWord: CONTROL.asleep, tickets, out, in: ring }, pidEnd: 0 });
    const writer = new RingWriter(ring);
    writer.reserve(0);
    writer.commit(SIGNAL.message, 1, 1025, from, 0);
  };
  meet(3, 3 * 1024 + 3);
  meet(2, 1024 + 2);
  mesh.poll((_kind, _to, from) => {
    seen.push(`from ${from}`);
    if (seen.length > 1) return;
    note({ slot: 2, rings: null, pidEnd: 9000 });
    meet(2, 10_000 * 1024 + 2);
    mesh.send(3, SIGNAL.fate, 3 * 1024 + 3, 1025, 1, new Uint8Array(0), 0, 0);
  });
  mesh.poll((_kind, _to, from) => seen.push(`from ${from}`));
  notes.port1.close();
  expect(seen).toEqual([`from ${3 * 1024 + 3}`, `from ${1024 + 2}`, "gone 2 below 9000", `from ${10_000 * 1024 + 2}`]);
});
