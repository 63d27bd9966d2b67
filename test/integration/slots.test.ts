// Threads' numbers over a node's life: more carriers than it ever has at once come and go, and processes are counted.
import { afterAll, beforeAll, expect, it } from "vitest";
import { guest, guestPath } from "../guests/guests.ts";
import { AdminClient } from "../harness/admin-client.ts";
import { NodeProcess } from "../harness/node-process.ts";

const CARRIERS = 4;
/** One carrier each: more than there are slots (src/carriers/slots.ts). */
const KILLS = CARRIERS + 64 + 10;
let node: NodeProcess;

beforeAll(async () => {
  const enduring = { max_restarts: 10_000, backoff: { min: "1ms", max: "1ms" }, breaker: { failures: 1_000_000 } };
  const loops = { source: guestPath("slow"), limits: { deadline: "5ms" }, ...enduring };
  node = await NodeProcess.start({ config: { services: { loops }, limits: { carriers: CARRIERS } } });
});

afterAll(async () => {
  expect(await node.stop()).toEqual({ code: 0, signal: null });
});

it("a service with processes is served however many carriers there were before", async () => {
  for (let i = 0; i < KILLS; i++) {
    expect((await fetch(`${node.url}/loops?do=spin&ms=60000`)).status).toBe(504);
  }
  const policy = { light: "always" };
  expect((await new AdminClient(node.url).put("children", guest("children"), { policy })).status).toBe(200);
  const answer = await fetch(`${node.url}/children?do=fill&n=50`);
  expect([answer.status, (await answer.text()).trim()]).toEqual([200, "50"]);
  expect(new Map(await node.metrics()).get('frenezulo_processes{service="children"}')).toBe(50);
});
