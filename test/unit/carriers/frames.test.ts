// Covers src/carriers/frames.ts: a carrier that writes as fast as it is read does not keep the main thread.
import { expect, it } from "vitest";
import type { Carrier, CarrierEvents } from "../../../src/carriers/carrier.ts";
import { drainFrames } from "../../../src/carriers/frames.ts";
import type { MainMesh } from "../../../src/carriers/main-mesh.ts";
import { KIND } from "../../../wire/layout.ts";
import { makeRing, RingReader, RingWriter } from "../../../wire/ring.ts";

it("reads all that was there when it began, and an end comes", () => {
  const ring = makeRing(4096);
  const writer = new RingWriter(ring);
  let [written, read] = [0, 0];
  const write = (): boolean => {
    if (writer.reserve(0) < 0) return false;
    writer.commit(KIND.suspended, 0, ++written, 0, 0);
    return true;
  };
  const most = 10_000;
  const events = {
    suspended(_carrier: Carrier, pid: number) {
      if (pid !== ++read) throw new Error(`${pid} came as number ${read}`);
      // It releases the frame after this, so that the ring is full again at each look.
      if (written < most) write();
    },
  } as unknown as CarrierEvents;
  const carrier = { replies: new RingReader(ring) } as unknown as Carrier;
  while (write());
  const before = written;
  drainFrames(carrier, events, {} as MainMesh, undefined);
  expect(read).toBeGreaterThanOrEqual(before);
  expect(read).toBeLessThan(most);
  for (let last = -1; last !== read; ) {
    last = read;
    drainFrames(carrier, events, {} as MainMesh, undefined);
  }
  expect(read).toBe(most);
});
