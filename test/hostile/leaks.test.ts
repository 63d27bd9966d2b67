// Hundreds of kills, traps and replacements leave nothing: threads, descriptors and memory are back where they were.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { guest, guestPath, service, servicePath } from "../guests/guests.ts";
import { type Asked, HttpClient, runLanes } from "../harness/http-client.ts";
import { NodeProcess, type Usage } from "../harness/node-process.ts";
import { sleep } from "../harness/raw-http.ts";

const isLong = process.env.TEST_LONG === "1";
const MIB = 1 << 20;
/** Memory is level only after some hundreds: the allocator of each thread keeps what it once had. */
const WARM_UP = 200;
const CYCLES = isLong ? 10_000 : 300;
const LANES = 4;

const policy = {
  limits: { deadline: "50ms", memory: 128 * MIB },
  max_restarts: 10_000,
  backoff: { min: "1ms", max: "1ms" },
  breaker: { failures: 1_000_000 },
  scale: { max: 1 }, // as many threads at the end as at the beginning
};
const of = (source: string): object => ({ source, ...policy });

/** What a cycle does, in turn: each kills its carrier, but for the last three. */
const deeds: readonly [query: string, status: number, asked?: Asked][] = [
  ["hostile?do=loop", 504],
  ["hostile?do=loop-fill", 504],
  ["hostile?do=loop-copy", 504],
  ["hostile?do=log-flood", 504],
  ["hostile?do=clock-storm", 504],
  ["slow?do=wait&ms=60000", 504],
  ["slow?do=sleep&ms=60000", 504],
  ["bulk?", 504, { method: "POST", body: "loop" }],
  ["hostile?do=trap", 502],
  ["hostile?do=exit", 502],
  ["ledger?do=memory", 502],
];

let node: NodeProcess;
let killed = 0;

beforeAll(async () => {
  const services: Record<string, unknown> = { hello: { source: servicePath("hello"), scale: { max: 1 } } };
  for (let lane = 0; lane < LANES; lane++) {
    services[`hostile-${lane}`] = of(guestPath("hostile"));
    services[`slow-${lane}`] = of(guestPath("slow"));
    services[`bulk-${lane}`] = of(guestPath("loop-bulk"));
    services[`ledger-${lane}`] = { ...of(guestPath("ledger")), limits: { ...policy.limits, memory: 8 * MIB } };
  }
  node = await NodeProcess.start({ config: { services, limits: { carriers: 32, spare: 4 } } });
});

afterAll(async () => {
  await node.noZombies();
  expect(await node.stop()).toEqual({ code: 0, signal: null });
});

async function run(cycles: number): Promise<void> {
  // A lane has services of its own, so that the deed of one is never the queue of another.
  await Promise.all(
    Array.from({ length: LANES }, async (_, lane) => {
      const client = new HttpClient(node.address);
      for (let cycle = lane; cycle < cycles; cycle += LANES) {
        const [query, wanted, asked] = deeds[((cycle / LANES) % deeds.length) | 0] as (typeof deeds)[number];
        const { status, body } = await client.request(`/${query.replace("?", `-${lane}?`)}`, asked);
        // On a machine that is busy otherwise anything may pass so short a deadline.
        expect([wanted, 504], `${query}: ${body}`).toContain(status);
        if (status === 504) killed++;
      }
      for (const name of ["hostile", "slow", "bulk", "ledger"]) {
        const { status } = await client.request(`/${name}-${lane}?ms=0&id=x`);
        expect([200, 504], name).toContain(status);
      }
      client.close();
    }),
  );
}

/** Puts, replaces and removes services. */
async function change(rounds: number): Promise<void> {
  const client = new HttpClient(node.address);
  const modules = [service("hello"), guest("status"), guest("state-globals")];
  for (let round = 0; round < rounds; round++) {
    for (const body of modules) {
      const put = await client.request("/services/changing", {
        method: "PUT",
        body,
        headers: { "content-type": "application/wasm" },
      });
      expect(put.status, put.body.toString()).toBe(200);
      expect((await client.request("/changing")).status).toBe(200);
    }
    expect((await client.request("/services/changing", { method: "DELETE" })).status).toBe(204);
  }
  client.close();
}

