// The whole node over both acceptors: how it ends by a signal, with and without requests in flight.
import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import { guestPath, servicePath } from "../guests/guests.ts";
import { HttpClient } from "../harness/http-client.ts";
import { type Http, NodeProcess } from "../harness/node-process.ts";
import { eventually } from "../harness/patience.ts";
import { type RawAnswer, RawClient, sleep, valuesOf } from "../harness/raw-http.ts";
import { acceptors } from "../harness/tiny-front.ts";

const services = {
  hello: { source: servicePath("hello") },
  slow: { source: guestPath("slow") },
};
const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`;

let node: NodeProcess | undefined;

afterEach(async () => {
  node?.signal("SIGKILL");
  await node?.ended;
  await node?.stop();
  node = undefined;
});

async function start(http: Http, config: Record<string, unknown> = {}): Promise<NodeProcess> {
  node = await NodeProcess.start({ http, config: { services, ...config } });
  return node;
}

/** A request that has begun, on a connection of its own. */
async function begin(node: NodeProcess, path: string, inFlight = 1): Promise<[RawClient, Promise<RawAnswer | null>]> {
  const raw = await RawClient.open(node.address);
  const answer = raw.request(get(path));
  await node.metricSettles("in_flight", (value) => value === inFlight);
  return [raw, answer];
}

async function isOpen({ address }: NodeProcess): Promise<boolean> {
  return RawClient.open(address).then(
    (raw) => {
      raw.destroy();
      return true;
    },
    () => false,
  );
}

describe.each(acceptors.map(([name]) => name))("over %s", (http) => {
  it("answers what is in flight and refuses what comes on kept connections, closing both, then exits with 0", async () => {
    const node = await start(http);
    const kept = await RawClient.open(node.address);
    expect((await kept.request(get("/hello")))?.status).toBe(200);
    const [raw, begun] = await begin(node, "/slow?do=sleep&ms=5000"); // until all else has been shown
    const half = await RawClient.open(node.address);
    half.send("POST /slow?ms=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab");
    await node.metricSettles("in_flight", (value) => value === 2);
    node.signal("SIGTERM");
    await node.logged(/^draining/);
    await expect.poll(() => isOpen(node)).toBe(false);

    const refused = (await kept.request(get("/hello"))) as RawAnswer;
    expect(refused.status).toBe(503);
    expect(JSON.parse(refused.body.toString()).error).toMatchObject({ code: "draining", service: "hello" });
    expect(valuesOf(refused, "connection")).toEqual(["close"]);
    expect(valuesOf(refused, "retry-after")).toHaveLength(1);
    await kept.closed();

    // A body that was coming in when the drain began is taken whole and served.
    const late = await half.send("cd").answer("POST");
    expect([late?.status, valuesOf(late as RawAnswer, "connection")]).toEqual([200, ["close"]]);
    const answer = (await begun) as RawAnswer;
    expect([answer.status, answer.body.toString(), valuesOf(answer, "connection")]).toEqual([200, "done\n", ["close"]]);
    await raw.closed();
    expect(await node.ended).toEqual({ code: 0, signal: null });
    expect((await node.logged(/^drained/)).cut).toBe(0);
  });

  it("says that it is not ready while it still listens, for the grace time", async () => {
    const node = await start(http, { drain: { grace: "4s" } });
    const kept = await RawClient.open(node.address);
    expect((await kept.request(get("/services/-/readyz")))?.status).toBe(200);
    node.signal("SIGTERM");
    await node.logged(/^draining/);
    const ready = (await kept.request(get("/services/-/readyz"))) as RawAnswer;
    expect([ready.status, JSON.parse(ready.body.toString())]).toEqual([503, { status: "not ready" }]);
    expect((await kept.request(get("/services/-/healthz")))?.status).toBe(200);
    expect(await isOpen(node)).toBe(true);
    expect((await kept.request(get("/hello")))?.status).toBe(200);
    expect(await node.ended).toEqual({ code: 0, signal: null });
    await kept.closed();
  });

  it("cuts what is not done at the deadline, and says so by exit code 1", async () => {
    const node = await start(http, { drain: { deadline: "500ms" } });
    const [raw, begun] = await begin(node, "/slow?do=spin&ms=20000");
    node.signal("SIGTERM");
    const answer = await begun;
    // An answer that says so, or the end of the connection: never a 200.
    if (answer !== null) expect([502, 503]).toContain(answer.status);
    await raw.closed();
    expect(await node.ended).toEqual({ code: 1, signal: null });
    expect((await node.logged(/^drained/)).cut).toBe(1);
  });

  it("ends at once at a second signal", async () => {
    const node = await start(http, { drain: { deadline: "1h" } });
    const [raw] = await begin(node, "/slow?do=spin&ms=20000");
    node.signal("SIGTERM");
    await node.logged(/^draining/);
    await sleep(300); // twice at once is one, see below
    node.signal("SIGINT");
    expect(await node.ended).toEqual({ code: 1, signal: null });
    await node.logged(/^stopped at once/);
    await raw.closed();
  });

  it("under load every request is answered, by its service or by a refusal, or never taken in", async () => {
    const node = await start(http);
    let isOver = false;
    const statuses = new Map<number, number>();
    const lost: string[] = [];
    const lanes = Array.from({ length: 16 }, async () => {
      while (!isOver) {
        // A connection that the drain had closed before the request was sent, or refused: that request was not taken.
        const client = new HttpClient(node.address);
        try {
          for (;;) {
            const { status, headers } = await client.request("/slow?do=spin&ms=2");
            statuses.set(status, (statuses.get(status) ?? 0) + 1);
            if (headers.get("connection") === "close") break;
          }
        } catch (error) {
          if (!/ECONNREFUSED|ECONNRESET/.test(String(error)) && !isOver) lost.push(String(error));
        } finally {
          client.close();
        }
      }
    });
    await eventually(
      () => statuses.get(200) ?? 0,
      (count) => count > 20,
    );
    node.signal("SIGTERM");
    expect(await node.ended).toEqual({ code: 0, signal: null });
    isOver = true;
    await Promise.all(lanes);
    expect((await node.logged(/^drained/)).cut).toBe(0);
    expect([...statuses.keys()].filter((status) => status !== 200 && status !== 503)).toEqual([]);
    expect(lost).toEqual([]);
  });
});

it.each<NodeJS.Signals>(["SIGTERM", "SIGINT"])("an idle node ends by %s with 0 and leaves nothing", async (signal) => {
  const node = await start("node");
  expect((await fetch(`${node.url}/hello`)).status).toBe(200);
  node.signal(signal);
  expect(await node.ended).toEqual({ code: 0, signal: null });
  expect(await isOpen(node)).toBe(false);
});

it("a signal that comes twice at once, from the terminal and passed on by npm, is one", async () => {
  const node = await start("node");
  const [raw, begun] = await begin(node, "/slow?do=sleep&ms=2000");
  node.signal("SIGINT");
  node.signal("SIGTERM");
  expect((await begun)?.status).toBe(200);
  expect(await node.ended).toEqual({ code: 0, signal: null });
  raw.destroy();
});

it("a guest that works on after its reply is waited for, to the deadline, and does not make the exit code 1", async () => {
  const node = await start("node", { drain: { deadline: "1s" } });
  expect(await (await fetch(`${node.url}/slow?do=late&ms=20000`)).text()).toBe("late\n");
  node.signal("SIGTERM");
  expect(await node.ended).toEqual({ code: 0, signal: null });
});

it("SIGHUP is no end", async () => {
  const node = await start("node");
  node.signal("SIGHUP");
  await node.logged(/SIGHUP|reload|config/i);
  expect((await fetch(`${node.url}/hello`)).status).toBe(200);
  expect(readFileSync(`/proc/${node.pid}/status`, "utf8")).toMatch(/^State:\s+[SR]/m);
  expect(await node.stop()).toEqual({ code: 0, signal: null });
});
