// src/networking over real loopback sockets: TLS, with certificates of a CA that is made for the test.
import { createPrivateKey, randomBytes, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Lookup } from "../../../src/networking/names.ts";
import type { Networking } from "../../../src/networking/networking.ts";
import { NETWORK, PayloadWriter } from "../../../wire/network.ts";
import { type Certificates, makeCertificates } from "../../harness/certificates.ts";
import { Asking, at, client, ENVIRONMENT, loopback, NEVER, networking, of, serve, until } from "./fixture.ts";

let own: Certificates;
let folder: string;
const open: Networking[] = [];
const closing: (() => void)[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "frenezulo-tls-"));
  own = makeCertificates(folder);
});
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => {
  for (const each of open.splice(0)) each.closeEnvironment(ENVIRONMENT);
  for (const close of closing.splice(0)) close();
});

/** Has the form of an RSA key; finding the primes of a real one takes seconds. */
function keyOf(bits: number): Buffer {
  const number = (bytes: number): string =>
    Buffer.concat([Buffer.of(0xff), randomBytes(bytes - 1)]).toString("base64url");
  const [n, d] = [number(bits / 8), number(bits / 8)];
  const half = Math.ceil(bits / 16) + 1;
  const parts = { p: number(half), q: number(half), dp: number(half), dq: number(half), qi: number(half) };
  const key = createPrivateKey({ format: "jwk", key: { kty: "RSA", e: "AQAB", n, d, ...parts } });
  return Buffer.from(key.export({ type: "pkcs8", format: "pem" }));
}

function fresh(...args: Parameters<typeof networking>): Networking {
  const made = networking(...args);
  open.push(made);
  return made;
}

async function bindTls(guest: Asking, { certificate, key } = own): Promise<{ handle: number; port: number }> {
  const payload = at("127.0.0.1", 0).u32(certificate.length).raw(certificate).raw(key);
  const handle = (await guest.must(NETWORK.tlsBind, payload)).u32();
  return { handle, port: (await guest.must(NETWORK.localAddress, of(handle))).address().port };
}

function connecting(host: string, port: number, roots: readonly Buffer[], ms = NEVER): PayloadWriter {
  const name = Buffer.from(host);
  const payload = new PayloadWriter().u16(port).u64(ms).u16(name.length).raw(name);
  for (const root of roots) payload.u32(root.length).raw(root);
  return payload;
}

function derOf(pem: Buffer): Buffer {
  return new X509Certificate(pem).raw;
}

async function connectTo(
  guest: Asking,
  host: string,
  port: number,
  roots = [derOf(own.ca)],
  ms = NEVER,
): Promise<number> {
  return (await guest.must(NETWORK.tlsConnect, connecting(host, port, roots, ms))).u32();
}

const toLoopback: Lookup = async () => ["127.0.0.1"];

const localhost = { connect: ["localhost:*"] };

