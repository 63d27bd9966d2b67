// src/sources/sources.ts: file: and http(s) URLs; what is not allowed is never reached, a canary on loopback counts.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer as createHttp, type RequestListener, type Server } from "node:http";
import { type AddressInfo, createServer as createTcp, type LookupFunction } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { guardedLookup } from "../../../src/sources/download.ts";
import { Sources, type SourcesOptions } from "../../../src/sources/sources.ts";
import { PATIENCE_MS } from "../../harness/patience.ts";

const MODULE = Buffer.from("0061736d01000000", "hex");
const code = (expected: string) => expect.objectContaining({ name: "FrenezuloError", code: expected });

describe("a file: URL", () => {
  const base = realpathSync(mkdtempSync(join(tmpdir(), "frenezulo-sources-")));
  const folder = join(base, "modules");
  const sources = new Sources({ folder, allow: [], bytesMax: 1000, timeoutMs: PATIENCE_MS });
  const url = (...path: string[]) => pathToFileURL(join(folder, ...path)).href;

  beforeAll(() => {
    mkdirSync(join(folder, "sub"), { recursive: true });
    mkdirSync(join(base, "modules-evil"));
    for (const path of ["modules/a.wasm", "modules/sub/b c.wasm", "outside.wasm", "modules-evil/x.wasm"]) {
      writeFileSync(join(base, path), MODULE);
    }
    writeFileSync(join(folder, "exact"), Buffer.alloc(1000));
    writeFileSync(join(folder, "large"), Buffer.alloc(1001));
    symlinkSync("a.wasm", join(folder, "link-inside"));
    symlinkSync("../outside.wasm", join(folder, "link-outside"));
    symlinkSync("..", join(folder, "folder-outside"));
    symlinkSync("nowhere", join(folder, "link-broken"));
    symlinkSync(folder, join(base, "alias"));
    execFileSync("mkfifo", [join(folder, "fifo")]);
  });
  afterAll(() => rmSync(base, { recursive: true }));

  it.each([["a.wasm"], ["sub", "b c.wasm"], ["link-inside"]])("reads %s %s", async (...path) => {
    expect(Buffer.from(await sources.read(url(...path)))).toEqual(MODULE);
  });

  it("reads a file of exactly the limit, and not one byte more", async () => {
    expect(await sources.read(url("exact"))).toHaveLength(1000);
    await expect(sources.read(url("large"))).rejects.toEqual(code("module_too_large"));
  });

  it("reads through a configured folder that is itself a link", async () => {
    const aliased = new Sources({ folder: join(base, "alias"), allow: [], bytesMax: 1000, timeoutMs: PATIENCE_MS });
    expect(await aliased.read(pathToFileURL(join(base, "alias", "a.wasm")).href)).toHaveLength(MODULE.length);
    expect(await aliased.read(url("a.wasm"))).toHaveLength(MODULE.length);
  });

  it.each([
    ["..", () => `${url("..")}/outside.wasm`],
    ["an encoded ..", () => `${url("sub")}/%2e%2e/%2E%2E/outside.wasm`],
    ["an encoded slash", () => `${url()}/..%2foutside.wasm`],
    ["an encoded NUL", () => `${url("a.wasm")}%00.wasm`],
    ["a link that leads outside", () => url("link-outside")],
    ["a folder that leads outside", () => url("folder-outside", "outside.wasm")],
    ["a sibling whose name begins alike", () => pathToFileURL(join(base, "modules-evil", "x.wasm")).href],
    ["a file outside that is not there", () => pathToFileURL(join(base, "nothing.wasm")).href],
    ["the folder itself", () => url()],
    ["a folder", () => url("sub")],
    ["a FIFO", () => url("fifo")],
    ["a device", () => "file:///dev/zero"],
    ["a host", () => url("a.wasm").replace("file://", "file://server")],
    ["a query", () => `${url("a.wasm")}?x`],
  ])("refuses %s", async (_name, make) => {
    await expect(sources.read(make())).rejects.toEqual(code("source_refused"));
  });

  it.each(["missing.wasm", "link-broken"])("fails on %s", async (path) => {
    await expect(sources.read(url(path))).rejects.toEqual(code("source_failed"));
  });

  it("is refused when no folder is configured", async () => {
    const off = new Sources({ folder: null, allow: [], bytesMax: 1000, timeoutMs: PATIENCE_MS });
    await expect(off.read(url("a.wasm"))).rejects.toThrow(/files are off/);
  });
});

