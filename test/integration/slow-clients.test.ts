// The whole node over both acceptors: clients that are slow, and clients that only take up room, beside others.
import { afterEach, describe, expect, it } from "vitest";
import { guestPath, servicePath } from "../guests/guests.ts";
import { NodeProcess } from "../harness/node-process.ts";
import { RawClient, sleep } from "../harness/raw-http.ts";
import { acceptors } from "../harness/tiny-front.ts";

const HEAD = "HTTP/1.1\r\nHost: a\r\n";

describe.each(acceptors.map(([name]) => name))("over %s", (http) => {
  let node: NodeProcess;
  const clients: RawClient[] = [];

  const start = async (config: Readonly<Record<string, unknown>>): Promise<void> => {
    node = await NodeProcess.start({ http, config });
  };
  const open = async (from = "127.0.0.1"): Promise<RawClient> => {
    const client = await RawClient.open(node.address, { from });
    clients.push(client);
    return client;
  };

  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy();
    expect(await node.stop()).toEqual({ code: 0, signal: null });
  });

  it("an upload that takes longer than queue_timeout waits for its actor like any other", {
    timeout: 120_000,
  }, async () => {
    const limits = { queue_timeout: "5s", deadline: "1m" };
    await start({ services: { slow: { source: guestPath("slow"), scale: { max: 1 }, limits } } });
    const warm = await open();
    expect((await warm.request(`GET /slow?ms=1 ${HEAD}\r\n`))?.status).toBe(200);
    const uploads = await Promise.all([open(), open(), open()]);
    for (const upload of uploads) upload.send(`POST /slow?ms=1 ${HEAD}Content-Length: 12\r\n\r\n`);
    for (let i = 0; i < 11; i++) {
      await sleep(500); // longer than queue_timeout in all
      for (const upload of uploads) upload.send("x");
    }
    // The one actor is busy when they are whole, so that they have to wait.
    warm.send(`GET /slow?do=sleep&ms=1000 ${HEAD}\r\n`);
    await node.metricSettles("in_flight", (value) => value === 4);
    for (const upload of uploads) upload.send("x");
    expect((await warm.answer())?.status).toBe(200);
    const answers = await Promise.all(uploads.map((upload) => upload.answer()));
    expect(answers.map((answer) => answer?.status)).toEqual([200, 200, 200]);
  });

  const post = (path: string, body: string): string =>
    `POST ${path} ${HEAD}Content-Length: ${body.length}\r\n\r\n${body}`;
  const statusOf = async (client: RawClient, text: string): Promise<number | undefined> =>
    (await client.request(text))?.status;

  it("clients that announce bodies and send nothing take no room from others", { timeout: 120_000 }, async () => {
    await start({ listen: { body_idle: "1h" }, services: { echo: { source: servicePath("echo") } } });
    const silent = await Promise.all(Array.from({ length: 64 }, () => open()));
    silent.forEach((client, i) => {
      const length = i % 2 === 0 ? "Transfer-Encoding: chunked" : `Content-Length: ${1024 * 1024}`;
      client.send(`POST /echo ${HEAD}${length}\r\n\r\n`);
    });
    await node.metricSettles("in_flight", (value) => value === 64);
    const body = "x".repeat(1_000_000);
    for (let i = 0; i < 12; i++) expect(await statusOf(await open(), post("/echo", body))).toBe(200);
    // A large admin request is read, too; that it is no module is found in its body.
    const admin = await open();
    const put = `PUT /services/other HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/wasm\r\n`;
    expect(await statusOf(admin, `${put}Content-Length: ${body.length}\r\n\r\n${body}`)).toBe(422);
    expect(await node.metric("in_flight")).toBe(64); // they are there all the time
  });

  it("a source whose bodies stay half has its own part of the room only", { timeout: 120_000 }, async () => {
    const limits = { body_in: "64KiB" };
    const services = {
      echo: { source: servicePath("echo"), limits },
      other: { source: servicePath("echo"), limits },
    };
    await start({ limits: { body_bytes: "1MiB" }, services });
    const halves = await Promise.all(Array.from({ length: 40 }, () => open("127.0.0.2")));
    for (const client of halves) client.send(`POST /echo ${HEAD}Content-Length: 65536\r\n\r\n`);
    await node.metricSettles("bodies", (value) => value === halves.length);
    for (const client of halves) client.send("x".repeat(60_000));
    await node.metricSettles("bodies_waiting", (value) => value > 0);
    expect(await node.metric("body_bytes")).toBeLessThan(1024 * 1024);
    for (const path of ["/echo", "/other"]) {
      for (let i = 0; i < 10; i++) {
        expect(await statusOf(await open("127.0.0.3"), post(path, "x".repeat(60_000)))).toBe(200);
      }
    }
    // And those that are only slow get on: room is made as they end, one after the other.
    for (const client of halves) client.send("x".repeat(5_536));
    const answers = await Promise.all(halves.map((client) => client.answer()));
    expect(answers.map((answer) => answer?.body.length)).toEqual(halves.map(() => 65_536));
    await node.metricSettles("body_bytes", (value) => value === 0);
    expect(await node.metric("bodies")).toBe(0);
  });

  it("a source has its part of the bodies that may come at once, and they are none of those in flight", async () => {
    const services = { echo: { source: servicePath("echo") }, hello: { source: servicePath("hello") } };
    await start({ limits: { bodies: 20, in_flight: 2 }, services });
    const begun = `POST /echo ${HEAD}Content-Length: 10\r\n\r\n`;
    const uploads = await Promise.all(Array.from({ length: 5 }, () => open("127.0.0.2")));
    for (const client of uploads) client.send(begun);
    await node.metricSettles("bodies", (value) => value === 5);
    const refused = await (await open("127.0.0.2")).request(begun);
    expect([refused?.status, refused?.body.toString()]).toEqual([
      503,
      expect.stringContaining("5 bodies are coming in from this address (limits.bodies_source)"),
    ]);
    expect(refused?.headers.find(([name]) => name === "retry-after")).toEqual(["retry-after", "1"]);
    for (const from of ["127.0.0.2", "127.0.0.3"]) {
      expect(await statusOf(await open(from), `GET /hello ${HEAD}\r\n`)).toBe(200);
    }
    expect(await statusOf(await open("127.0.0.3"), post("/echo", "0123456789"))).toBe(200);
    for (const client of uploads) {
      client.send("0123456789");
      expect((await client.answer())?.status).toBe(200);
    }
  });

  it("clients that take nothing of their answers hold no more than their service's part", {
    timeout: 180_000,
  }, async () => {
    const MIB = 1024 * 1024;
    const services = {
      bytes: {
        source: guestPath("bytes"),
        limits: { body_out: "8MiB", memory: "32MiB", queue_timeout: "10m", queue: 1000 },
      },
      hello: { source: servicePath("hello") },
    };
    await start({ limits: { unsent_bytes: "64MiB", unsent_service: 0.25 }, services });
    const before = node.usage().rssBytes;
    const takers = await Promise.all(Array.from({ length: 60 }, () => open("127.0.0.2")));
    for (const client of takers) {
      client.socket.pause();
      client.send(`GET /bytes?n=${8 * MIB} ${HEAD}\r\n`);
    }
    await node.metricSettles("unsent_cut_total", (value) => value > 0);
    // What one actor after the other had begun when the part was full comes on top of it.
    const most = 64 * MIB;
    for (let i = 0; i < 20; i++) {
      expect(await node.metric("unsent_bytes")).toBeLessThan(most);
      expect(await statusOf(await open(), `GET /hello ${HEAD}\r\n`)).toBe(200);
      await sleep(50);
    }
    // Who takes an answer gets it whole, of the same service, after some of the others were cut.
    const reader = await (await open("127.0.0.3")).request(`GET /bytes?n=${8 * MIB} ${HEAD}\r\n`);
    expect([reader?.status, reader?.body.length]).toEqual([200, 8 * MIB]);
    expect(node.usage().rssBytes - before).toBeLessThan(60 * 8 * MIB);
    for (const client of takers) client.destroy();
    await node.metricSettles("unsent_bytes", (value) => value === 0);
  });
});
