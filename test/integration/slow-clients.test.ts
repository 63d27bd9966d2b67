// The whole node over both acceptors: clients that are slow, and clients that only take up room, beside others.
import { afterEach, describe, expect, it } from "vitest";
import { guestPath } from "../guests/guests.ts";
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
  const open = async (): Promise<RawClient> => {
    const client = await RawClient.open(node.address);
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
});
