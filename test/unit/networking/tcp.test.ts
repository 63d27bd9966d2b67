// src/networking over real loopback sockets: TCP, who holds what, and what happens when holders end.
import { once } from "node:events";
import type { Server, Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { Networking } from "../../../src/networking/networking.ts";
import { NETWORK } from "../../../wire/network.ts";
import { Asking, at, client, ENVIRONMENT, loopback, networking, of, serve, until } from "./fixture.ts";

const open: Networking[] = [];
const servers: Server[] = [];
const sockets: Socket[] = [];

function fresh(...args: Parameters<typeof networking>): Networking {
  const made = networking(...args);
  open.push(made);
  return made;
}

async function serving(connected: (socket: Socket) => void): Promise<number> {
  const { port, server } = await serve((socket) => {
    sockets.push(socket);
    connected(socket);
  });
  servers.push(server);
  return port;
}

async function connecting(port: number): Promise<Socket> {
  const socket = await client(port);
  sockets.push(socket);
  return socket;
}

function deferred<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

afterEach(() => {
  for (const each of open.splice(0)) each.closeEnvironment(ENVIRONMENT);
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

describe("a TCP stream", () => {
  it("connects, says who is at its other end, and carries bytes both ways until each side ends", async () => {
    const guests = fresh();
    const server = new Asking(guests);
    const listener = await server.bind();
    const clientGuest = new Asking(guests);
    const stream = await clientGuest.connect(listener.port);
    const accepted = await server.accept(listener.handle);
    expect(accepted.peer).toBe("127.0.0.1");
    const local = (await clientGuest.must(NETWORK.localAddress, of(stream))).address();
    expect(local.port).toBe(accepted.peerPort);
    expect((await clientGuest.must(NETWORK.peerAddress, of(stream))).address().port).toBe(listener.port);

    expect(await clientGuest.write(stream, "question")).toBe(8);
    expect((await server.read(accepted.handle, 3)).toString()).toBe("que");
    expect((await server.read(accepted.handle)).toString()).toBe("stion");
    await server.write(accepted.handle, "answer");
    await server.must(NETWORK.flush, of(accepted.handle));
    await server.drop(accepted.handle);
    expect((await clientGuest.readAll(stream)).toString()).toBe("answer");
    expect((await clientGuest.read(stream)).length).toBe(0);
  });

  it("peeks without taking, as often as asked", async () => {
    const port = await serving((socket) => socket.write("abcdef"));
    const guest = new Asking(fresh());
    const stream = await guest.connect(port);
    expect((await guest.peek(stream, 3)).toString()).toBe("abc");
    expect((await guest.peek(stream)).toString()).toBe("abcdef");
    expect((await guest.readSome(stream, 2)).toString()).toBe("ab");
    expect((await guest.peek(stream)).toString()).toBe("cdef");
    expect((await guest.readSome(stream, 4)).toString()).toBe("cdef");
  });

  it("keeps the time-outs of the connection, and nothing is lost by one", async () => {
    const port = await serving((socket) => socket.once("data", () => socket.write("late")));
    const guest = new Asking(fresh());
    const stream = await guest.connect(port);
    const clone = (await guest.must(NETWORK.clone, of(stream))).u32();
    await guest.setTimeout(stream, "read", 20n);
    await guest.setTimeout(stream, "peek", 0n);
    await expect(guest.read(clone)).rejects.toThrow("timed out");
    await expect(guest.peek(clone)).rejects.toThrow("timed out");
    await guest.write(stream, "go");
    await guest.setTimeout(stream, "read", 2n ** 64n - 1n);
    expect((await guest.read(clone)).toString()).toBe("late");
  });

  it("tells a refused connection, a reset and an end apart", async () => {
    const guest = new Asking(fresh());
    const gone = await serve(() => {});
    gone.server.close();
    await once(gone.server, "close");
    await expect(guest.connect(gone.port)).rejects.toThrow("ECONNREFUSED");
    const port = await serving((socket) => socket.once("data", () => socket.resetAndDestroy()));
    const stream = await guest.connect(port);
    await guest.write(stream, "x");
    await expect(guest.read(stream)).rejects.toThrow("ECONNRESET");
    await expect(guest.write(stream, "y")).rejects.toThrow("ECONNRESET");
  });

  it("is half closed by its peer and still writes", async () => {
    const got: string[] = [];
    const port = await serving((socket) => {
      socket.end();
      socket.on("data", (bytes) => got.push(bytes.toString()));
    });
    const guest = new Asking(fresh());
    const stream = await guest.connect(port);
    expect((await guest.read(stream)).length).toBe(0);
    await guest.write(stream, "still here");
    await until(() => got.length > 0);
    expect(got.join("")).toBe("still here");
  });

  it("sends what was accepted although its last holder has gone", async () => {
    const parts: Buffer[] = [];
    let isOver = false;
    const port = await serving((socket) => {
      socket.on("data", (bytes) => parts.push(bytes));
      socket.on("end", () => {
        isOver = true;
      });
    });
    const guests = fresh();
    const guest = new Asking(guests);
    const stream = await guest.connect(port);
    await guest.write(stream, Buffer.alloc(60_000, "z"));
    guests.endProcess(guest.pid);
    await until(() => isOver);
    expect(Buffer.concat(parts).length).toBe(60_000);
  });
});

describe("back-pressure", () => {
  it("makes a writer wait for a slow reader, in bounded memory, and nothing is lost", async () => {
    const reading = deferred<Socket>();
    const port = await serving((socket) => {
      socket.pause();
      reading.resolve(socket);
    });
    const guest = new Asking(fresh());
    const stream = await guest.connect(port);
    const piece = Buffer.alloc(65_536);
    await guest.setTimeout(stream, "write", 100n);
    let accepted = 0;
    for (let isFull = false; !isFull; ) {
      piece.fill(accepted / piece.length);
      const answer = await guest.ask(NETWORK.write, of(stream).raw(piece));
      if (answer.kind === "ok") accepted += answer.payload.u32();
      else {
        expect(answer.kind).toBe("timed_out");
        isFull = true;
      }
      // Far more than the buffers of two loopback sockets: without back-pressure there is no end.
      expect(accepted).toBeLessThan(64 << 20);
    }
    const peer = await reading.promise;
    let received = 0;
    let wrong = 0;
    peer.on("data", (bytes) => {
      for (const [at, byte] of bytes.entries())
        if (byte !== (Math.floor((received + at) / piece.length) & 0xff)) wrong++;
      received += bytes.length;
    });
    peer.resume();
    await until(() => received >= accepted);
    await guest.must(NETWORK.flush, of(stream));
    expect({ received, wrong }).toEqual({ received: accepted, wrong: 0 });
  });

  it("holds a fast sender back while nobody reads", async () => {
    const sending = deferred<Socket>();
    const port = await serving((socket) => sending.resolve(socket));
    const guest = new Asking(fresh());
    const stream = await guest.connect(port);
    const peer = await sending.promise;
    const piece = Buffer.alloc(1 << 20, 7);
    let sent = 0;
    // A write is done when the system has taken it: here until both sockets' buffers are full.
    const send = (): boolean => peer.write(piece, () => (sent += piece.length));
    for (let i = 0; i < 64; i++) send();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(sent).toBeLessThan(32 << 20);
    peer.end();
    let received = 0;
    for (let part = await guest.read(stream); part.length > 0; part = await guest.read(stream)) {
      expect(part.length).toBeLessThanOrEqual(65_536);
      received += part.length;
    }
    expect(received).toBe(64 << 20);
  });
});

describe("a holder that ends", () => {
  it("leaves the connection that it waited for to the next accept", async () => {
    const guests = fresh();
    const first = new Asking(guests);
    const listener = await first.bind();
    const clone = (await first.must(NETWORK.clone, of(listener.handle))).u32();
    await first.must(NETWORK.give, of(clone));
    const dying = new Asking(guests);
    await dying.must(NETWORK.take, of(clone));
    const abandoned = dying.ask(NETWORK.accept, of(clone));
    const accepted = first.accept(listener.handle);
    guests.endProcess(dying.pid);
    expect((await abandoned).kind).toBe("failed");
    const socket = await connecting(listener.port);
    expect((await accepted).peerPort).toBe(socket.localPort);
  });

  it("takes no byte of a stream that another one reads", async () => {
    const sending = deferred<Socket>();
    const port = await serving((socket) => sending.resolve(socket));
    const guests = fresh();
    const owner = new Asking(guests);
    const stream = await owner.connect(port);
    const clone = (await owner.must(NETWORK.clone, of(stream))).u32();
    await owner.must(NETWORK.give, of(clone));
    const dying = new Asking(guests);
    await dying.must(NETWORK.take, of(clone));
    const abandoned = dying.ask(NETWORK.read, of(clone).u32(100));
    guests.endProcess(dying.pid);
    await abandoned;
    (await sending.promise).write("for the living");
    expect((await owner.read(stream)).toString()).toBe("for the living");
  });

  it("closes what it held, and a connection only with its last clone", async () => {
    let closed = false;
    const port = await serving((socket) => {
      socket.resume();
      socket.on("end", () => {
        closed = true;
        socket.end();
      });
    });
    const guests = fresh();
    const one = new Asking(guests);
    const two = new Asking(guests);
    const stream = await one.connect(port);
    const clone = (await one.must(NETWORK.clone, of(stream))).u32();
    await one.must(NETWORK.give, of(clone));
    await two.must(NETWORK.take, of(clone));
    expect(guests.sockets).toBe(2);
    guests.endProcess(one.pid);
    expect(guests.sockets).toBe(1);
    expect(await two.write(clone, "x")).toBe(1);
    expect(closed).toBe(false);
    await two.drop(clone);
    await until(() => closed);
    expect(guests.sockets).toBe(0);
  });

  it("leaves nothing open when its carrier or its environment ends", async () => {
    const guests = fresh();
    guests.openEnvironment(2, loopback);
    const here = new Asking(guests, { slot: 5 });
    const neighbour = new Asking(guests, { slot: 6 });
    const stranger = new Asking(guests, { slot: 6, environment: 2 });
    const ports = [];
    for (const each of [here, neighbour, stranger]) ports.push((await each.bind()).port);
    guests.endSlot(5);
    expect(guests.sockets).toBe(2);
    guests.closeEnvironment(2);
    expect(guests.sockets).toBe(1);
    await expect(client(ports[0]!)).rejects.toThrow("ECONNREFUSED");
    await connecting(ports[1]!);
    await expect(client(ports[2]!)).rejects.toThrow("ECONNREFUSED");
  });

  it("ends what it had begun: no socket is made for it afterwards", async () => {
    const guests = fresh();
    const port = await serving(() => {});
    const guest = new Asking(guests);
    const asked = guest.ask(NETWORK.tcpConnect, at("127.0.0.1", port).u64(1_000n));
    const bound = new Asking(guests);
    const binding = bound.ask(NETWORK.tcpBind, at("127.0.0.1", 0));
    guests.endProcess(guest.pid);
    guests.endProcess(bound.pid);
    expect((await asked).kind).toBe("failed");
    expect((await binding).kind).toBe("failed");
    expect(guests.sockets).toBe(0);
  });
});

describe("a handle", () => {
  it("is good for its holder only", async () => {
    const guests = fresh();
    const owner = new Asking(guests);
    const { handle } = await owner.bind();
    const other = new Asking(guests);
    for (const op of [NETWORK.accept, NETWORK.localAddress, NETWORK.clone, NETWORK.give, NETWORK.take])
      expect(await other.ask(op, of(handle))).toEqual({ kind: "failed", text: "the socket is closed" });
    await other.drop(handle);
    expect(guests.sockets).toBe(1);
    await owner.drop(handle);
    expect(guests.sockets).toBe(0);
  });

  it("goes from process to process in a message, within its environment", async () => {
    const guests = fresh();
    guests.openEnvironment(2, loopback);
    const sender = new Asking(guests);
    const { handle } = await sender.bind();
    await sender.must(NETWORK.give, of(handle));
    guests.endProcess(sender.pid);
    expect((await new Asking(guests, { environment: 2 }).ask(NETWORK.take, of(handle))).kind).toBe("failed");
    const taker = new Asking(guests);
    await taker.must(NETWORK.take, of(handle));
    expect((await taker.must(NETWORK.localAddress, of(handle))).address().port).toBeGreaterThan(0);
    expect((await new Asking(guests).ask(NETWORK.take, of(handle))).kind).toBe("failed");
    guests.closeEnvironment(2);
  });

  it("that nobody takes from its message is closed after a while", async () => {
    const guests = fresh({}, { transitMs: 20 });
    const sender = new Asking(guests);
    const { handle } = await sender.bind();
    await sender.must(NETWORK.give, of(handle));
    await until(() => guests.sockets === 0);
    expect((await new Asking(guests).ask(NETWORK.take, of(handle))).kind).toBe("failed");
  });

  it("is refused beyond the environment's sockets, and free again after", async () => {
    const guests = fresh({ sockets: 3 });
    const guest = new Asking(guests);
    const listener = await guest.bind();
    const clone = (await guest.must(NETWORK.clone, of(listener.handle))).u32();
    const third = await guest.bind();
    const full = "too many sockets: the policy's network.sockets is 3";
    await expect(guest.bind()).rejects.toThrow(full);
    await expect(guest.connect(listener.port)).rejects.toThrow(full);
    expect((await guest.ask(NETWORK.clone, of(clone))).kind).toBe("failed");
    await guest.drop(clone);
    await guest.drop(third.handle);
    await guest.connect(listener.port);
    // The connection that waits to be accepted was the third.
    await expect(guest.bind()).rejects.toThrow(full);
    await guest.accept(listener.handle);
    expect(guests.sockets).toBe(3);
  });
});

describe("a listener", () => {
  it("keeps 1,024 connections waiting and closes what comes beyond them", async () => {
    const guests = fresh({ sockets: 2_000 });
    const guest = new Asking(guests);
    const { handle, port } = await guest.bind();
    let closed = 0;
    for (let i = 0; i < 1_030; i++) {
      const socket = await connecting(port);
      socket.on("end", () => closed++);
      socket.resume();
    }
    await until(() => closed === 6 && guests.sockets === 1_025);
    for (let i = 0; i < 1_024; i++) await guest.accept(handle);
    const late = await connecting(port);
    expect((await guest.accept(handle)).peerPort).toBe(late.localPort);
  });

  it("serves many connections at once, each its own bytes", async () => {
    const guests = fresh({ sockets: 500 });
    const server = new Asking(guests);
    const listener = await server.bind();
    const echo = async (): Promise<void> => {
      const { handle } = await server.accept(listener.handle);
      const worker = new Asking(guests);
      await server.must(NETWORK.give, of(handle));
      await worker.must(NETWORK.take, of(handle));
      void (async () => {
        for (let part = await worker.read(handle); part.length > 0; part = await worker.read(handle))
          await worker.writeAll(handle, part);
        await worker.drop(handle);
      })();
    };
    void (async () => {
      for (let i = 0; i < 100; i++) await echo();
    })();
    await Promise.all(
      Array.from({ length: 100 }, async (_, at) => {
        const guest = new Asking(guests);
        const stream = await guest.connect(listener.port);
        const sent = Buffer.alloc(100_000 + at, at);
        void guest.writeAll(stream, sent);
        const reader = new Asking(guests);
        let got = 0;
        const clone = (await guest.must(NETWORK.clone, of(stream))).u32();
        await guest.must(NETWORK.give, of(clone));
        await reader.must(NETWORK.take, of(clone));
        while (got < sent.length) {
          const part = await reader.read(clone);
          expect(part.every((byte) => byte === at)).toBe(true);
          got += part.length;
        }
        expect(got).toBe(sent.length);
        guests.endProcess(guest.pid);
        guests.endProcess(reader.pid);
      }),
    );
    await until(() => guests.sockets === 1);
  });
});
