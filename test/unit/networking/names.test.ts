// src/networking/names.ts and resolver.ts: names against a name server on loopback, and who waits for whom.
import { setMaxListeners } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { candidates, type Lookup, systemNames } from "../../../src/networking/names.ts";
import { Resolver } from "../../../src/networking/resolver.ts";
import { NETWORK, PayloadWriter } from "../../../wire/network.ts";
import { type NameServer, serveNames } from "../../harness/name-server.ts";
import { Asking, ENVIRONMENT, loopback, networking, until } from "./fixture.ts";

const never = (): AbortSignal => new AbortController().signal;

/** For many at once. */
function stopOfMany(): AbortController {
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);
  return stop;
}
const servers: NameServer[] = [];
let folder: string;
let hostsFile: string;
let resolvFile: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "frenezulo-names-"));
  hostsFile = join(folder, "hosts");
  resolvFile = join(folder, "resolv.conf");
});
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => {
  for (const each of servers.splice(0)) each.close();
});

async function names(answer: Parameters<typeof serveNames>[0]): Promise<{ lookup: Lookup; asked: string[] }> {
  const server = await serveNames(answer);
  servers.push(server);
  writeFileSync(hostsFile, "");
  writeFileSync(resolvFile, "");
  return { lookup: systemNames({ servers: [server.address], hostsFile, resolvFile }), asked: server.asked };
}

describe("names of the system", () => {
  it("are those of the hosts file first, as it is now, then those of the name servers", async () => {
    const { lookup, asked } = await names((name) => (name === "db.example" ? ["192.0.2.1", "192.0.2.2"] : null));
    expect(await lookup("db.example", never())).toEqual(["192.0.2.1", "192.0.2.2"]);
    writeFileSync(hostsFile, "# a comment\n2001:db8::7 DB.example db # more\r\n192.0.2.7\tdb.example\n\nno-names\n");
    expect(await lookup("db.example", never())).toEqual(["192.0.2.7", "2001:db8::7"]);
    expect(await lookup("db", never())).toEqual(["2001:db8::7"]);
    rmSync(hostsFile);
    expect(await lookup("db.example", never())).toEqual(["192.0.2.1", "192.0.2.2"]);
    expect(asked).toEqual(["db.example", "db.example"]);
  });

  it("are looked for in the search domains, before or after as they are, by ndots", async () => {
    const { lookup, asked } = await names((name) => (name === "db.b.example" ? ["192.0.2.1"] : null));
    writeFileSync(resolvFile, "domain z.example\nsearch A.example. b.example # c.example\noptions rotate ndots:2\n");
    expect(await lookup("db", never())).toEqual(["192.0.2.1"]);
    expect(asked.splice(0)).toEqual(["db.a.example", "db.b.example"]);
    await expect(lookup("no.db", never())).rejects.toMatchObject({ code: "ENOTFOUND" });
    expect(asked.splice(0)).toEqual(["no.db.a.example", "no.db.b.example", "no.db"]);
    expect(candidates("a.b.c", { search: ["x"], ndots: 2 })).toEqual(["a.b.c", "a.b.c.x"]);
    // With a search domain it would be too long for a name.
    const long = `${"a".repeat(60)}.${"b".repeat(60)}.${"c".repeat(60)}.${"d".repeat(60)}.e`;
    writeFileSync(resolvFile, `search ${"f".repeat(60)}.example\noptions ndots:9\n`);
    await expect(lookup(long, never())).rejects.toThrow();
    expect(asked.splice(0)).toEqual([long]);
    rmSync(resolvFile);
    await expect(lookup("db", never())).rejects.toMatchObject({ code: "ENOTFOUND" });
    expect(asked).toEqual(["db"]);
  });

  it("are given up with their signal, also a name that exists without an address", async () => {
    const { lookup, asked } = await names((name) => (name === "empty.example" ? [] : undefined));
    await expect(lookup("empty.example", never())).rejects.toMatchObject({ code: "ENODATA" });
    const stop = new AbortController();
    const silent = lookup("silent.example", stop.signal);
    await until(() => asked.includes("silent.example"));
    stop.abort(new Error("enough"));
    await expect(silent).rejects.toThrow("enough");
    await expect(lookup("silent.example", stop.signal)).rejects.toThrow("enough");
  });

  it("end by themselves where a name server is silent", async () => {
    const server = await serveNames(() => undefined);
    servers.push(server);
    const lookup = systemNames({ servers: [server.address], hostsFile, resolvFile, tryMs: 50 });
    await expect(lookup("silent.example", never())).rejects.toMatchObject({ code: "ETIMEOUT" });
  });
});

