// src/networking over real loopback sockets: UDP.
import { createSocket, type Socket } from "node:dgram";
import { afterEach, describe, expect, it } from "vitest";
import { octetsOf, textOf } from "../../../src/networking/address-text.ts";
import type { Networking } from "../../../src/networking/networking.ts";
import { NETWORK, OPTION } from "../../../wire/network.ts";
import { Asking, at, ENVIRONMENT, networking, of, until } from "./fixture.ts";

const open: Networking[] = [];
const sockets: Socket[] = [];

function fresh(...args: Parameters<typeof networking>): Networking {
  const made = networking(...args);
  open.push(made);
  return made;
}

/** A socket of Node's own on 127.0.0.1, and its port. */
async function outside(): Promise<{ socket: Socket; port: number; got: string[] }> {
  const socket = createSocket("udp4");
  sockets.push(socket);
  const got: string[] = [];
  socket.on("message", (bytes) => got.push(bytes.toString()));
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  return { socket, port: socket.address().port, got };
}

async function bind(guest: Asking, address = "127.0.0.1", port = 0): Promise<{ handle: number; port: number }> {
  const handle = (await guest.must(NETWORK.udpBind, at(address, port))).u32();
  return { handle, port: (await guest.must(NETWORK.localAddress, of(handle))).address().port };
}

/** On [::], which hears IPv4, too. */
async function bindAny(guest: Asking): Promise<{ handle: number; port: number }> {
  const handle = (await guest.must(NETWORK.udpBind, at("::", 0))).u32();
  return { handle, port: (await guest.must(NETWORK.localAddress, of(handle))).address().port };
}

async function sendTo(guest: Asking, handle: number, port: number, text: string): Promise<number> {
  const payload = of(handle).address(octetsOf("127.0.0.1"), port).raw(Buffer.from(text));
  return (await guest.must(NETWORK.udpSendTo, payload)).u32();
}

async function receive(guest: Asking, handle: number, bytesMax = 65_536): Promise<{ text: string; from: string }> {
  const answer = await guest.must(NETWORK.udpReceive, of(handle).u32(bytesMax));
  const { octets, port } = answer.address();
  return { text: answer.raw().toString(), from: `${textOf(octets)}:${port}` };
}

afterEach(() => {
  for (const each of open.splice(0)) each.closeEnvironment(ENVIRONMENT);
  for (const socket of sockets.splice(0)) socket.close();
});

