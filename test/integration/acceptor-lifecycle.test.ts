// Covers src/acceptor: addresses, TLS, limits, slow and leaving clients, stopping; over both implementations.
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Answer } from "../../src/acceptor/contract.ts";
import { RawClient, sleep, valuesOf } from "../harness/raw-http.ts";
import { acceptors, closeAfterEach, start } from "../harness/tiny-front.ts";

const HOST = "Host: a\r\n";
const get = (path: string): string => `GET ${path} HTTP/1.1\r\n${HOST}\r\n`;

async function freeAddress(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return `127.0.0.1:${port}`;
}

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "acceptor-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each(acceptors)("the %s acceptor", (name, make) => {
  closeAfterEach();

  describe("listening", () => {
    it.each(["127.0.0.1:0", "[::1]:0", "localhost:0"])("binds a free port of %s and tells it", async (wanted) => {
      const { front, address } = await start(make, { address: wanted });
      expect(address.slice(0, -1)).toContain(wanted.slice(0, -1));
      expect(Number(/\d+$/.exec(address)![0])).toBeGreaterThan(0);
      const client = await RawClient.open(address);
      expect((await client.request(get("/x")))!.status).toBe(200);
      expect(front.seen).toHaveLength(1);
      client.destroy();
    });

    it("says that a port is in use, by another program and by another acceptor", async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const { port } = server.address() as { port: number };
      await expect(start(make, { address: `127.0.0.1:${port}` })).rejects.toMatchObject({
        code: "cannot_listen",
        message: expect.stringContaining("in use"),
      });
      server.close();
      const { address } = await start(make);
      for (const [, makeOther] of acceptors) {
        await expect(start(makeOther, { address })).rejects.toMatchObject({
          code: "cannot_listen",
          message: expect.stringContaining("in use"),
        });
      }
    });

    it.each(["nonsense", "127.0.0.1:70000", "127.0.0.1", "unix:", "::1:80", "203.0.113.1:1"])(
      "refuses the address %s with the reason",
      async (address) => {
        await expect(start(make, { address })).rejects.toMatchObject({ code: "cannot_listen" });
      },
    );

    it("serves on a unix socket of mode 0600 and removes it when it stops", async () => {
      const path = join(folder, `${name}.sock`);
      const { acceptor, address, front } = await start(make, { address: `unix:${path}` });
      expect(address).toBe(`unix:${path}`);
      expect((statSync(path).mode & 0o777).toString(8)).toBe("600");
      let remote = "?";
      front.onHead = ({ exchange }) => {
        remote = exchange.remoteAddress;
      };
      const client = await RawClient.open(address);
      expect((await client.request(get("/x")))!.status).toBe(200);
      expect(remote).toBe("");
      await expect(start(make, { address })).rejects.toMatchObject({
        code: "cannot_listen",
        message: expect.stringContaining("in use"),
      });
      await acceptor.close();
      expect(existsSync(path)).toBe(false);
    });

    it("takes the path of a socket that nobody answers on, and no other file's", async () => {
      const path = join(folder, `${name}-stale.sock`);
      // A process that dies without closing leaves its socket behind.
      const leave = `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 9))`;
      try {
        execFileSync(process.execPath, ["-e", leave], { stdio: "ignore" });
      } catch {}
      expect(statSync(path).isSocket()).toBe(true);
      const { address } = await start(make, { address: `unix:${path}` });
      const client = await RawClient.open(address);
      expect((await client.request(get("/x")))!.status).toBe(200);
      const file = join(folder, `${name}-file`);
      writeFileSync(file, "precious");
      await expect(start(make, { address: `unix:${file}` })).rejects.toMatchObject({ code: "cannot_listen" });
      expect(existsSync(file)).toBe(true);
    });
  });

  describe("with TLS", () => {
    let tls = { certPath: "", keyPath: "" };
    beforeAll(() => {
      tls = { certPath: join(folder, "cert.pem"), keyPath: join(folder, "key.pem") };
      const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", tls.keyPath];
      const certificate = ["-out", tls.certPath, "-days", "2", "-subj", "/CN=localhost"];
      execFileSync("openssl", ["req", "-x509", ...key, ...certificate], { stdio: "ignore" });
    });

    it("serves requests and bodies both ways, kept alive and closed", async () => {
      const { front, acceptor, address } = await start(make, { tls });
      front.bodyMax = 8 * 1024 * 1024;
      const client = await RawClient.open(address, { tls: true });
      const body = "0123456789".repeat(100_000);
      const request = `POST /x HTTP/1.1\r\n${HOST}Content-Length: ${body.length}\r\n`;
      expect((await client.request(`${request}\r\n${body}`))!.body.toString()).toBe(body);
      expect((await client.request(`${request}Connection: close\r\n\r\n${body}`))!.body.toString()).toBe(body);
      await client.closed();
      const plain = await RawClient.open(address);
      plain.send(get("/plain"));
      await plain.closed();
      expect(front.seen.map(({ path }) => path)).toEqual(["/x", "/x"]);
      await acceptor.close();
      expect(acceptor.connections).toBe(0);
    });

    it("refuses a certificate that cannot be read", async () => {
      await expect(start(make, { tls: { ...tls, keyPath: join(folder, "none.pem") } })).rejects.toMatchObject({
        code: "cannot_listen",
      });
      const bad = join(folder, "bad.pem");
      writeFileSync(bad, "no certificate");
      chmodSync(bad, 0o600);
      await expect(start(make, { tls: { ...tls, certPath: bad } })).rejects.toMatchObject({ code: "cannot_listen" });
    });
  });

  describe("limits", () => {
    it("closes connections above the limit, and takes new ones when others have gone", async () => {
      const { acceptor, address } = await start(make, { connectionsMax: 3 });
      const clients = await Promise.all([1, 2, 3].map(() => RawClient.open(address)));
      for (const client of clients) expect((await client.request(get("/x")))!.status).toBe(200);
      const fourth = await RawClient.open(address);
      await fourth.closed();
      expect(acceptor.connections).toBe(3);
      clients[0]!.destroy();
      while (acceptor.connections > 2) await sleep(5);
      const fifth = await RawClient.open(address);
      expect((await fifth.request(get("/x")))!.status).toBe(200);
      for (const client of [...clients, fifth]) client.destroy();
    });

    it("cuts a client that does not read its answer, at the deadline", async () => {
      const { front, acceptor, address } = await start(make, {
        writePace: { idleMs: 300, rateMin: 1024 ** 3, totalMs: Number.POSITIVE_INFINITY },
      });
      const body = new Uint8Array(64 * 1024 * 1024);
      for (const close of [false, true]) {
        front.respond = (seen) => {
          const answer = new Answer().reset(200);
          answer.close = close;
          front.answer(seen, answer, body);
        };
        const client = await RawClient.open(address);
        client.socket.pause();
        client.send(get("/x"));
        await front.until(() => front.seen.at(-1)?.isAnswered === true);
        while (acceptor.connections > 0) await sleep(20);
        client.socket.resume();
        await client.closed();
        expect(client.total).toBeLessThan(body.length);
        client.destroy();
      }
    });

    it("cuts a client that reads less than the least rate", async () => {
      const { front, acceptor, address } = await start(make, {
        writePace: { idleMs: 500, rateMin: 1024 ** 3, totalMs: Number.POSITIVE_INFINITY },
      });
      front.respond = (seen) => front.answer(seen, new Answer().reset(200), new Uint8Array(64 * 1024 * 1024));
      const client = await RawClient.open(address);
      client.send(get("/x"));
      client.socket.on("data", () => {
        client.socket.pause();
        setTimeout(() => client.socket.resume(), 20);
      });
      await front.until(() => front.seen[0]?.isAnswered === true);
      while (acceptor.connections > 0) await sleep(20);
      client.destroy();
    });

    it("holds one copy of a large answer for a client that does not read, and frees it", async () => {
      const { front, address } = await start(make);
      const body = Buffer.alloc(64 * 1024 * 1024, 1);
      front.respond = (seen) => front.answer(seen, new Answer().reset(200), body);
      const before = process.memoryUsage().rss;
      const client = await RawClient.open(address);
      client.socket.pause();
      client.send(get("/x"));
      await front.until(() => front.seen[0]?.isAnswered === true);
      await sleep(100);
      expect(process.memoryUsage().rss - before).toBeLessThan(1.5 * body.length);
      client.destroy();
    });

    it("closes connections in each of the idle states", async () => {
      // uWS has its own 10 to 14 s and no setting; the time of the node acceptor is ours.
      const { front, acceptor, address } = await start(make, {
        idleMs: 300,
        bodyPace: { idleMs: 300, rateMin: 1024, totalMs: 60_000 },
      });
      const silent = await RawClient.open(address);
      const partial = await RawClient.open(address);
      partial.send("GET /partial HTTP/1.1\r\nHost: a\r\nX-");
      const kept = await RawClient.open(address);
      expect((await kept.request(get("/kept")))!.status).toBe(200);
      const inBody = await RawClient.open(address);
      inBody.send(`POST /body HTTP/1.1\r\n${HOST}Content-Length: 10\r\n\r\n12345`);
      expect((await inBody.answer())!.status).toBe(408);
      await Promise.all([silent, partial, kept, inBody].map((client) => client.closed()));
      expect(front.seen.map(({ path }) => path)).toEqual(["/kept", "/body"]);
      expect(silent.total).toBe(0);
      while (acceptor.connections > 0) await sleep(5);
    });
  });

  describe("clients that leave", () => {
    it.each([
      ["in the request line", "GET /x HT", 0],
      ["in the head", "GET /x HTTP/1.1\r\nHost: a\r\nX-", 0],
      ["after the head of a request with a body", `POST /x HTTP/1.1\r\n${HOST}Content-Length: 10\r\n\r\n`, 1],
      ["in the body", `POST /x HTTP/1.1\r\n${HOST}Content-Length: 10\r\n\r\n12345`, 1],
      ["in a chunk", `POST /x HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n5\r\n12`, 1],
      ["while the request runs", get("/x"), 1],
      ["while a request with a body runs", `POST /x HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\n12345`, 1],
    ])("%s: the front is told once, and not again", async (_when, bytes, requests) => {
      for (const leave of ["destroy", "resetAndDestroy"] as const) {
        const { front, acceptor, address } = await start(make);
        front.respond = () => {};
        for (let i = 0; i < 20; i++) {
          const client = await RawClient.open(address);
          client.send(bytes);
          if (requests === 0) await new Promise((resolve) => client.socket.write("", resolve));
          else await front.until(() => front.seen.length === i + 1);
          client.socket[leave]();
        }
        await front.until(() => front.seen.filter(({ goneCount }) => goneCount === 1).length === 20 * requests);
        while (acceptor.connections > 0) await sleep(5);
        expect(front.seen).toHaveLength(20 * requests);
        for (const seen of front.seen) front.answer(seen, new Answer().reset(200)); // to nobody
      }
    });

    it("while a large answer is written: nothing is told, for it was answered", async () => {
      const { front, acceptor, address } = await start(make);
      front.respond = (seen) => front.answer(seen, new Answer().reset(200), new Uint8Array(16 * 1024 * 1024));
      for (let i = 0; i < 5; i++) {
        const client = await RawClient.open(address);
        client.socket.pause();
        client.send(get("/x"));
        await front.until(() => front.seen[i]?.isAnswered === true);
        client.destroy();
      }
      while (acceptor.connections > 0) await sleep(5);
      expect(front.seen.map(({ goneCount }) => goneCount)).toEqual([0, 0, 0, 0, 0]);
    });
  });

  describe("stopping", () => {
    it("takes no new connections after stopListening, and serves those there are", async () => {
      // A port that is named, as a restart does: uWS sets SO_REUSEADDR then, not for port 0.
      const { acceptor, address } = await start(make, { address: await freeAddress() });
      const kept = await RawClient.open(address);
      expect((await kept.request(get("/x")))!.status).toBe(200);
      acceptor.stopListening();
      await expect(RawClient.open(address)).rejects.toThrow();
      const { acceptor: next } = await start(make, { address });
      for (let i = 0; i < 5; i++) expect((await kept.request(get("/y")))!.status).toBe(200);
      await next.close();
      kept.destroy();
    });

    it("closes every connection on close, tells the front whom it cannot answer, and can be closed twice", async () => {
      const { front, acceptor, address } = await start(make);
      front.respond = () => {};
      const idle = await RawClient.open(address);
      const busy = await RawClient.open(address);
      busy.send(get("/busy"));
      await front.until(() => front.seen.length === 1);
      await acceptor.close();
      await Promise.all([idle.closed(), busy.closed()]);
      expect([acceptor.connections, front.seen[0]!.goneCount]).toEqual([0, 1]);
      await acceptor.close();
    });

    it("answers with Connection: close where the front says so during a drain", async () => {
      const { front, acceptor, address } = await start(make);
      const kept = await RawClient.open(address);
      await kept.request(get("/x"));
      acceptor.stopListening();
      front.respond = (seen) => {
        const answer = new Answer().reset(503);
        answer.close = true;
        front.answer(seen, answer, "draining");
      };
      const answer = await kept.request(get("/y"));
      expect([answer!.status, valuesOf(answer!, "connection")]).toEqual([503, ["close"]]);
      await kept.closed();
    });
  });
});