describe("a TLS stream", () => {
  it("goes from guest to guest, by name and by address", async () => {
    const guests = fresh(localhost);
    const server = new Asking(guests);
    const listener = await bindTls(server);
    for (const host of ["localhost", "127.0.0.1"]) {
      const guest = new Asking(guests);
      const stream = await connectTo(guest, host, listener.port);
      const accepted = await server.accept(listener.handle);
      await guest.write(stream, "secret");
      expect((await server.read(accepted.handle)).toString()).toBe("secret");
      await server.writeAll(accepted.handle, Buffer.alloc(300_000, "s"));
      await server.drop(accepted.handle);
      expect((await guest.readAll(stream)).length).toBe(300_000);
    }
  });

  it("reaches a server of Node's own, and serves a client of its own", async () => {
    const outside = createTlsServer({ cert: own.certificate, key: own.key }, (socket) => socket.pipe(socket));
    closing.push(() => outside.close());
    outside.listen(0, "127.0.0.1");
    await once(outside, "listening");
    const { port } = outside.address() as { port: number };
    const guests = fresh(localhost);
    const guest = new Asking(guests);
    const stream = await connectTo(guest, "localhost", port);
    await guest.write(stream, "echo");
    expect((await guest.readSome(stream, 4)).toString()).toBe("echo");
    const server = new Asking(guests);
    const listener = await bindTls(server);
    const socket = connectTls({ port: listener.port, host: "localhost", ca: own.ca });
    closing.push(() => socket.destroy());
    await once(socket, "secureConnect");
    const { handle } = await server.accept(listener.handle);
    socket.write("hello");
    expect((await server.readSome(handle, 5)).toString()).toBe("hello");
  });

  it("is refused without the root, and for another name", async () => {
    const guests = fresh({ connect: ["localhost:*", "other.example:*", "127.0.0.1:*"] }, { lookup: toLoopback });
    const server = new Asking(guests);
    const listener = await bindTls(server);
    const guest = new Asking(guests);
    await expect(connectTo(guest, "localhost", listener.port, [])).rejects.toThrow(/TLS with localhost: .*certificate/);
    await expect(connectTo(guest, "other.example", listener.port)).rejects.toThrow(
      /TLS with other.example: .*altnames/,
    );
    await expect(connectTo(guest, "localhost", listener.port, [Buffer.from("no")])).rejects.toThrow("certificate");
    const much = [Buffer.alloc(200_000), Buffer.alloc(62_600)];
    await expect(connectTo(guest, "localhost", listener.port, much)).rejects.toThrow("more than 262144 bytes in all");
    expect(guests.sockets).toBeLessThanOrEqual(4);
  });

  it("goes to those addresses of a name that are allowed", async () => {
    const guests = fresh(); // 127.0.0.1, and not ::1
    const listener = await bindTls(new Asking(guests));
    expect(await connectTo(new Asking(guests), "localhost", listener.port)).toBeGreaterThan(0);
    const none = new Asking(fresh({ connect: ["127.0.0.2:*"] }));
    await expect(connectTo(none, "localhost", listener.port)).rejects.toThrow("does not name it, like");
  });

  it("times out while the other side says nothing", async () => {
    const { port, server } = await serve(() => {});
    closing.push(() => server.close());
    const guest = new Asking(fresh(localhost));
    expect((await guest.ask(NETWORK.tlsConnect, connecting("localhost", port, [], 50n))).kind).toBe("timed_out");
  });
});

describe("handshakes", () => {
  it("of one environment are a few at a time, and another's go on beside them", async () => {
    let hellos = 0;
    const connections: Socket[] = [];
    const silent = await serve((socket) => {
      connections.push(socket);
      socket.once("data", () => hellos++);
    });
    closing.push(() => silent.server.close());
    const guests = fresh({ ...localhost, sockets: 200 });
    guests.openEnvironment(2, { ...loopback, ...localhost });
    closing.push(() => guests.closeEnvironment(2));
    const asking = Array.from({ length: 100 }, () => new Asking(guests));
    const answers = asking.map((guest) => guest.ask(NETWORK.tlsConnect, connecting("localhost", silent.port, [])));
    await until(() => connections.length === 100 && hellos > 0);

    const server = new Asking(guests, { environment: 2 });
    const listener = await bindTls(server);
    for (let i = 0; i < 5; i++) {
      await connectTo(new Asking(guests, { environment: 2 }), "localhost", listener.port);
      await server.accept(listener.handle);
    }
    expect(hellos).toBe(8);
    // Those whose process ends make room for the next.
    for (const { pid } of asking.slice(0, 50)) guests.endProcess(pid);
    await until(() => hellos === 16);
    for (const { pid } of asking) guests.endProcess(pid);
    for (const answer of await Promise.all(answers)) expect(answer.kind).toBe("failed");
    await until(() => guests.sockets === 11);
  });

  it("that wait for their turn fail if their connection is reset meanwhile", async () => {
    const connections: Socket[] = [];
    const resetting = await serve((socket) => void connections.push(socket));
    closing.push(() => resetting.server.close());
    const guests = fresh(localhost);
    const asked = Array.from({ length: 30 }, () =>
      new Asking(guests).ask(NETWORK.tlsConnect, connecting("localhost", resetting.port, [])),
    );
    await until(() => connections.length === 30);
    for (const each of connections) each.resetAndDestroy();
    for (const answer of await Promise.all(asked)) expect(answer.kind).toBe("failed");
    expect(guests.sockets).toBe(0);
  });

  it("that wait for their turn end with their time", async () => {
    const silent = await serve(() => {});
    closing.push(() => silent.server.close());
    const guests = fresh({ ...localhost, handshakes: 1 });
    const asked = [50n, 60n, 70n].map((ms) =>
      new Asking(guests).ask(NETWORK.tlsConnect, connecting("localhost", silent.port, [], ms)),
    );
    for (const { kind } of await Promise.all(asked)) expect(kind).toBe("timed_out");
    expect(guests.sockets).toBe(0);
  });
});

