// The whole node: services replaced, rolled back and removed under load, without a failed request.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { guest, service } from "../guests/guests.ts";
import { AdminClient } from "../harness/admin-client.ts";
import { helloSaying } from "../harness/hello-versions.ts";
import { HttpClient } from "../harness/http-client.ts";
import { NodeProcess } from "../harness/node-process.ts";
import { holdsWithin, whileItRuns } from "../harness/patience.ts";
import { RawClient, sleep } from "../harness/raw-http.ts";
import { acceptors } from "../harness/tiny-front.ts";

const CONNECTIONS = 16;
const REPLACEMENTS = process.env.TEST_LONG === "1" ? 500 : 50;

/** Lanes that ask again and again until they are stopped; what `each` throws or returns as text is a failure. */
class Load {
  requests = 0;
  readonly failures: string[] = [];
  #isStopped = false;
  readonly #ended: Promise<unknown>;

  constructor(address: string, lanes: number, each: (client: HttpClient) => Promise<string | undefined>) {
    this.#ended = Promise.all(Array.from({ length: lanes }, () => this.#run(address, each)));
  }

  /** Resolves when so many more requests have been answered. */
  async more(requests: number): Promise<void> {
    const wanted = this.requests + requests;
    while (this.requests < wanted && this.failures.length === 0) await sleep(1);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#ended;
  }

  async #run(address: string, each: (client: HttpClient) => Promise<string | undefined>): Promise<void> {
    const client = new HttpClient(address);
    while (!this.#isStopped) {
      const failure = await each(client).catch(String);
      if (failure !== undefined) this.failures.push(failure);
      this.requests++;
    }
    client.close();
  }
}

