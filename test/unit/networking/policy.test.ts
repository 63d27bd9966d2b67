// src/networking: what the policy's network lists let through, before and after names are resolved.
import { describe, expect, it } from "vitest";
import { octetsOf, textOf } from "../../../src/networking/address-text.ts";
import type { Lookup } from "../../../src/networking/names.ts";
import { NetworkPolicy } from "../../../src/networking/policy.ts";
import { parseListenRule, parseRule } from "../../../src/networking/rules.ts";
import { NETWORK, type PayloadReader, PayloadWriter } from "../../../wire/network.ts";
import { Asking, at, ENVIRONMENT, NEVER, networking, serve } from "./fixture.ts";

function connects(entries: string[], address: string, port: number): boolean {
  return new NetworkPolicy({ connect: entries, listen: [] }).mayConnect({ address, port });
}

describe("an entry of network.connect", () => {
  it.each([
    ["93.184.216.34:80", "93.184.216.34", 80],
    ["93.184.216.34:*", "93.184.216.34", 8080],
    ["10.0.0.0/8:5432", "10.1.2.3", 5432],
    ["169.254.169.254:80", "169.254.169.254", 80],
    ["127.0.0.1:*", "127.0.0.1", 1],
    ["localhost:80", "127.0.0.1", 80],
    ["localhost:80", "::1", 80],
    ["[::1]:80", "::1", 80],
    ["[fd00::/8]:443", "fd12::1", 443],
    ["*:443", "93.184.216.34", 443],
    ["*:443", "2606:4700::1111", 443],
    ["0.0.0.0/0:*", "192.168.0.1", 9],
  ])("%s allows %s port %i", (entry, address, port) => {
    expect(connects([entry], address, port)).toBe(true);
  });

  it.each([
    ["93.184.216.34:80", "93.184.216.34", 81],
    ["93.184.216.34:80", "93.184.216.35", 80],
    ["10.0.0.0/8:5432", "11.0.0.1", 5432],
    ["10.0.0.0/8:5432", "10.0.0.1", 5433],
    ["*:*", "127.0.0.1", 80],
    ["*:*", "10.0.0.1", 80],
    ["*:*", "169.254.169.254", 80],
    ["*:*", "0.0.0.0", 80],
    ["*:*", "::1", 80],
    ["*:*", "::", 80],
    ["*:*", "fe80::1", 80],
    ["*:*", "64:ff9b::7f00:1", 80],
    ["*:*", "255.255.255.255", 80],
    ["[::/0]:*", "127.0.0.1", 80],
    ["example.com:80", "93.184.216.34", 80],
    ["*.example.com:80", "93.184.216.34", 80],
  ])("%s does not allow %s port %i", (entry, address, port) => {
    expect(connects([entry], address, port)).toBe(false);
  });

  it.each([
    ["", "HOST:PORT"],
    ["example.com", "HOST:PORT"],
    ["http://example.com:80", "HOST:PORT"],
    ["example.com:80/path", "HOST:PORT"],
    ["::1:80", "HOST:PORT"],
    ["a.*.example:80", "neither a name nor an address"],
    ["exa mple:80", "HOST:PORT"],
    ["example.com:65536", "0 to 65535"],
    ["10.0.0.0/33:80", "0 to 32 bits"],
    ["[::1/129]:80", "0 to 128 bits"],
    ["example.com/8:80", "not an address"],
    ["127.1:80", "neither a name nor an address"],
    ["0x7f000001:80", "neither a name nor an address"],
  ])("%j is refused", (entry, why) => {
    expect(parseRule(entry)).toContain(why);
  });
});

describe("an entry of network.listen", () => {
  const listens = (entry: string, address: string, port: number): boolean =>
    new NetworkPolicy({ connect: [], listen: [entry] }).mayListen({ address, port });

  it("allows its address and port; 0.0.0.0 and [::] every address; port 0 needs *", () => {
    expect(listens("127.0.0.1:8080", "127.0.0.1", 8080)).toBe(true);
    expect(listens("127.0.0.1:8080", "127.0.0.1", 0)).toBe(false);
    expect(listens("127.0.0.1:8080", "0.0.0.0", 8080)).toBe(false);
    expect(listens("127.0.0.1:*", "127.0.0.1", 0)).toBe(true);
    expect(listens("0.0.0.0:*", "127.0.0.1", 1234)).toBe(true);
    expect(listens("0.0.0.0:*", "0.0.0.0", 1234)).toBe(true);
    expect(listens("0.0.0.0:*", "::", 1234)).toBe(false);
    expect(listens("[::]:80", "::", 80)).toBe(true);
    expect(listens("[::]:80", "0.0.0.0", 80)).toBe(true);
    expect(listens("localhost:*", "127.0.0.1", 80)).toBe(true);
  });

  it("takes no names", () => {
    expect(parseListenRule("example.com:80")).toContain("listen takes addresses");
    expect(parseListenRule("*:80")).toContain("listen takes addresses");
  });
});

