// The whole node: actors that idle end, those that die are replaced, and there may be more services than threads.
import { afterEach, describe, expect, it } from "vitest";
import type { ServiceDetail } from "../../src/admin/verbs.ts";
import { guestPath, service, servicePath } from "../guests/guests.ts";
import { AdminClient } from "../harness/admin-client.ts";
import { Bystander, HttpClient, runLanes } from "../harness/http-client.ts";
import { NodeProcess } from "../harness/node-process.ts";

let node: NodeProcess | undefined;

afterEach(async () => {
  if (node === undefined) return;
  await node.noZombies();
  expect(await node.stop()).toEqual({ code: 0, signal: null });
  node = undefined;
});

async function start(config: Record<string, unknown>): Promise<[NodeProcess, AdminClient, HttpClient]> {
  node = await NodeProcess.start({ config });
  return [node, new AdminClient(node.url), new HttpClient(node.address)];
}

const actorsOf = async (admin: AdminClient, prefix: string): Promise<ServiceDetail["actors"]> =>
  (await admin.describe(prefix)).actors;

describe("an idle actor", () => {
  it("ends after scale.idle_timeout, and the next request is a cold start that succeeds", async () => {
    const scale = { idle_timeout: "2s", window: "100ms" }; // it is seen warm before
    const services = { hello: { source: servicePath("hello"), scale }, other: { source: servicePath("hello") } };
    const [node, admin, client] = await start({ services });
    expect((await client.request("/other")).status).toBe(200);
    for (let round = 1; round <= 3; round++) {
      expect((await client.request("/hello")).body.toString()).toBe("Hello World!");
      expect(await node.metric("cold_starts_total")).toBe(1 + round);
      expect((await admin.describe("hello")).status).toBe("warm");
      await expect.poll(() => actorsOf(admin, "hello")).toEqual([]);
      expect((await admin.describe("hello")).status).toBe("cold");
    }
    // A reap is no exit, and it is each service's own.
    expect((await admin.describe("hello")).counts).toMatchObject({ requests: 3, failures: 0, restarts: 0 });
    expect(await actorsOf(admin, "other")).toHaveLength(1);
    client.close();
  });

  it("is not one that works, however long its work takes", async () => {
    const scale = { idle_timeout: "100ms", window: "100ms" };
    const services = { slow: { source: guestPath("slow"), scale } };
    const [, admin, client] = await start({ services });
    expect((await client.request("/slow?do=sleep&ms=1200")).body.toString()).toBe("done\n");
    // Nor one that works on after its reply.
    expect((await client.request("/slow?do=late&ms=2500")).body.toString()).toBe("late\n");
    const [actor] = await actorsOf(admin, "slow");
    expect(actor?.state).toBe("busy");
    await expect.poll(() => actorsOf(admin, "slow")).toEqual([]);
    client.close();
  });

  it("stays where it is one of scale.min", async () => {
    const services = {
      min: { source: servicePath("hello"), scale: { min: 1, idle_timeout: "100ms", window: "100ms" } },
      reaped: { source: servicePath("hello"), scale: { idle_timeout: "100ms", window: "100ms" } },
    };
    const [, admin, client] = await start({ services });
    for (const path of ["/min", "/reaped"]) expect((await client.request(path)).status).toBe(200);
    const [before] = await actorsOf(admin, "min");
    await expect.poll(() => actorsOf(admin, "reaped")).toEqual([]);
    expect(await actorsOf(admin, "min")).toMatchObject([{ pid: before?.pid, state: "idle" }]);
    client.close();
  });

  it("of a kept service stays by default and keeps its state; with a timeout of its own it loses both", async () => {
    const source = servicePath("counter");
    const services = {
      kept: { source, state: "kept" },
      short: { source, state: "kept", scale: { idle_timeout: "150ms", window: "100ms" } },
    };
    const [, admin, client] = await start({ defaults: { scale: { idle_timeout: "150ms" } }, services });
    for (const path of ["/kept", "/short"]) expect((await client.request(path)).body.toString()).toBe("1\n");
    expect((await admin.describe("kept")).policy.scale).toMatchObject({ max: 1, idle_timeout: "never" });
    await expect.poll(() => actorsOf(admin, "short")).toEqual([]);
    expect(await actorsOf(admin, "kept")).toHaveLength(1);
    expect((await client.request("/short")).body.toString()).toBe("1\n");
    expect((await client.request("/kept")).body.toString()).toBe("2\n");
    client.close();
  });
});