describe.each(acceptors.map(([name]) => name))("over %s", (http) => {
  let node: NodeProcess;
  let admin: AdminClient;
  let client: HttpClient;

  beforeAll(async () => {
    node = await NodeProcess.start({ http });
    admin = new AdminClient(node.url);
  });

  afterAll(async () => {
    await node.noZombies();
    expect(await node.stop()).toEqual({ code: 0, signal: null });
  });

  beforeEach(() => {
    client = new HttpClient(node.address);
  });

  afterEach(() => client.close());

  it(`${REPLACEMENTS} replacements under load: no request fails, each is answered by a version of its time`, async () => {
    expect((await admin.put("hello", helloSaying("v0"))).status).toBe(200);
    let asked = 0; // the newest version that may be served
    let acknowledged = 0; // the oldest that may still be
    const seen = new Set<number>();
    const load = new Load(node.address, CONNECTIONS, async (lane) => {
      const oldest = acknowledged;
      const { status, body } = await lane.request("/hello");
      const version = Number(/^v(\d+) *$/.exec(body.toString())?.[1] ?? Number.NaN);
      seen.add(version);
      if (status === 200 && version >= oldest && version <= asked) return undefined;
      return `${status} ${body}, where versions ${oldest} to ${asked} may answer`;
    });
    for (let i = 1; i <= REPLACEMENTS; i++) {
      await load.more(20);
      asked = i;
      const { status, body } = await admin.put("hello", helloSaying(`v${i}`));
      expect([status, body.changed]).toEqual([200, true]);
      acknowledged = i;
    }
    await load.more(20);
    await load.stop();
    expect(load.failures.slice(0, 5)).toEqual([]);
    expect(seen.size).toBe(REPLACEMENTS + 1);
    expect((await client.request("/hello")).body.toString().trimEnd()).toBe(`v${REPLACEMENTS}`);
    // The pools of old versions have drained and ended.
    const versions = async () => new Set((await admin.describe("hello")).actors.map(({ version }) => version));
    await expect.poll(versions).toEqual(new Set([REPLACEMENTS + 1]));
  });

  it("rolling back and forth and changing the policy under load fails no request", async () => {
    for (const i of [1, 2]) expect((await admin.put("back", helloSaying(`v${i}`))).status).toBe(200);
    const load = new Load(node.address, CONNECTIONS, async (lane) => {
      const { status, body } = await lane.request("/back");
      return status === 200 && /^v[12] *$/.test(body.toString()) ? undefined : `${status} ${body}`;
    });
    for (let i = 0; i < 12; i++) {
      await load.more(10);
      const version = 2 - (i % 2);
      expect((await admin.rollback("back", version === 2 ? 1 : 2)).status).toBe(200);
      await load.more(10);
      const policy = { limits: { queue: 100 + i } };
      expect((await admin.put("back", helloSaying(`v${version === 2 ? 1 : 2}`), { policy })).status).toBe(200);
    }
    await load.stop();
    expect(load.failures.slice(0, 5)).toEqual([]);
  });

  it("a replaced version finishes what it has begun, and what waits goes to the new one", async () => {
    const policy = { limits: { concurrency: 1 } };
    const all = await whileItRuns(async (ms) => {
      expect((await admin.put("slow", guest("slow"), { policy })).status).toBe(200);
      const lanes = Array.from({ length: 6 }, () => new HttpClient(node.address));
      const answers = lanes.map((lane) => lane.request(`/slow?do=sleep&ms=${ms}`));
      await holdsWithin(ms, async () => (await node.metric("in_flight")) === 6);
      expect((await admin.put("slow", service("hello"))).status).toBe(200);
      return async () => {
        const texts = (await Promise.all(answers)).map(({ status, body }) => `${status} ${body}`);
        for (const lane of lanes) lane.close();
        return texts.sort();
      };
    }, 1500);
    expect(all).toEqual([
      "200 Hello World!",
      "200 Hello World!",
      "200 Hello World!",
      "200 Hello World!",
      "200 Hello World!",
      "200 done\n",
    ]);
  });

  it("a body that still comes in when its service is replaced is answered by the new version", async () => {
    await admin.put("upload", guest("echo-raw"));
    const raw = await RawClient.open(node.address);
    raw.send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345");
    await node.metricSettles("in_flight", (value) => value === 1);
    expect((await admin.put("upload", service("echo"))).status).toBe(200);
    const answer = await raw.send("67890").answer("POST");
    expect([answer?.status, answer?.body.toString()]).toEqual([200, "1234567890"]);
    raw.destroy();
  });

  it("removing under load loses no admitted request: each is answered by the service, or 404", async () => {
    for (let round = 0; round < 8; round++) {
      expect((await admin.put("gone", service("hello"))).status).toBe(200);
      let isRemoved = false;
      let [served, unknown] = [0, 0];
      const load = new Load(node.address, CONNECTIONS, async (lane) => {
        const mayBeServed = !isRemoved;
        const { status, body } = await lane.request("/gone");
        if (status === 404 && body.includes('"unknown_service"')) unknown++;
        else if (status === 200 && mayBeServed && body.toString() === "Hello World!") served++;
        else return `${status} ${body}${mayBeServed ? "" : " after its removal was answered"}`;
        return undefined;
      });
      await load.more(30);
      expect((await admin.remove("gone")).status).toBe(204);
      isRemoved = true;
      await load.more(30);
      await load.stop();
      expect(load.failures.slice(0, 5)).toEqual([]);
      expect([served > 0, unknown > 0]).toEqual([true, true]);
    }
  });

  it("a request that has begun when its service is removed is answered, and so are those that wait", async () => {
    const policy = { limits: { concurrency: 1 }, scale: { max: 1 } };
    await whileItRuns(async (ms) => {
      expect((await admin.put("busy", guest("slow"), { policy })).status).toBe(200);
      const lanes = Array.from({ length: 4 }, () => new HttpClient(node.address));
      const answers = lanes.map((lane) => lane.request(`/busy?do=sleep&ms=${ms}`));
      const areThere = await holdsWithin(ms, async () => (await node.metric("in_flight")) === 4);
      expect((await admin.remove("busy")).status).toBe(204);
      return async () => {
        // One that came after the removal is told so.
        const said = areThere ? /^200 done\n$/ : /^200 done\n$|^404 /;
        for (const { status, body } of await Promise.all(answers)) expect(`${status} ${body}`).toMatch(said);
        for (const lane of lanes) lane.close();
      };
    }, 400);
    expect((await client.request("/busy")).status).toBe(404);
  });

  it("a body that still comes in when its service is removed gets an answer at once when it is whole", async () => {
    await admin.put("upload", service("echo"));
    const raw = await RawClient.open(node.address);
    raw.send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345");
    await node.metricSettles("in_flight", (value) => value === 1);
    expect((await admin.remove("upload")).status).toBe(204);
    const answer = await raw.send("67890").answer("POST");
    expect([200, 404]).toContain(answer?.status);
    if (answer?.status === 200) expect(answer.body.toString()).toBe("1234567890");
    raw.destroy();
    await node.metricSettles("in_flight", (value) => value === 0);
  });
});