describe("an address", () => {
  it("is the same in bytes and in text, and IPv4 in IPv6 is IPv4", () => {
    for (const address of [
      "127.0.0.1",
      "255.0.1.2",
      "::1",
      "::",
      "2001:db8::ff00:42:8329",
      "fe80::1",
      "1:2:3:4:5:6:7:8",
    ])
      expect(textOf(octetsOf(address))).toBe(address);
    expect(textOf(octetsOf("::ffff:127.0.0.1"))).toBe("127.0.0.1");
    expect(textOf(octetsOf("::ffff:7f00:1"))).toBe("127.0.0.1");
    expect(textOf(octetsOf("64:ff9b::1.2.3.4"))).toBe("64:ff9b::102:304");
    expect(() => octetsOf("nowhere")).toThrow("nowhere is not an address");
  });
});

/** A resolver that answers each question with the next answer. */
function answering(answers: readonly (readonly string[])[]): { lookup: Lookup; asked: string[] } {
  const asked: string[] = [];
  const lookup: Lookup = async (name) => {
    const found = answers[Math.min(asked.length, answers.length - 1)] ?? [];
    asked.push(name);
    return found;
  };
  return { lookup, asked };
}

function named(name: string, ms = NEVER): PayloadWriter {
  return new PayloadWriter().u64(ms).raw(Buffer.from(name));
}

function addressesOf(answer: PayloadReader): string[] {
  const found: string[] = [];
  while (answer.remaining > 0) {
    const { octets, port } = answer.address();
    found.push(`${textOf(octets)} ${port}`);
  }
  return found;
}

describe("resolving", () => {
  it("gives the addresses of an allowed name with the port that was asked for", async () => {
    const { lookup, asked } = answering([["93.184.216.34", "2606:4700::1111"]]);
    const guest = new Asking(networking({ connect: ["*.example.com:443"] }, { lookup }));
    const found = await guest.must(NETWORK.resolve, named("API.Example.com.:443"));
    expect(addressesOf(found)).toEqual(["93.184.216.34 443", "2606:4700::1111 443"]);
    expect(asked).toEqual(["api.example.com"]);
  });

  it.each([
    ["example.com:443", 'like "example.com:443"'],
    ["api.example.com:80", 'like "api.example.com:80"'],
    ["evilexample.com:443", 'like "evilexample.com:443"'],
    ["example.com.evil:443", "no entry"],
    ["a b:443", "not a host name"],
    ["127.1:443", "not a host name"],
    ["example.com", "not host:port"],
    ["example.com:99999", "not host:port"],
    [":80", "not host:port"],
  ])("refuses %j without asking anyone", async (name, why) => {
    const { lookup, asked } = answering([["93.184.216.34"]]);
    const guest = new Asking(networking({ connect: ["*.example.com:443"] }, { lookup }));
    await expect(guest.must(NETWORK.resolve, named(name))).rejects.toThrow(why);
    expect(asked).toEqual([]);
  });

  it("answers for addresses and localhost by itself", async () => {
    const { lookup, asked } = answering([[]]);
    const guest = new Asking(networking({ connect: [] }, { lookup }));
    expect(addressesOf(await guest.must(NETWORK.resolve, named("127.0.0.1:80")))).toEqual(["127.0.0.1 80"]);
    expect(addressesOf(await guest.must(NETWORK.resolve, named("[::1]:80")))).toEqual(["::1 80"]);
    expect(addressesOf(await guest.must(NETWORK.resolve, named("localhost:80")))).toEqual(["127.0.0.1 80", "::1 80"]);
    expect(asked).toEqual([]);
  });

  it("gives no private address of a name, unless an entry names that, too", async () => {
    const { lookup } = answering([["10.0.0.5", "169.254.169.254"]]);
    const open = new Asking(networking({ connect: ["db.internal:5432", "*:*"] }, { lookup }));
    await expect(open.must(NETWORK.resolve, named("db.internal:5432"))).rejects.toThrow(
      'db.internal is 10.0.0.5, not a public address; network.connect must name it, too, like "10.0.0.5:5432"',
    );
    const narrow = new Asking(networking({ connect: ["db.internal:5432", "10.0.0.0/8:5432"] }, { lookup }));
    expect(addressesOf(await narrow.must(NETWORK.resolve, named("db.internal:5432")))).toEqual(["10.0.0.5 5432"]);
  });

  it("times out, and tells what a resolver says", async () => {
    const silent: Lookup = () => new Promise(() => {});
    const guest = new Asking(networking({ connect: ["*:*"] }, { lookup: silent }));
    expect((await guest.ask(NETWORK.resolve, named("slow.example:1", 10n))).kind).toBe("timed_out");
    const failing: Lookup = () => Promise.reject(Object.assign(new Error("no"), { code: "ENOTFOUND" }));
    const other = new Asking(networking({ connect: ["*:*"] }, { lookup: failing }));
    await expect(other.must(NETWORK.resolve, named("no.example:1"))).rejects.toThrow("ENOTFOUND");
  });
});

