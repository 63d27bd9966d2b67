// Covers src/carriers/carriers.ts: threads that end later than they should are late, and end the node only as zombies.
import "../../../src/engine.ts"; // its V8 flags: a carrier refuses to run without them
import { afterAll, describe, expect, it, vi } from "vitest";
import type { Carrier, CarrierEvents } from "../../../src/carriers/carrier.ts";
import { Carriers } from "../../../src/carriers/carriers.ts";
import { bundle } from "../../harness/bundle.ts";

const program = await bundle("actors/carrier.ts");
vi.mock("../../../src/dist-file.ts", () => ({ distFile: () => program }));

const zombies: unknown[] = [];
const gone: string[] = [];
const none = (): void => {};
const events = { gone: (_: Carrier, why: string) => void gone.push(why), spare: none, drained: none };

const carriers = new Carriers({
  threadsMax: 3,
  spares: 1,
  graceMs: 0, // every thread is late: as on a machine that is slow without end
  zombieMs: 60_000,
  filesMax: 16,
  lightInstancesMax: 1,
});
afterAll(() => carriers.close());

const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
};

describe("a thread that does not end in its time", () => {
  it("holds its place until it has ended; nobody calls it a zombie, and there is always another", async () => {
    await carriers.open({
      events: events as unknown as CarrierEvents,
      onZombie: (zombie) => zombies.push(zombie),
      onMetrics: none,
      onSignal: none,
    });
    for (let i = 0; i < 20; i++) {
      await until(() => carriers.spares > 0);
      carriers.kill(carriers.take() as Carrier, "test");
      expect(carriers.all.size + carriers.late).toBeLessThanOrEqual(3 + 1); // and one that is condemned
    }
    await until(() => carriers.late === 0 && carriers.spares > 0);
    expect(gone.length).toBeGreaterThanOrEqual(20);
    expect([zombies, carriers.zombies]).toEqual([[], 0]);
  });

  it("is waited for when the node ends", async () => {
    await carriers.close();
    expect([carriers.late, carriers.zombies]).toEqual([0, 0]);
  });
});