/** Once spares are made and connections closed: the least of some readings, since garbage comes and goes. */
async function settledUsage(): Promise<Usage> {
  await node.metricSettles("in_flight", (value) => value === 0);
  await node.metricSettles('carriers{state="spare"}', (value) => value >= 4);
  await node.metricSettles('carriers{state="condemned"}', (value) => value === 0);
  const readings: Usage[] = [];
  for (let i = 0; i < 20; i++) {
    readings.push(node.usage());
    await sleep(50);
  }
  const least = (of: (usage: Usage) => number): number => Math.min(...readings.map(of));
  return {
    threads: least(({ threads }) => threads),
    descriptors: least(({ descriptors }) => descriptors),
    rssBytes: least(({ rssBytes }) => rssBytes),
  };
}

function text({ threads, descriptors, rssBytes }: Usage): string {
  return `${threads} threads, ${descriptors} descriptors, ${(rssBytes / MIB).toFixed(0)} MiB`;
}

describe("a node", () => {
  it("is back where it was after hundreds of kills, traps and replacements", async () => {
    await run(WARM_UP);
    await change(CYCLES / 15);
    const before = await settledUsage();
    killed = 0;
    await run(CYCLES);
    await change(CYCLES / 15);
    const after = await settledUsage();
    console.log(`before: ${text(before)}; after ${CYCLES} cycles, ${killed} of them kills: ${text(after)}`);
    expect(killed).toBeGreaterThan(CYCLES / 2);
    expect(after.threads).toBeLessThanOrEqual(before.threads * 1.1);
    expect(after.descriptors).toBeLessThanOrEqual(before.descriptors * 1.1);
    expect(after.rssBytes).toBeLessThanOrEqual(before.rssBytes * 1.1 + 20 * MIB);
    await node.noZombies();
  });

  it("is back where it was after thousands of connections", async () => {
    await runLanes(node.address, 64, 64, async (client) => void (await client.request("/hello")));
    const before = await settledUsage();
    for (let round = 0; round < 10; round++) {
      await runLanes(node.address, 100, 200, async (client, index) => {
        if (index % 2 === 0) expect((await client.request("/hello")).status).toBe(200);
        else await client.abort("/hello");
      });
    }
    const after = await settledUsage();
    expect(after.threads).toBeLessThanOrEqual(before.threads * 1.1);
    expect(after.descriptors).toBeLessThanOrEqual(before.descriptors * 1.1);
    expect(after.rssBytes).toBeLessThanOrEqual(before.rssBytes * 1.1 + 20 * MIB);
  });
});

describe("bodies that do not fit into a ring", () => {
  it("do not pile up in memory", async () => {
    const other = await NodeProcess.start({
      config: {
        services: {
          bytes: { source: guestPath("bytes") },
          echo: { source: servicePath("echo"), limits: { body_in: 4 * MIB } },
        },
      },
    });
    let mostBytes = 0;
    const run = (count: number) =>
      runLanes(other.address, 2, count, async (client, index) => {
        const reply =
          index % 2 === 0
            ? await client.request("/bytes?n=1000000&piece=60000")
            : await client.request("/echo", { method: "POST", body: Buffer.alloc(1_000_000, "x") });
        expect([reply.status, reply.body.length]).toEqual([200, 1_000_000]);
        mostBytes = Math.max(mostBytes, other.usage().rssBytes);
      });
    await run(60);
    const before = mostBytes;
    await run(800); // 0.8 GB
    console.log(`most memory: ${(before / MIB).toFixed(0)} MiB, then ${(mostBytes / MIB).toFixed(0)} MiB`);
    expect(mostBytes).toBeLessThan(before + 150 * MIB);
    expect(await other.stop()).toEqual({ code: 0, signal: null });
  });
});

describe("SIGTERM", () => {
  const looping = (drain: string): Promise<NodeProcess> => {
    const services = { loop: { source: guestPath("ledger"), limits: { deadline: "10m" } } };
    return NodeProcess.start({ config: { services, drain: { deadline: drain } } });
  };

  it("leaves nothing of a node whose guests loop: they are cut at the drain's deadline, and it says so", async () => {
    const other = await looping("300ms");
    const client = new HttpClient(other.address);
    const cut = client.request("/loop?id=endless&do=loop").catch(() => null);
    await other.logged(/^begun endless$/);
    expect(await other.stop()).toEqual({ code: 1, signal: null });
    await cut;
    client.close();
  });

  it("waits for a request that ends in time", async () => {
    const other = await looping("60s");
    const client = new HttpClient(other.address);
    const running = client.request("/loop?id=slow&do=sleep&ms=500");
    await other.logged(/^begun slow$/);
    const ended = other.stop();
    const { status, headers } = await running;
    expect([status, headers.get("connection")]).toEqual([200, "close"]);
    expect(await ended).toEqual({ code: 0, signal: null });
    client.close();
  });
});