describe("an http URL", () => {
  let server: Server;
  let port = 0;
  let answer: RequestListener = (_request, response) => response.end(MODULE);
  /** Connections to an address that nothing was allowed to reach. */
  let canaryConnections = 0;
  let canaryPort = 0;
  const canary = createTcp((socket) => {
    canaryConnections++;
    socket.destroy();
  });
  const open = new Set<{ destroy(): void }>();

  beforeAll(async () => {
    await new Promise<void>((resolve) => canary.listen(0, "127.0.0.1", resolve));
    canaryPort = (canary.address() as AddressInfo).port;
  });
  beforeEach(async () => {
    canaryConnections = 0;
    server = createHttp((request, response) => answer(request, response));
    server.on("connection", (socket) => {
      open.add(socket);
      socket.once("close", () => open.delete(socket));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    port = (server.address() as AddressInfo).port;
  });
  afterEach(async () => {
    expect(canaryConnections).toBe(0);
    for (const socket of open) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  afterAll(() => new Promise((resolve) => canary.close(resolve)));

  const make = (options: Partial<SourcesOptions> = {}) =>
    new Sources({
      folder: null,
      allow: [`http://127.0.0.1:${port}`],
      bytesMax: 300_000,
      timeoutMs: PATIENCE_MS,
      ...options,
    });
  const read = (path = "/", options: Partial<SourcesOptions> = {}) =>
    make(options).read(path.startsWith("/") ? `http://127.0.0.1:${port}${path}` : path);
  const resolveTo =
    (...addresses: string[]): LookupFunction =>
    (_hostname, _options, callback) =>
      callback(
        null,
        addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
      );

  it("is read from an address that the operator named", async () => {
    answer = (request, response) => {
      expect(request.headers["accept-encoding"]).toBe("identity");
      response.end(MODULE);
    };
    expect(Buffer.from(await read())).toEqual(MODULE);
  });

  it("reaches the canary when it is allowed to: the count of connections can fail", async () => {
    await expect(
      read(`http://127.0.0.1:${canaryPort}/`, { allow: [`http://127.0.0.1:${canaryPort}`] }),
    ).rejects.toEqual(code("source_failed"));
    expect(canaryConnections).toBe(1);
    canaryConnections = 0;
  });

  it("brings a body of exactly the limit, in any pieces, whole", async () => {
    const body = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 251));
    answer = (_request, response) => {
      for (let at = 0; at < body.length; at += 70_001) response.write(body.subarray(at, at + 70_001));
      response.end();
    };
    expect(body.equals(await read())).toBe(true);
  });

  it("is cut off when the body does not end", async () => {
    let closed: () => void = () => {};
    const gone = new Promise<void>((resolve) => {
      closed = resolve;
    });
    answer = (_request, response) => {
      const piece = Buffer.alloc(60_000);
      const more = () => {
        while (response.write(piece));
      };
      response.on("drain", more).on("close", closed);
      more();
    };
    await expect(read()).rejects.toEqual(code("module_too_large"));
    await gone;
  });

  it("is refused by its content-length alone", async () => {
    answer = (_request, response) => {
      response.writeHead(200, { "content-length": 300_001 });
      response.flushHeaders();
    };
    await expect(read()).rejects.toEqual(code("module_too_large"));
  });

  it("is refused when it is compressed, bomb or not", async () => {
    answer = (_request, response) => {
      response.writeHead(200, { "content-encoding": "gzip" });
      response.end(gzipSync(Buffer.alloc(10_000_000)));
    };
    await expect(read()).rejects.toEqual(code("source_refused"));
  });

  it.each([
    [
      "a body of one byte now and then",
      ((_request, response) => {
        const timer = setInterval(() => response.write("x"), 20);
        response.on("close", () => clearInterval(timer));
      }) satisfies RequestListener,
    ],
    ["no answer at all", (() => {}) satisfies RequestListener],
  ])("fails at its deadline with %s", async (_name, listener: RequestListener) => {
    answer = listener;
    await expect(read("/", { timeoutMs: 300 })).rejects.toThrow(/did not arrive within 300 ms/);
  });

  it("fails when the resolver does not answer", async () => {
    const options = { allow: ["never.example"], timeoutMs: 200, lookup: () => {} };
    await expect(read("https://never.example/", options)).rejects.toThrow(/did not arrive within 200 ms/);
  });

  it("fails on another status, on a cut body and on a refused connection", async () => {
    answer = (_request, response) => response.writeHead(404).end();
    await expect(read()).rejects.toEqual(code("source_failed"));
    answer = (_request, response) => {
      response.writeHead(200, { "content-length": 100 });
      response.write("short", () => response.destroy());
    };
    await expect(read()).rejects.toEqual(code("source_failed"));
    answer = (request) => request.socket.destroy();
    await expect(read()).rejects.toEqual(code("source_failed"));
  });

  it("fails when the other side does not speak TLS", async () => {
    await expect(read(`https://127.0.0.1:${port}/`, { allow: [`127.0.0.1:${port}`] })).rejects.toEqual(
      code("source_failed"),
    );
  });

  describe("that redirects", () => {
    const redirect = (location: string): RequestListener => {
      return (_request, response) => response.writeHead(302, { location }).end();
    };

    it("is followed three times and no more", async () => {
      answer = (request, response) => {
        const left = Number(request.url?.slice(1));
        if (left === 0) response.end(MODULE);
        else response.writeHead(307, { location: `./${left - 1}` }).end();
      };
      expect(await read("/3")).toHaveLength(MODULE.length);
      await expect(read("/4")).rejects.toEqual(code("source_failed"));
    });

    it.each([
      () => `http://127.0.0.1:${canaryPort}/`,
      () => `http://localhost:${canaryPort}/`,
      () => `//127.0.0.1:${canaryPort}/`,
      () => `http://0x7f.1:${canaryPort}/`,
      () => `http://[::ffff:127.0.0.1]:${canaryPort}/`,
      () => `https://127.0.0.1:${canaryPort}/`,
      () => "file:///etc/passwd",
      () => `http://u:p@127.0.0.1:${port}/`,
      () => "http://:0:0/",
    ])("is refused when it leads elsewhere (%#)", async (location) => {
      answer = redirect(location());
      await expect(read()).rejects.toEqual(code("source_refused"));
    });

    it("is refused when it leads to an allowed name that resolves to loopback", async () => {
      answer = redirect(`http://canary.example:${canaryPort}/`);
      const allow = [`http://127.0.0.1:${port}`, `http://canary.example:${canaryPort}`];
      await expect(read("/", { allow, lookup: resolveTo("127.0.0.1") })).rejects.toEqual(code("source_refused"));
    });
  });

  describe("that means loopback", () => {
    /** WHATWG parsing folds all of these to a loopback, private or unspecified address, or refuses them. */
    const spellings = [
      "127.0.0.1",
      "127.1",
      "127.0.1",
      "0x7f.1",
      "0x7f000001",
      "0X7F.0.0.1",
      "2130706433",
      "017700000001",
      "0177.0.0.1",
      "0177.1",
      "127.0.0.1.",
      "0",
      "0.0.0.0",
      "①②⑦.0.0.1",
      "１２７.0.0.1",
      "127。0。0。1",
      "%31%32%37.0.0.1",
      "user@127.0.0.1",
      "canary.example@127.0.0.1",
      "canary.example:80@127.0.0.1",
      "127.0.0.1\\@canary.example",
      "[::1]",
      "[::]",
      "[0:0:0:0:0:0:0:1]",
      "[::ffff:127.0.0.1]",
      "[::ffff:7f00:1]",
      "[::127.0.0.1]",
      "[64:ff9b::7f00:1]",
      "[2002:7f00:1::]",
      "localhost",
      "LOCALHOST",
      "localhost.",
      "sub.localhost",
    ];

    it.each(spellings)("is refused as %s", async (host) => {
      const allow = ["canary.example", `canary.example:${canaryPort}`, `http://canary.example:${canaryPort}`];
      for (const scheme of ["http", "https"]) {
        await expect(read(`${scheme}://${host}:${canaryPort}/`, { allow })).rejects.toEqual(code("source_refused"));
      }
    });

    it.each([
      ["127.0.0.1"],
      ["::1"],
      ["::ffff:127.0.0.1"],
      ["::127.0.0.1"],
      ["0.0.0.0"],
      ["10.1.2.3"],
      ["169.254.169.254"],
      ["64:ff9b::7f00:1"],
      ["2002:7f00:1::"],
      ["93.184.216.34", "127.0.0.1"],
      ["127.0.0.1", "93.184.216.34"],
      ["localhost"],
      [],
    ])("is refused by a name that resolves to %s %s", async (...addresses) => {
      const allow = [`http://canary.example:${canaryPort}`];
      const lookup = resolveTo(...addresses);
      await expect(read(`http://canary.example:${canaryPort}/`, { allow, lookup })).rejects.toEqual(
        code("source_refused"),
      );
    });

    it("is refused by localhost through the system's resolver, though its name is allowed", async () => {
      const allow = [`http://localhost:${canaryPort}`];
      await expect(read(`http://localhost:${canaryPort}/`, { allow })).rejects.toEqual(code("source_refused"));
    });
  });

  it("connects to the very answer that was checked, so that a rebinding resolver gains nothing", () => {
    let asked = 0;
    const rebinding: LookupFunction = (_hostname, _options, callback) => {
      asked++;
      callback(null, [{ address: asked % 2 === 1 ? "93.184.216.34" : "127.0.0.1", family: 4 }]);
    };
    for (let round = 1; round <= 100; round++) {
      const seen: unknown[] = [];
      guardedLookup(rebinding)("canary.example", { all: round % 4 < 2 }, (error, address) => {
        seen.push(error?.name ?? (typeof address === "string" ? address : address[0]?.address));
      });
      expect(asked).toBe(round);
      expect(seen).toEqual([round % 2 === 1 ? "93.184.216.34" : "FrenezuloError"]);
    }
  });
});
