// The whole node with hardly any threads: whatever is killed, reaped, moved or started, every service goes on, and
// readyz says so.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it, vi } from "vitest";
import { guestPath, servicePath } from "../guests/guests.ts";
import { AdminClient } from "../harness/admin-client.ts";
import { HttpClient, runLanes } from "../harness/http-client.ts";
import { NodeProcess } from "../harness/node-process.ts";

vi.setConfig({ testTimeout: 600_000 });

let node: NodeProcess | undefined;

afterEach(async () => {
  await node?.stop();
  node = undefined;
});

/** No supervisor gives up and nothing is late because the machine is: only what never comes fails. */
const enduring = {
  max_restarts: 10_000,
  backoff: { min: "1ms", max: "1ms" },
  breaker: { failures: 1_000_000 },
  scale: { idle_timeout: "300ms", window: "100ms" },
};
const patient = { queue_timeout: "120s" };
const slow = { source: guestPath("slow"), ...enduring, limits: { ...patient, deadline: "300ms" } };
const services = {
  hello: { source: servicePath("hello"), ...enduring, limits: patient },
  other: { source: servicePath("echo"), ...enduring, limits: patient },
  slow,
  slower: slow,
  kept: { source: servicePath("counter"), ...enduring, limits: patient, state: "kept" },
  children: { source: guestPath("children"), ...enduring, limits: { ...patient, deadline: "60s" } },
};

const budgets = [1, 2, 3].flatMap((carriers) =>
  [0, 1, 2].filter((spare) => spare <= carriers).map((spare) => ({ carriers, spare })),
);

describe.each([...budgets, { carriers: 2, spare: 0, instances: 1 }, { carriers: 3, spare: 1, instances: 2 }])(
  "a node with $carriers carriers, $spare spare, instances: $instances",
  (limits) => {
    it("serves all its services after kills, reaps and moves", async () => {
      node = await NodeProcess.start({ config: { services, limits: JSON.parse(JSON.stringify(limits)) } });
      const running = node;
      const admin = new AdminClient(node.url);
      const client = new HttpClient(node.address);
      const ready = async () => (await client.request("/services/-/readyz")).status;
      const all = async (): Promise<void> => {
        expect((await client.request("/hello")).body.toString()).toBe("Hello World!");
        expect((await client.request("/other", { method: "POST", body: "x" })).body.toString()).toBe("x");
        for (const path of ["/slow?ms=1", "/slower?ms=1"]) expect(await finished(client, path)).toBe("done\n");
        expect((await client.request("/kept")).status).toBe(200);
        expect((await client.request("/children?do=join&n=3")).status).toBe(200);
        expect(await ready()).toBe(200);
      };
      const reaped = async (): Promise<void> => {
        const actors = async () =>
          (await Promise.all(Object.keys(services).map((name) => admin.describe(name)))).flatMap((each) => each.actors);
        await expect.poll(actors, { timeout: 120_000 }).toEqual([]);
        expect(await ready()).toBe(200);
      };
      await all();
      // Killed: twice the same, and the other; then all at once.
      for (const name of ["slow", "slow", "slower"]) {
        expect((await client.request(`/${name}?do=spin&ms=60000`)).status).toBe(504);
        await all();
      }
      await runLanes(node.address, 4, 4, async (lane, i) => {
        expect((await lane.request(`/${i % 2 === 0 ? "slow" : "slower"}?do=spin&ms=60000`)).status).toBe(504);
      });
      await all();
      // Reaped: the node has nothing; and spares that nobody needs have gone.
      await reaped();
      const carriers = async () => {
        const all = [...(await running.metrics())].filter(([name]) => name.startsWith("frenezulo_carriers{"));
        return all.reduce((sum, [, count]) => sum + count, 0);
      };
      await expect.poll(carriers, { timeout: 120_000 }).toBeLessThanOrEqual(limits.spare);
      expect(await ready()).toBe(200);
      await all();
      // Moved: busy services want carriers of their own.
      await runLanes(node.address, 8, 800, async (lane, i) => {
        const path = i % 2 === 0 ? "/hello" : "/kept";
        expect((await lane.request(path)).status).toBe(200);
      });
      await all();
      await reaped();
      await all();
      client.close();
    });
  },
);

describe("a node that can start no thread", () => {
  it("says that it is not ready until it can, and then goes on", async () => {
    const hello = { source: servicePath("hello"), ...enduring, limits: { queue_timeout: "1s" } };
    node = await NodeProcess.start({ config: { services: { hello }, limits: { carriers: 2, spare: 0 } } });
    const { pid } = node;
    const client = new HttpClient(node.address);
    const ready = async () => (await client.request("/services/-/readyz")).status;
    const carriers = async () =>
      /frenezulo_carriers\{state="(?!late)/.test((await client.request("/services/-/metrics")).body.toString());
    await expect.poll(carriers, { timeout: 120_000 }).toBe(false);
    expect(await ready()).toBe(200);
    const before = /^Max open files +(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, "utf8"))?.[1];
    execFileSync("prlimit", ["--pid", String(pid), "--nofile=3:"]); // it opens nothing more
    expect((await client.request("/hello")).status).toBe(503);
    await expect.poll(ready, { timeout: 120_000 }).toBe(503);
    expect((await client.request("/services/-/healthz")).status).toBe(200);
    execFileSync("prlimit", ["--pid", String(pid), `--nofile=${before}:`]);
    await expect.poll(ready, { timeout: 120_000 }).toBe(200);
    await expect.poll(async () => (await client.request("/hello")).status, { timeout: 120_000 }).toBe(200);
    client.close();
  });
});

/** A deadline may pass by the machine's doing alone: then again. */
async function finished(client: HttpClient, path: string): Promise<string> {
  for (;;) {
    const reply = await client.request(path);
    if (reply.status !== 504) return reply.body.toString();
  }
}