describe("a UDP socket", () => {
  it("sends to an address and hears who answered", async () => {
    const guests = fresh();
    const one = new Asking(guests);
    const two = new Asking(guests);
    const a = await bind(one);
    const b = await bind(two);
    expect(await sendTo(one, a.handle, b.port, "ping")).toBe(4);
    expect(await receive(two, b.handle)).toEqual({ text: "ping", from: `127.0.0.1:${a.port}` });
    const waiting = receive(one, a.handle, 2);
    await sendTo(two, b.handle, a.port, "pong");
    // What the buffer has no room for is lost.
    expect(await waiting).toEqual({ text: "po", from: `127.0.0.1:${b.port}` });
    expect(await sendTo(one, a.handle, b.port, "")).toBe(0);
    expect((await receive(two, b.handle)).text).toBe("");
  });

  it("is connected, again, and then hears nobody else", async () => {
    const guest = new Asking(fresh());
    const first = await outside();
    const second = await outside();
    const { handle, port } = await bind(guest);
    expect((await guest.must(NETWORK.peerAddress, of(handle))).remaining).toBe(0);
    await expect(guest.must(NETWORK.udpSend, of(handle).raw(Buffer.from("x")))).rejects.toThrow("not connected");
    for (const each of [first, second]) {
      await guest.must(NETWORK.udpConnect, of(handle).address(octetsOf("127.0.0.1"), each.port));
      expect((await guest.must(NETWORK.peerAddress, of(handle))).address().port).toBe(each.port);
      await guest.must(NETWORK.udpSend, of(handle).raw(Buffer.from("hello")));
      await until(() => each.got.length === 1);
    }
    await sendTo(guest, handle, second.port, "again");
    await until(() => second.got.length === 2);
    await sendTo(guest, handle, first.port, "with an address");
    await until(() => first.got.length === 2);
    first.socket.send("from a stranger", port, "127.0.0.1");
    second.socket.send("from its peer", port, "127.0.0.1");
    expect((await receive(guest, handle)).text).toBe("from its peer");
  });

  it("keeps what it can hold and drops the rest, oldest kept", async () => {
    const guest = new Asking(fresh());
    const { handle, port } = await bind(guest);
    const sender = await outside();
    for (let i = 0; i < 400; i++)
      await new Promise<void>((resolve) => sender.socket.send(String(i), port, "127.0.0.1", () => resolve()));
    // Each turn of the loop takes what has come.
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    const got: number[] = [];
    for (let i = 0; i < 256; i++) got.push(Number((await receive(guest, handle)).text));
    expect(got).toEqual(Array.from({ length: 256 }, (_, at) => at));
    sender.socket.send("new", port, "127.0.0.1");
    expect((await receive(guest, handle)).text).toBe("new");
  });

  it("is refused on a port that is taken, and nothing is kept", async () => {
    const guests = fresh();
    const guest = new Asking(guests);
    const { port } = await bind(guest);
    await expect(bind(guest, "127.0.0.1", port)).rejects.toThrow("EADDRINUSE");
    await expect(bind(guest, "127.0.0.1", port)).rejects.toThrow("EADDRINUSE");
    expect(guests.sockets).toBe(1);
  });

  it("reaches IPv4 and IPv6 from a socket of both", async () => {
    const guest = new Asking(fresh({ listen: ["[::]:*"], connect: ["localhost:*"] }));
    const { handle, port } = await bindAny(guest);
    const four = await outside();
    await sendTo(guest, handle, four.port, "four");
    await until(() => four.got.length === 1);
    four.socket.send("back", port, "127.0.0.1");
    expect(await receive(guest, handle)).toEqual({ text: "back", from: `127.0.0.1:${four.port}` });
  });

  it("has options, and the system's errors for them", async () => {
    const guest = new Asking(fresh());
    const { handle } = await bind(guest);
    const get = async (option: number): Promise<number> =>
      (await guest.must(NETWORK.getOption, of(handle).u32(option))).u32();
    expect([await get(OPTION.broadcast), await get(OPTION.ttl)]).toEqual([0, 64]);
    await guest.must(NETWORK.setOption, of(handle).u32(OPTION.broadcast).u32(1));
    await guest.must(NETWORK.setOption, of(handle).u32(OPTION.ttl).u32(3));
    expect([await get(OPTION.broadcast), await get(OPTION.ttl)]).toEqual([1, 3]);
    await expect(guest.must(NETWORK.setOption, of(handle).u32(OPTION.ttl).u32(300))).rejects.toThrow("EINVAL");
    expect(await get(OPTION.ttl)).toBe(3);
  });

  it("without an entry of listen hears and reaches only what connect allows", async () => {
    const friend = await outside();
    const stranger = await outside();
    const guest = new Asking(fresh({ listen: [], connect: [`127.0.0.1:${friend.port}`] }));
    const { handle, port } = await bind(guest, "0.0.0.0");
    stranger.socket.send("from a stranger", port, "127.0.0.1");
    await expect(sendTo(guest, handle, stranger.port, "x")).rejects.toThrow("not allowed");
    await new Promise<void>((resolve) => friend.socket.send("from a friend", port, "127.0.0.1", () => resolve()));
    expect((await receive(guest, handle)).text).toBe("from a friend");
    await sendTo(guest, handle, friend.port, "back");
    await until(() => friend.got.length === 1);
    await expect(bind(guest, "127.0.0.1", 5353)).rejects.toThrow("network.listen");
    await expect(bind(new Asking(fresh({ listen: [], connect: [] })))).rejects.toThrow("network.listen");
  });

  it("under an entry of listen answers whom it heard, and nobody else", async () => {
    const visitor = await outside();
    const stranger = await outside();
    const guest = new Asking(fresh({ listen: ["127.0.0.1:*"], connect: [] }));
    const { handle, port } = await bind(guest);
    await expect(sendTo(guest, handle, visitor.port, "x")).rejects.toThrow("not allowed");
    visitor.socket.send("hello", port, "127.0.0.1");
    await receive(guest, handle);
    await sendTo(guest, handle, visitor.port, "hello yourself");
    await until(() => visitor.got.length === 1);
    await expect(sendTo(guest, handle, stranger.port, "x")).rejects.toThrow("not allowed");
  });

  it("is shared by clones and closed with the last", async () => {
    const guests = fresh();
    const guest = new Asking(guests);
    const { handle, port } = await bind(guest);
    const clone = (await guest.must(NETWORK.clone, of(handle))).u32();
    await guest.drop(handle);
    const sender = await outside();
    sender.socket.send("x", port, "127.0.0.1");
    expect((await receive(guest, clone)).text).toBe("x");
    await guest.drop(clone);
    expect(guests.sockets).toBe(0);
  });

  it("gives a datagram to the living when the one that waited ended", async () => {
    const guests = fresh();
    const owner = new Asking(guests);
    const { handle, port } = await bind(owner);
    const clone = (await owner.must(NETWORK.clone, of(handle))).u32();
    await owner.must(NETWORK.give, of(clone));
    const dying = new Asking(guests);
    await dying.must(NETWORK.take, of(clone));
    const abandoned = dying.ask(NETWORK.udpReceive, of(clone).u32(10));
    guests.endProcess(dying.pid);
    expect((await abandoned).kind).toBe("failed");
    const sender = await outside();
    sender.socket.send("x", port, "127.0.0.1");
    expect((await receive(owner, handle)).text).toBe("x");
  });
});