describe("the resolver", () => {
  const blocked = (name: string): string[] | undefined => (name.startsWith("good") ? ["192.0.2.1"] : undefined);

  it("answers one environment while another's lookups get no answer", async () => {
    const { lookup, asked } = await names(blocked);
    const resolver = new Resolver(lookup);
    const stop = stopOfMany();
    let ended = 0;
    for (let i = 0; i < 200; i++) {
      void resolver.resolve(1, `silent${i}.example`, stop.signal).catch(() => ended++);
    }
    await until(() => asked.length > 0);
    for (const environment of [2, 3, 4]) {
      expect(await resolver.resolve(environment, "good.example", never())).toEqual(["192.0.2.1"]);
    }
    expect(ended).toBe(0);
    // Its own share is taken; what it gives up is free for its next.
    const next = resolver.resolve(1, "good.example", never());
    stop.abort(new Error("gone"));
    expect(await next).toEqual(["192.0.2.1"]);
    await until(() => ended === 200);
  });

  it("takes a share for one environment, asks once for a name in it, and for each of two", async () => {
    const { lookup, asked } = await names(() => undefined);
    const resolver = new Resolver(lookup);
    const stop = stopOfMany();
    const ended: Promise<unknown>[] = [];
    for (let i = 0; i < 100; i++) {
      ended.push(resolver.resolve(1, `silent${i % 50}.example`, stop.signal).catch(() => {}));
    }
    ended.push(resolver.resolve(2, "silent0.example", stop.signal).catch(() => {}));
    await until(() => new Set(asked).size === 16 && asked.filter((name) => name === "silent0.example").length >= 2);
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(new Set(asked).size).toBe(16);
    stop.abort(new Error("gone"));
    await Promise.all(ended);
  });

  it("refuses what is too much of one environment, and nobody else's", async () => {
    const { lookup } = await names(blocked);
    const resolver = new Resolver(lookup);
    const stop = stopOfMany();
    const refused: string[] = [];
    for (let i = 0; i < 300; i++) {
      void resolver.resolve(1, `silent${i}.example`, stop.signal).catch((why: Error) => refused.push(why.message));
    }
    await until(() => refused.length === 300 - 256 - 16);
    expect(new Set(refused)).toEqual(new Set(["too many names are looked up: 256 of this service wait already"]));
    expect(await resolver.resolve(2, "good.example", never())).toEqual(["192.0.2.1"]);
    stop.abort(new Error("gone"));
  });

  it("lets go with a time-out, a process, a carrier and an environment, and only what nobody waits for", async () => {
    let running = 0;
    const lookup: Lookup = (_, signal) =>
      new Promise((_resolve, reject) => {
        running++;
        signal.addEventListener("abort", () => {
          running--;
          reject(signal.reason);
        });
      });
    const guests = networking({ connect: ["*:*"] }, { lookup });
    guests.openEnvironment(2, { ...loopback, connect: ["*:*"] });
    const ask = (guest: Asking, name: string, ms = 2n ** 64n - 1n) =>
      guest.ask(NETWORK.resolve, new PayloadWriter().u64(ms).raw(Buffer.from(`${name}:1`)));
    const [first, second, third] = [new Asking(guests), new Asking(guests), new Asking(guests, { slot: 2 })];
    const fourth = new Asking(guests, { environment: 2 });
    const answers = [ask(first, "a.example", 50n), ask(second, "a.example"), ask(third, "b.example")];
    answers.push(ask(fourth, "a.example"));
    await until(() => running === 3);
    expect(await answers[0]).toEqual({ kind: "timed_out" });
    expect(running).toBe(3);
    guests.endProcess(second.pid);
    await until(() => running === 2);
    guests.endSlot(2);
    await until(() => running === 1);
    guests.closeEnvironment(2);
    await until(() => running === 0);
    guests.closeEnvironment(ENVIRONMENT);
    await Promise.all(answers);
  });
});
