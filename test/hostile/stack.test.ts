// The end of the stack: a guest that calls the host with hardly any stack left is a guest that traps, and nobody else.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { guestPath } from "../guests/guests.ts";
import { HttpClient } from "../harness/http-client.ts";
import { NodeProcess } from "../harness/node-process.ts";

const ROUNDS = 4;
const VICTIMS = 16;
const WATCHDOG_MS = 600_000;

let node: NodeProcess;
/** A client has one connection: the thief's, then the victims'. */
let clients: HttpClient[];

beforeAll(async () => {
  const shared = { placement: "shared", limits: { deadline: "10m", queue_timeout: "10m" } };
  const services = {
    // Light: its requests wait in a carrier that others use meanwhile.
    victim: { source: guestPath("slow"), ...shared, light: "always", env: { SECRET: "the victim's" } },
    // Plain: it waits on its own stack, on which others have their turns.
    thief: { source: guestPath("thief"), ...shared, light: "never", env: { MINE: "1" }, state: "fresh" },
  };
  // One carrier serves both.
  node = await NodeProcess.start({
    config: { services, limits: { carriers: 1, spare: 1, share: 1 }, log: { level: "debug" } },
  });
  clients = Array.from({ length: 1 + VICTIMS }, () => new HttpClient(node.address));
  await node.logged(/^the rewrite for light processes has ended/, WATCHDOG_MS);
  expect((await clients[0]!.request("/victim?do=sleep&ms=1")).status).toBe(200);
});

afterAll(async () => {
  for (const client of clients) client.close();
  expect(await node.metric("identity_mismatches_total")).toBe(0);
  expect(await node.stop()).toEqual({ code: 0, signal: null });
});

describe("a plain guest that waits with hardly any stack left", () => {
  it("stays who it is while processes of another service wait in its carrier", async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const victims = clients.slice(1).map((client) => client.request("/victim?do=sleep&ms=1&naps=400"));
      const thief = await clients[0]!.request("/thief?frames=64");
      expect([thief.status, thief.body.toString()]).toEqual([200, expect.stringMatching(/^same MINE=1 slept \d+\n$/)]);
      for (const victim of await Promise.all(victims)) {
        expect([victim.status, victim.body.toString()]).toEqual([200, "done\n"]);
      }
    }
  });
});
