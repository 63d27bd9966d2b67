// An actor that makes way (its service moves to a carrier of its own, its module became light) ends what it has begun:
// its requests have their deadlines for that, not the time of a shutdown.
import { expect, it, vi } from "vitest";
import { guestPath } from "../guests/guests.ts";
import { HttpClient, runLanes } from "../harness/http-client.ts";
import { NodeProcess } from "../harness/node-process.ts";

vi.setConfig({ testTimeout: 300_000 });

interface ActorSeen {
  readonly pid: number;
}

/** Long, but far less than the deadline; more where the machine was too slow for what should happen meanwhile. ms */
const TRIALS_MS = [2_000, 8_000];
const policy = { source: guestPath("ledger"), shutdown: "20ms", limits: { deadline: "10m", queue_timeout: "10m" } };

async function actorsOf(client: HttpClient, service: string): Promise<ActorSeen[]> {
  return JSON.parse((await client.request(`/services/${service}`)).body.toString()).actors;
}

it.each([
  ["with room for more actors", 8],
  ["at its maximum", 1],
])("a busy service that moves ends its requests first (%s)", async (_name, max) => {
  const services = { busy: { ...policy, scale: { max } } };
  const node = await NodeProcess.start({ config: { services, limits: { carriers: 12, spare: 4 } } });
  const client = new HttpClient(node.address);
  const asker = new HttpClient(node.address);
  for (const ms of TRIALS_MS) {
    const long = client.request(`/busy?id=long-${ms}&do=sleep&ms=${ms}`);
    await node.logged(new RegExp(`^begun long-${ms}$`));
    const [{ pid: first } = { pid: 0 }] = await actorsOf(asker, "busy");
    let isOver = false;
    const crowd = runLanes(node.address, 4, 4, async (each) => {
      while (!isOver) {
        const { status, body } = await each.request("/busy?id=crowd&do=sleep&ms=30");
        expect([status, body.toString()]).toEqual([200, "crowd"]);
      }
    });
    const { status, body } = await long;
    expect([status, body.toString()]).toEqual([200, `long-${ms}`]);
    // At its maximum it can move only now, perhaps to the very carrier that it has left: it is another actor then.
    let moved = false;
    for (let i = 0; i < 200 && !moved; i++) {
      moved = (await actorsOf(asker, "busy")).every(({ pid }) => pid !== first);
      if (!moved) expect((await asker.request("/busy?id=more&do=sleep&ms=30")).status).toBe(200);
    }
    isOver = true;
    await crowd;
    if (moved) break;
  }
  client.close();
  asker.close();
  expect(await node.metric('restarts_total{reason="killed"}')).toBe(0);
  expect(await node.stop()).toEqual({ code: 0, signal: null });
});

it("an actor whose module became light ends its requests first", async () => {
  const services = { renewed: { ...policy, light: "always", placement: "shared" } };
  const config = { services, limits: { carriers: 12, spare: 4 }, log: { level: "debug" } };
  const node = await NodeProcess.start({ config });
  const client = new HttpClient(node.address);
  const hasEnded = node.logged(/^the rewrite for light processes has ended$/);
  let isLight = false;
  void hasEnded.then(() => {
    isLight = true;
  });
  // The last of them was begun before, and ends after it.
  for (let i = 0; !isLight; i++) {
    const { status, body } = await client.request(`/renewed?id=r${i}&do=sleep&ms=1500`);
    expect([status, body.toString()]).toEqual([200, `r${i}`]);
  }
  expect((await client.request("/renewed?id=last")).status).toBe(200);
  client.close();
  expect(await node.metric('restarts_total{reason="killed"}')).toBe(0);
  expect(await node.stop()).toEqual({ code: 0, signal: null });
});