describe("connecting", () => {
  it("is refused unless an entry names the address, and says which is missing", async () => {
    const { port, server } = await serve(() => {});
    const { lookup } = answering([["93.184.216.34"]]);
    for (const [connect, why] of [
      [[], `is not a public address, and the policy's network.connect does not name it, like "127.0.0.1:${port}"`],
      [["*:*"], "127.0.0.1 is not a public address"],
      [["127.0.0.2:*"], "not allowed"],
      [[`127.0.0.1:${port - 1}`], "not allowed"],
    ] as const) {
      const guest = new Asking(networking({ connect }, { lookup }));
      for (const address of ["127.0.0.1", "::ffff:127.0.0.1"])
        await expect(guest.connect(port, address)).rejects.toThrow(why);
    }
    await new Asking(networking({ connect: [`localhost:${port}`] })).connect(port, "::ffff:127.0.0.1");
    server.close();
  });

  it("reaches what an allowed name was resolved to, for an hour, and not what it is rebound to", async () => {
    let now = 0;
    const policy = new NetworkPolicy({ connect: ["example.com:80"], listen: [] }, () => now);
    const connects = (address: string, port = 80): boolean => policy.mayConnect({ address, port });
    expect(connects("93.184.216.34")).toBe(false);
    expect(policy.admit("example.com", 80, ["93.184.216.34", "127.0.0.1"])).toEqual(["93.184.216.34"]);
    expect(connects("93.184.216.34")).toBe(true);
    expect(connects("93.184.216.34", 81)).toBe(false);
    // Rebound: the second answer is private, and is neither admitted nor connected to.
    expect(() => policy.admit("example.com", 80, ["127.0.0.1"])).toThrow("not a public address");
    expect(connects("127.0.0.1")).toBe(false);
    now = 3_599_000;
    expect(connects("93.184.216.34")).toBe(true);
    now = 3_601_000;
    expect(connects("93.184.216.34")).toBe(false);
  });

  it("remembers a bounded number of addresses, the latest", () => {
    const policy = new NetworkPolicy({ connect: ["*:*"], listen: [] });
    const named = new NetworkPolicy({ connect: ["*.example:80"], listen: [] });
    expect(policy.canConnect).toBe(true);
    for (let i = 0; i < 1_100; i++) named.admit("a.example", 80, [`93.184.${i >> 8}.${i & 255}`]);
    expect(named.mayConnect({ address: "93.184.0.0", port: 80 })).toBe(false);
    expect(named.mayConnect({ address: "93.184.4.75", port: 80 })).toBe(true);
  });

  it("by TLS to a name goes to the addresses that were checked, and asks the resolver once", async () => {
    const { lookup, asked } = answering([["127.0.0.1"]]);
    const guest = new Asking(networking({ connect: ["service.example:443"] }, { lookup }));
    const name = Buffer.from("service.example");
    const payload = new PayloadWriter().u16(443).u64(NEVER).u16(name.length).raw(name);
    await expect(guest.must(NETWORK.tlsConnect, payload)).rejects.toThrow("service.example is 127.0.0.1");
    expect(asked).toEqual(["service.example"]);
  });
});

describe("listening", () => {
  it("is refused unless an entry names the address, and says which is missing", async () => {
    const guest = new Asking(networking({ listen: ["127.0.0.1:1"] }));
    await expect(guest.bind("127.0.0.1", 8080)).rejects.toThrow(
      'not allowed: the policy\'s network.listen has no entry for this, like "127.0.0.1:8080"',
    );
    await expect(guest.bind("0.0.0.0", 0)).rejects.toThrow('like "0.0.0.0:*"');
    await expect(guest.must(NETWORK.udpBind, at("127.0.0.1", 53))).rejects.toThrow('like "127.0.0.1:53"');
  });

  it("is refused in an environment that was not opened, as everything is", async () => {
    const guests = networking();
    const guest = new Asking(guests, { environment: 77 });
    await expect(guest.bind()).rejects.toThrow("there is no network");
    guests.closeEnvironment(ENVIRONMENT);
    await expect(new Asking(guests).bind()).rejects.toThrow("there is no network");
  });
});