describe("a handshake", () => {
  const legacy = { maxVersion: "TLSv1.2" } as const;

  it("is not done again for a server that asks for it", async () => {
    const outcomes: string[] = [];
    const outside = createTlsServer({ cert: own.certificate, key: own.key, ...legacy }, (socket) => {
      socket.on("error", (error) => outcomes.push(error.message));
      socket.renegotiate({}, (error) => outcomes.push(error === null ? "done again" : error.message));
    });
    closing.push(() => outside.close());
    outside.listen(0, "127.0.0.1");
    await once(outside, "listening");
    await connectTo(new Asking(fresh(localhost)), "localhost", (outside.address() as { port: number }).port);
    await until(() => outcomes.length > 0);
    expect(outcomes[0]).toContain("no renegotiation");
  });

  it("is not done again for a client that asks for it", async () => {
    const server = new Asking(fresh(localhost));
    const listener = await bindTls(server);
    const socket = connectTls({ port: listener.port, host: "localhost", ca: own.ca, ...legacy });
    closing.push(() => socket.destroy());
    await once(socket, "secureConnect");
    await server.accept(listener.handle);
    const failed = once(socket, "error");
    socket.renegotiate({}, () => {});
    expect(String(await failed)).toContain("no renegotiation");
  });
});

describe("a TLS listener", () => {
  it("fails the accept of a client that does not shake hands, and goes on", async () => {
    const guests = fresh(localhost);
    const server = new Asking(guests);
    const listener = await bindTls(server);
    const bad = await client(listener.port);
    closing.push(() => bad.destroy());
    bad.write("GET / HTTP/1.1\r\n\r\n");
    await expect(server.accept(listener.handle)).rejects.toThrow("the TLS handshake failed");
    const left = await client(listener.port);
    left.destroy();
    await expect(server.accept(listener.handle)).rejects.toThrow("the TLS handshake failed");
    expect(guests.sockets).toBe(1);
    const stream = await connectTo(new Asking(guests), "localhost", listener.port);
    expect(stream).toBeGreaterThan(0);
    await server.accept(listener.handle);
  });

  it("is not kept from others by a client that says nothing", async () => {
    const guests = fresh(localhost);
    const server = new Asking(guests);
    const listener = await bindTls(server);
    const silent = await client(listener.port);
    closing.push(() => silent.destroy());
    const guest = new Asking(guests);
    await connectTo(guest, "localhost", listener.port);
    const accepted = await server.accept(listener.handle);
    expect(accepted.peerPort).not.toBe(silent.localPort);
    expect(guests.sockets).toBe(4);
    await server.drop(listener.handle);
    await until(() => guests.sockets === 2);
  });

  it("is refused with a key or certificate that is none", async () => {
    const guest = new Asking(fresh());
    await expect(bindTls(guest, { ...own, key: Buffer.from("no") })).rejects.toThrow("cannot be used");
    await expect(bindTls(guest, { ...own, certificate: own.key })).rejects.toThrow("cannot be used");
    await expect(bindTls(guest, { ...own, key: keyOf(4_104) })).rejects.toThrow("RSA of at most 4096 bits");
    expect(open[0]?.sockets).toBe(0);
  });

  it("has clients that end while they shake hands when it is closed", async () => {
    const guests = fresh(localhost);
    const server = new Asking(guests);
    const listener = await bindTls(server);
    const silent = await client(listener.port);
    const other = connectTls({ port: listener.port, host: "localhost", ca: own.ca }) as TLSSocket;
    closing.push(() => other.destroy());
    await once(other, "secureConnect");
    guests.endProcess(server.pid);
    silent.resume();
    await once(silent, "end");
    silent.destroy();
    await until(() => guests.sockets === 0);
  });
});
