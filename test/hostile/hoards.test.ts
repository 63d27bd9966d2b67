// What guests make the host keep counts in processes.memory, whatever it is: the node's own memory is the oracle.
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { guestPath, servicePath } from "../guests/guests.ts";
import { Bystander, HttpClient } from "../harness/http-client.ts";
import { NodeProcess } from "../harness/node-process.ts";

vi.setConfig({ testTimeout: 600_000 });

const MIB = 2 ** 20;
/** What all processes of a service may have, and how many times that the node may grow by. */
const LIMIT_MIB = 64;
const FACTOR = 4;

/** Each would take at least twelve times the limit if it were not counted. */
const hoards = [
  { what: "empty", query: "n=1000&m=9900" },
  { what: "bytes", query: "n=300&m=9900" },
  { what: "tags", query: "n=3000&m=1" },
  { what: "timers", query: "n=1000&m=1000" },
  { what: "configs", query: "n=3000&m=1024" },
  { what: "errors", query: "n=300&m=1000" },
  { what: "asks", query: "n=50&m=2000" },
  { what: "names", query: "n=100&m=990" },
] as const;

let node: NodeProcess;

beforeAll(async () => {
  const enduring = { max_restarts: 10_000, backoff: { min: "1ms", max: "1ms" }, breaker: { failures: 1_000_000 } };
  const service = (): object => ({
    source: guestPath("hoard"),
    ...enduring,
    shutdown: "300s", // its light form may be made meanwhile: then it ends what it has begun
    limits: { deadline: "300s", queue_timeout: "300s" },
    processes: { memory: `${LIMIT_MIB}MiB`, compile: true, max: 10_000 },
  });
  const services: Record<string, object> = Object.fromEntries(hoards.map(({ what }) => [what, service()]));
  services.modules = service();
  const hello = { source: servicePath("hello"), limits: { queue_timeout: "300s" } };
  node = await NodeProcess.start({ config: { services: { ...services, hello }, limits: { compile: "60s" } } });
});

afterAll(async () => {
  await node.stop();
});

describe("a guest that makes the host keep", () => {
  it.each(hoards)("$what is stopped by the memory that its processes may have", async ({ what, query }) => {
    const client = new HttpClient(node.address);
    expect((await client.request(`/${what}?do=${what}&n=1&m=1`)).body.toString()).toBe("1 0 0");
    const before = node.usage().rssBytes;
    let most = before;
    const watch = setInterval(() => {
      most = Math.max(most, node.usage().rssBytes);
    }, 20);
    const bystander = new Bystander(node.address, "/hello", "Hello World!", 1);
    const reply = await client.request(`/${what}?do=${what}&${query}`);
    await bystander.stop();
    clearInterval(watch);
    if (reply.status !== 200) process.stdout.write(`${what}: ${reply.status} ${reply.body}\n`);
    const [did, failed, unborn] = reply.body.toString().split(" ").map(Number);
    const grown = (most - before) / MIB;
    process.stdout.write(`${what}: ${did} did, ${failed} failed, ${unborn} not born; ${grown.toFixed(0)} MiB more\n`);
    expect(bystander.failures).toEqual([]);
    expect(grown).toBeLessThan(LIMIT_MIB * FACTOR);
    client.close();
  });

  it("modules may do so as long as there is room: the oldest make way for small ones, and a large one is refused", async () => {
    const client = new HttpClient(node.address);
    const compile = async (count: number, kib: number) =>
      (await client.request(`/modules?do=modules&m=${count}&kib=${kib}`)).body.toString();
    expect(await compile(100, 1024)).toBe("100 ");
    expect(await compile(1, 16 * 1024)).toMatch(
      /^0 there is no room for a module of \d+ bytes: modules that are given /,
    );
    expect(await compile(10, 1024)).toBe("10 ");
    client.close();
  });
});
