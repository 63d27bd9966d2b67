// A service that floods the log costs itself: how many lines the main thread sees of it is bounded, however it writes.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { guestPath, servicePath } from "../guests/guests.ts";
import { Bystander, HttpClient, runLanes } from "../harness/http-client.ts";
import { NodeProcess } from "../harness/node-process.ts";

const LINES = 1000; // a request, by default
const FEEDS = "\n".repeat(65_536);
let node: NodeProcess;

beforeAll(async () => {
  const log = { source: guestPath("log") };
  const services = {
    hello: { source: servicePath("hello") },
    flood: { ...log, scale: { max: 4 } },
    // As many bytes as there may be, so that lines alone stand against it.
    open: { ...log, limits: { output_request: "16MiB", output_second: "64MiB" } },
    quiet: log,
  };
  node = await NodeProcess.start({ config: { services } });
});
afterAll(() => node.stop());

/** Lines that have come to the main thread. */
async function seen(service: string): Promise<number> {
  return node.guestLines(service).length + (await node.metric("log_dropped_total"));
}

describe("a service that writes line feeds", () => {
  it.each(["flood", "open"])("has %s's lines bounded a request, and others are heard and served", async (service) => {
    const requests = 60;
    const before = await seen(service);
    const bystander = new Bystander(node.address, "/hello", "Hello World!", 1);
    await runLanes(node.address, 6, requests, async (client) => {
      expect((await client.request(`/${service}?do=body`, { method: "POST", body: FEEDS })).status).toBe(200);
    });
    await bystander.stop();
    expect(bystander.failures).toEqual([]);
    expect(bystander.requests).toBeGreaterThan(0);
    const lines = (await seen(service)) - before;
    expect(lines).toBeGreaterThan(0);
    expect(lines).toBeLessThanOrEqual(requests * (LINES + 1));
    const client = new HttpClient(node.address);
    await client.request("/quiet?lines=1&bytes=7");
    client.close();
    await node.logged(/^abcdefg$/);
  });

  it("and one that writes them one at a time", async () => {
    const requests = 20;
    const before = await seen("open");
    await runLanes(node.address, 4, requests, async (client) => {
      expect((await client.request("/open?lines=20000&bytes=0")).status).toBe(200);
    });
    const lines = (await seen("open")) - before;
    expect(lines).toBeGreaterThan(0);
    expect(lines).toBeLessThanOrEqual(requests * (LINES + 1));
  });
});
