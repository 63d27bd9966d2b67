// One service's use of the network beside the others, in the built program: names that are never answered, handshakes
// that never end, many root certificates. What is told is who is answered before whom.
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createTlsServer } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { guestPath } from "../guests/guests.ts";
import { type Certificates, makeCertificates } from "../harness/certificates.ts";
import { HttpClient } from "../harness/http-client.ts";
import { type NameServer, serveNames } from "../harness/name-server.ts";
import { NodeProcess } from "../harness/node-process.ts";

let folder: string;
let own: Certificates;
let names: NameServer;
let node: NodeProcess;
let client: HttpClient;
const others: HttpClient[] = [];
const servers: Server[] = [];
const sockets = new Set<Socket>();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "frenezulo-fair-"));
  own = makeCertificates(folder);
  names = await serveNames((name) => (name.startsWith("good") ? ["127.0.0.1"] : undefined));
  const network = { connect: ["*.example:*", "localhost:*"] };
  const limits = { deadline: "10m", queue_timeout: "10m", concurrency: 1_000, queue: 1_000 };
  const guest = { source: guestPath("network"), limits, network, breaker: { failures: 10_000 } };
  node = await NodeProcess.start({
    config: {
      log: { level: "debug" },
      dns: { servers: [names.address] },
      services: { greedy: guest, modest: guest },
    },
  });
  client = new HttpClient(node.address);
  // Waiting requests leave their carriers once the light form is there.
  for (const name of ["greedy", "modest"]) await ask(client, `/${name}?do=resolve&name=good.example:1`);
  const light = (): unknown[] => node.log.filter(({ isLight }) => isLight === true).map(({ service }) => service);
  await until(() => new Set(light()).size === 2);
}, 120_000);

afterAll(async () => {
  for (const each of [client, ...others]) each.close();
  for (const each of servers) each.close();
  for (const each of sockets) each.destroy();
  names.close();
  expect(await node.stop()).toEqual({ code: 0, signal: null });
  rmSync(folder, { recursive: true });
});

async function ask(from: HttpClient, path: string, body: Uint8Array | string = ""): Promise<[number, string]> {
  const reply = await from.request(path, body.length > 0 ? { method: "POST", body } : {});
  return [reply.status, reply.body.toString()];
}

/** So many requests at once, each from a client of its own; how many have ended is told. */
function many(count: number, path: (i: number) => string, body: Uint8Array | string = "") {
  const told = { ended: 0, all: Promise.resolve<[number, string][]>([]) };
  const asked = Array.from({ length: count }, (_, i) => {
    const each = new HttpClient(node.address);
    others.push(each);
    return ask(each, path(i), body).finally(() => told.ended++);
  });
  told.all = Promise.all(asked);
  told.all.catch(() => {});
  return told;
}

async function listen(server: Server): Promise<number> {
  servers.push(server);
  server.on("connection", (socket: Socket) => {
    sockets.add(socket.on("error", () => {}));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as { port: number }).port;
}

async function until(test: () => boolean): Promise<void> {
  while (!test()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe("beside a service whose", () => {
  it("lookups are never answered, another's are", async () => {
    const blocked = many(100, (i) => `/greedy?do=resolve&name=silent${i}.example:1`);
    await until(() => names.asked.filter((name) => name.startsWith("silent")).length >= 3);
    for (let i = 0; i < 10; i++) {
      expect(await ask(client, `/modest?do=resolve&name=good${i}.example:1`)).toEqual([200, "resolved"]);
    }
    expect(blocked.ended).toBe(0);
    expect(new Set(names.asked.filter((name) => name.startsWith("silent"))).size).toBeLessThanOrEqual(16);
    for (const each of others.splice(0)) each.close();
  });

  it("handshakes never end, a few are begun, and others shake hands, with 64 roots, while healthz answers", async () => {
    let hellos = 0;
    const silent = await listen(createServer((socket) => void socket.once("data", () => hellos++)));
    const { port: echo } = await new Promise<{ port: number }>((resolve) => {
      const server = createTlsServer({ cert: own.certificate, key: own.key });
      void listen(server).then((port) => resolve({ port }));
    });
    const greedy = many(200, (i) => `/greedy?do=tls&port=${silent}&roots=${1 + (i % 64)}`, own.ca);
    await until(() => hellos > 0);
    for (let i = 0; i < 10; i++) {
      expect(await ask(client, `/modest?do=tls&port=${echo}&roots=64`, own.ca)).toEqual([200, "connected"]);
      expect((await ask(client, "/services/-/healthz"))[0]).toBe(200);
    }
    // 8 at a time, each for 10 s at most: those that have ended made room, perhaps before their answers are here.

    expect(hellos).toBeLessThanOrEqual(16 + greedy.ended);
  });
});