describe("an actor that dies", () => {
  it("for its deadline is replaced, and only the guilty request fails", async () => {
    const breaker = { failures: 1000 };
    const limits = { deadline: "1s" };
    const slow = { source: guestPath("slow"), limits, breaker, max_restarts: 100, scale: { max: 1 } };
    const services = { slow, hello: { source: servicePath("hello") } };
    const [node, admin, client] = await start({ services });
    expect((await client.request("/slow?ms=1")).status).toBe(200);
    const bystander = new Bystander(node.address, "/hello", "Hello World!");
    const pids = new Set<number>();
    for (let i = 1; i <= 5; i++) {
      expect((await client.request("/slow?do=spin&ms=60000")).status).toBe(504);
      expect((await client.request("/slow?ms=1")).body.toString()).toBe("done\n");
      for (const { pid } of await actorsOf(admin, "slow")) pids.add(pid);
    }
    await bystander.stop();
    expect(bystander.failures).toEqual([]);
    expect(pids.size).toBeGreaterThanOrEqual(5);
    expect((await node.metrics()).get('frenezulo_restarts_total{reason="deadline"}')).toBe(5);
    expect((await admin.describe("slow")).counts).toMatchObject({ failures: 5, restarts: 5 });
    client.close();
  });

  it("too often is tried again after a while only: 503 with Retry-After, and no other service notices", async () => {
    const limits = { deadline: "500ms" };
    const policy = {
      limits,
      max_restarts: 2,
      backoff: { min: "1s", max: "1s", jitter: 0 },
      breaker: { failures: 1000 },
    };
    const services = { slow: { source: guestPath("slow"), ...policy }, hello: { source: servicePath("hello") } };
    const [node, admin, client] = await start({ services });
    const bystander = new Bystander(node.address, "/hello", "Hello World!");
    let refusal = await client.request("/slow?do=spin&ms=60000");
    for (let i = 0; i < 10 && refusal.status === 504; i++) refusal = await client.request("/slow?do=spin&ms=60000");
    expect([refusal.status, Number(refusal.headers.get("retry-after")) >= 1]).toEqual([503, true]);
    await expect.poll(async () => (await client.request("/slow?ms=1")).status).toBe(200);
    expect((await admin.describe("slow")).status).toBe("warm");
    await bystander.stop();
    expect(bystander.failures).toEqual([]);
    client.close();
  });

  it("at its start fails its own requests with 503 and Retry-After, again and again, and no other service's", async () => {
    const policy = { backoff: { min: "20ms", max: "100ms" }, max_restarts: 2, limits: { queue_timeout: "500ms" } };
    const services = {
      dead: { source: guestPath("start-trap"), ...policy },
      loops: { source: guestPath("start-loop"), ...policy, limits: { ...policy.limits, start_deadline: "50ms" } },
      hello: { source: servicePath("hello") },
    };
    const [node, admin, client] = await start({ services });
    const bystander = new Bystander(node.address, "/hello", "Hello World!", 1);
    for (let i = 0; i < 10; i++) {
      for (const prefix of ["dead", "loops"]) {
        const { status, headers, body } = await client.request(`/${prefix}`);
        const { code, service } = JSON.parse(body.toString()).error;
        expect([status, service, Number(headers.get("retry-after")) >= 1]).toEqual([503, prefix, true]);
        expect(["cannot_start", "breaker_open", "queue_timeout"]).toContain(code);
      }
    }
    await bystander.stop();
    expect(bystander.failures).toEqual([]);
    const failed = (await node.metrics()).get('frenezulo_restarts_total{reason="start_failed"}');
    expect(failed).toBeGreaterThanOrEqual(6);
    expect(await actorsOf(admin, "hello")).toHaveLength(1);
    client.close();
  });
});

describe("more services than carriers", () => {
  const names = Array.from({ length: 8 }, (_, i) => `s${i}`);
  const of = (names: readonly string[]) =>
    Object.fromEntries(names.map((name) => [name, { source: servicePath("hello") }]));
  const limits = { carriers: 3, spare: 1 };

  it("are all served, one after the other and at once", async () => {
    const [node, , client] = await start({ limits, services: of(names) });
    for (let round = 0; round < 3; round++) {
      for (const name of names) {
        const { status, body } = await client.request(`/${name}`);
        expect(`${name} ${status} ${body}`).toBe(`${name} 200 Hello World!`);
      }
    }
    await runLanes(node.address, 16, 400, async (lane, i) => {
      const { status, body } = await lane.request(`/${names[i % names.length]}`);
      expect(`${status} ${body}`).toBe("200 Hello World!");
    });
    const carriers = [...(await node.metrics())].filter(([name]) => name.startsWith("frenezulo_carriers{"));
    expect(carriers.reduce((sum, [, count]) => sum + count, 0)).toBeLessThanOrEqual(3);
    client.close();
  });

  it("may be added and replaced, and a kept one keeps its state meanwhile", async () => {
    const counter = { source: servicePath("counter"), state: "kept" };
    const [, admin, client] = await start({ limits, services: { ...of(names), counter } });
    for (let i = 1; i <= 4; i++) {
      expect((await client.request("/counter")).body.toString()).toBe(`${i}\n`);
      for (const name of names) expect((await client.request(`/${name}`)).status).toBe(200);
      expect((await admin.put(`added-${i}`, service("echo"))).status).toBe(200);
      expect((await admin.put("added-1", service(i % 2 === 0 ? "hello" : "echo"))).status).toBe(200);
      expect((await client.request(`/added-${i}`)).status).toBe(200);
    }
    client.close();
  });

  it("that fail now and then do not keep the others from their turn", async () => {
    const hostile = { source: guestPath("hostile"), breaker: { failures: 100_000 } };
    const slow = {
      source: guestPath("slow"),
      limits: { deadline: "150ms" },
      max_restarts: 1000,
      breaker: { failures: 1000 },
    };
    const [node, , client] = await start({ limits, services: { ...of(names), hostile, slow } });
    const wrong: string[] = [];
    await runLanes(node.address, 8, 240, async (lane, i) => {
      const path = i % 40 === 0 ? "/slow?do=spin&ms=60000" : i % 8 === 1 ? "/hostile?do=trap" : `/${names[i % 8]}`;
      const wanted = path.startsWith("/slow") ? 504 : path.startsWith("/hostile") ? 502 : 200;
      const { status, body } = await lane.request(path);
      if (status !== wanted) wrong.push(`${path}: ${status} ${body}`);
    });
    expect(wrong).toEqual([]);
    client.close();
  });
});
