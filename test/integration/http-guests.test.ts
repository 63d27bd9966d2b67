// The whole node over both acceptors: what reaches a guest of a request, and what reaches a client of a reply.
import { createHash } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Asked as AskedOfStatus, fields } from "../guests/bad-replies.ts";
import { guestPath, servicePath } from "../guests/guests.ts";
import { HttpClient } from "../harness/http-client.ts";
import { NodeProcess } from "../harness/node-process.ts";
import { type RawAnswer, RawClient, valuesOf } from "../harness/raw-http.ts";
import { readSeen, type SeenRequest } from "../harness/seen-request.ts";
import { acceptors } from "../harness/tiny-front.ts";

const MIB = 1 << 20;
const HEAD = "HTTP/1.1\r\nHost: a\r\n";
const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const patterned = (length: number): Buffer => Buffer.from(Uint8Array.from({ length }, (_, i) => i % 251));

const chunk = (bytes: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from("\r\n")]);

/** A POST whose body has no announced length, in chunks of `size` bytes. */
function chunkedPost(path: string, body: Buffer, size: number): Buffer {
  const chunks: Buffer[] = [Buffer.from(`POST ${path} ${HEAD}Transfer-Encoding: chunked\r\n\r\n`)];
  for (let at = 0; at < body.length; at += size) chunks.push(chunk(body.subarray(at, at + size)));
  return Buffer.concat([...chunks, Buffer.from("0\r\n\r\n")]);
}

const lengthPost = (path: string, body: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`POST ${path} ${HEAD}Content-Length: ${body.length}\r\n\r\n`), body]);

describe.each(acceptors.map(([name]) => name))("over %s", (http) => {
  let node: NodeProcess;
  let raw: RawClient;
  let client: HttpClient;

  beforeAll(async () => {
    const services = {
      hello: { source: servicePath("hello") },
      echo: { source: servicePath("echo") },
      counter: { source: servicePath("counter"), state: "kept" },
      seen: { source: guestPath("echo-raw") },
      bytes: { source: guestPath("bytes") },
      status: { source: guestPath("status") },
      small: { source: servicePath("echo"), limits: { body_in: 100 } },
      none: { source: servicePath("echo"), limits: { body_in: 0 } },
      tight: { source: guestPath("bytes"), limits: { body_out: 1000 }, breaker: { failures: 1000 } },
    };
    node = await NodeProcess.start({ http, config: { services } });
  });

  afterAll(async () => {
    expect(await node.stop()).toEqual({ code: 0, signal: null });
  });

  beforeEach(async () => {
    raw = await RawClient.open(node.address);
    client = new HttpClient(node.address);
  });

  afterEach(() => {
    raw.destroy();
    client.close();
  });

  /** The request as the guest saw it. */
  async function seen(text: string): Promise<SeenRequest> {
    const answer = await raw.request(text);
    expect(answer?.status).toBe(200);
    return readSeen(answer?.body as Buffer);
  }

  /** Lets the guest `status` reply what it is told. */
  async function replied({ query, body }: AskedOfStatus): Promise<RawAnswer> {
    const bytes = Buffer.from(body);
    return (await raw.send(lengthPost(`/status?${query}`, bytes)).answer("POST")) as RawAnswer;
  }

  it("is served by a guest, on its path and on those below", async () => {
    for (const path of ["/hello", "/hello/", "/hello/a/b", "/hello?a", "/h%65llo"]) {
      const { status, body } = await client.request(path);
      expect([path, status, body.toString()]).toEqual([path, 200, "Hello World!"]);
    }
    for (const path of ["/", "/hell", "/hellos", "/Hello", "/add", "/constructor"]) {
      expect([path, (await client.request(path)).status]).toEqual([path, 404]);
    }
  });

  it("keeps a connection through answers of services, through failures and through unknown services", async () => {
    for (let i = 1; i <= 50; i++) {
      expect((await client.request("/hello")).body.toString()).toBe("Hello World!");
      expect((await client.request("/counter")).body.toString()).toBe(`${i}\n`);
      expect((await client.request("/nothing")).status).toBe(404);
      expect((await client.request("/tight?n=1001")).status).toBe(502);
    }
    // Nothing but the raw connection and this one were opened.
    expect(await node.metric("connections")).toBeLessThanOrEqual(3);
  });

  it("closes after the answer where the client asks for it", async () => {
    const answer = await raw.request(`GET /hello ${HEAD}Connection: close\r\n\r\n`);
    expect(valuesOf(answer as RawAnswer, "connection")).toEqual(["close"]);
    await raw.closed();
  });

  it.each(["OPTIONS", "GET", "POST", "PUT", "DELETE", "PATCH"])("lets %s reach the guest", async (method) => {
    const { method: given, version } = await seen(`${method} /seen ${HEAD}\r\n`);
    expect([given.toUpperCase(), version]).toEqual([method, "Http11"]);
  });

  it("answers HEAD with the headers of GET and no body, and the connection goes on", async () => {
    const got = (await raw.request(`GET /hello ${HEAD}X-Request-Id: x\r\n\r\n`)) as RawAnswer;
    const head = (await raw.request(`HEAD /hello ${HEAD}X-Request-Id: x\r\n\r\n`)) as RawAnswer;
    const without = ({ headers }: RawAnswer) => headers.filter(([name]) => name !== "date");
    expect([head.status, without(head)]).toEqual([200, without(got)]);
    expect(valuesOf(head, "content-length")).toEqual(["12"]);
    expect((await raw.request(`GET /hello ${HEAD}\r\n`))?.body.toString()).toBe("Hello World!");
    expect((await raw.request(`HEAD /nothing ${HEAD}\r\n`))?.status).toBe(404);
    expect((await raw.request(`GET /hello ${HEAD}\r\n`))?.body.toString()).toBe("Hello World!");
  });

  it("ignores Upgrade", async () => {
    const upgrade =
      "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAA\r\n";
    expect((await raw.request(`GET /hello ${HEAD}${upgrade}\r\n`))?.status).toBe(200);
    expect((await raw.request(`GET /hello ${HEAD}\r\n`))?.status).toBe(200);
  });

  it("gives the guest path and query as they were sent", async () => {
    for (const uri of ["/seen", "/seen/", "/seen?a=b&a=c", "/seen/a%20b/c?d=%2F&e=?f/g", "/s%65en/%C3%A9"]) {
      expect((await seen(`GET ${uri} ${HEAD}\r\n`)).uri).toBe(uri);
    }
  });

  describe("request bodies", () => {
    it.each([
      ["the default limit of 1 MiB", "echo", MIB],
      ["a limit of its own", "small", 100],
      ["a limit of nothing", "none", 0],
    ])("are taken to %s and not beyond, by Content-Length and chunked", async (_what, service, limit) => {
      for (const length of [limit - 1, limit, limit + 1].filter((each) => each >= 0)) {
        const body = patterned(length);
        for (const request of [lengthPost(`/${service}`, body), chunkedPost(`/${service}`, body, 40_000)]) {
          const connection = await RawClient.open(node.address);
          const answer = (await connection.send(request).answer("POST")) as RawAnswer;
          expect([length, answer.status]).toEqual([length, length > limit ? 413 : 200]);
          if (length > limit) {
            const { code, message } = JSON.parse(answer.body.toString()).error;
            expect([code, message]).toEqual(["body_too_large", expect.stringContaining(`${limit} bytes`)]);
          } else expect(digest(answer.body)).toBe(digest(body));
          connection.destroy();
        }
      }
    });

    it("arrive whole however they are cut into chunks", async () => {
      const body = patterned(3000);
      for (const size of [1, 7, 1024, 3000]) {
        const connection = await RawClient.open(node.address);
        const answer = await connection.send(chunkedPost("/seen", body, size)).answer("POST");
        expect(readSeen(answer?.body as Buffer).body.equals(body)).toBe(true);
        connection.destroy();
      }
    });

    it("of many clients at once arrive each at its own request", async () => {
      const clients = await Promise.all(Array.from({ length: 24 }, () => RawClient.open(node.address)));
      await Promise.all(
        clients.map(async (connection, i) => {
          const body = Buffer.alloc(1000 + 40_000 * (i % 12), i + 1);
          const answer = await connection.send(lengthPost("/echo", body)).answer("POST");
          expect(answer?.body.equals(body)).toBe(true);
          connection.destroy();
        }),
      );
    });
  });

  describe("reply bodies", () => {
    it.each([0, 1, 1000, 65_536, 65_537, MIB, 8 * MIB])("of %i bytes travel whole", async (length) => {
      const answer = (await raw.request(`GET /bytes?n=${length}&piece=64000 ${HEAD}\r\n`)) as RawAnswer;
      expect([answer.status, answer.body.length, digest(answer.body)]).toEqual([
        200,
        length,
        digest(patterned(length)),
      ]);
      expect((await raw.request(`GET /hello ${HEAD}\r\n`))?.status).toBe(200);
    });

    it("of many clients at once travel each to its own", async () => {
      const clients = await Promise.all(Array.from({ length: 8 }, () => RawClient.open(node.address)));
      await Promise.all(
        clients.map(async (connection, i) => {
          const length = 2 * MIB + i;
          const answer = (await connection.request(`GET /bytes?n=${length} ${HEAD}\r\n`)) as RawAnswer;
          expect(digest(answer.body)).toBe(digest(patterned(length)));
          connection.destroy();
        }),
      );
    });

    it("above their limit are 502, by default and with a limit of the service's own", async () => {
      expect((await client.request("/tight?n=1000")).status).toBe(200);
      for (const [path, limit] of [
        ["/tight?n=1001", 1000],
        [`/bytes?n=${8 * MIB + 1}`, 8 * MIB],
      ] as const) {
        const { status, body } = await client.request(path);
        const { code, message } = JSON.parse(body.toString()).error;
        expect([status, code, message]).toEqual([502, "reply_too_large", expect.stringContaining(`${limit} bytes`)]);
      }
    });
  });

  describe("headers", () => {
    it("reach the guest in lower case, repeated ones with all their values in order", async () => {
      const { headers } = await seen(
        `GET /seen ${HEAD}X-A: 1\r\nCookie: a=1\r\nx-a: 2\r\nCookie: b=2\r\nX-Empty:\r\n\r\n`,
      );
      expect(headers.get("x-a")).toEqual(["1", "2"]);
      expect(headers.get("cookie")).toEqual(["a=1", "b=2"]);
      expect(headers.get("x-empty")).toEqual([""]);
      expect(headers.get("host")).toEqual(["a"]);
    });

    it("of a reply reach the client as often as they were given: two Set-Cookie are two", async () => {
      const reply = new Map([
        ["set-cookie", [Buffer.from("a=1"), Buffer.from("b=2")]],
        ["x-one", [Buffer.from("1")]],
      ]);
      const answer = await replied(fields(200, reply));
      expect(valuesOf(answer, "set-cookie")).toEqual(["a=1", "b=2"]);
      expect(valuesOf(answer, "x-one")).toEqual(["1"]);
    });

    it("whose value is UTF-8 survive byte for byte; one that is not is 400", async () => {
      const value = Buffer.from("=žluťoučký ☃ 🦀=").toString("latin1");
      expect((await seen(`GET /seen ${HEAD}X-Text: ${value}\r\n\r\n`)).headers.get("x-text")).toEqual([value]);
      for (const wrong of ["gr\xfc\xdfe", "a\xc3b", "a\xff\xfeb", "a\xc0\xafb", "a\xed\xa0\x80b"]) {
        const connection = await RawClient.open(node.address);
        const answer = await connection.request(`GET /seen ${HEAD}X-Text: ${wrong}\r\n\r\n`);
        expect([answer?.status, JSON.parse(answer?.body.toString() ?? "").error.code]).toEqual([400, "bad_header"]);
        await connection.closed();
      }
    });

    it("of a reply survive byte for byte, UTF-8 or not", async () => {
      const values = ["=žluťoučký=", "=🦀="]
        .map((text) => Buffer.from(text))
        .concat(Buffer.from("=\xe9\xff=", "latin1"));
      const answer = await replied(fields(200, new Map([["x-text", values]])));
      expect(valuesOf(answer, "x-text")).toEqual(values.map((value) => value.toString("latin1")));
    });

    it("named as parts of every object are headers like others, both ways", async () => {
      const names = ["__proto__", "constructor", "toString", "hasOwnProperty", "valueOf"];
      // uWS waits for ever on a name with an underscore: no request of that kind gets as far as a service.
      const asked = http === "uws" ? names.slice(1) : names;
      const lines = asked.map((name) => `${name}: of ${name}\r\n${name}: again\r\n`).join("");
      const { headers } = await seen(`GET /seen ${HEAD}${lines}\r\n`);
      for (const name of asked) expect(headers.get(name.toLowerCase())).toEqual([`of ${name}`, "again"]);
      const reply = new Map(names.map((name) => [name, [Buffer.from(`of ${name}`), Buffer.from("again")]]));
      const answer = await replied(fields(200, reply));
      for (const name of names) expect(valuesOf(answer, name.toLowerCase())).toEqual([`of ${name}`, "again"]);
    });
  });

  describe("X-Request-Id", () => {
    const sent = (lines: string) => raw.request(`GET /seen ${HEAD}${lines}\r\n`) as Promise<RawAnswer>;

    it.each(["a", "A-Za-z0-9._-", "x".repeat(128)])(
      "that is sane is passed to the guest and echoed: %s",
      async (id) => {
        const answer = await sent(`X-Request-Id: ${id}\r\n`);
        expect(valuesOf(answer, "x-request-id")).toEqual([id]);
        expect(readSeen(answer.body).headers.get("x-request-id")).toEqual([id]);
      },
    );

    it("is made where there is none or none that is sane, passed to the guest and echoed", async () => {
      const made = new Set<string>();
      const lines = ["", "X-Request-Id:\r\n", "X-Request-Id: a b\r\n", "X-Request-Id: a\xc3\xa9b\r\n"];
      lines.push(
        "X-Request-Id: a\r\nX-Request-Id: b\r\n",
        `X-Request-Id: ${"x".repeat(129)}\r\n`,
        'X-Request-Id: "a"\r\n',
      );
      for (const each of lines) {
        const answer = await sent(each);
        const [id = "", ...more] = valuesOf(answer, "x-request-id");
        expect(more).toEqual([]);
        expect(id).toMatch(/^[A-Za-z0-9._-]{1,128}$/);
        expect(each).not.toContain(`: ${id}\r\n`);
        expect(readSeen(answer.body).headers.get("x-request-id")).toEqual([id]);
        made.add(id);
      }
      expect(made.size).toBe(lines.length);
    });

    it("of a guest's reply does not take the place of the request's", async () => {
      const answer = await replied(fields(200, new Map([["x-request-id", [Buffer.from("forged")]]])));
      expect(valuesOf(answer, "x-request-id")).not.toContain("forged");
      expect(valuesOf(answer, "x-request-id")).toHaveLength(1);
    });

    it("is in the body of a failure, with the service it belongs to", async () => {
      const answer = (await raw.request(`GET /tight?n=1001 ${HEAD}X-Request-Id: mine\r\n\r\n`)) as RawAnswer;
      expect(JSON.parse(answer.body.toString())).toEqual({
        error: { code: "reply_too_large", message: expect.any(String), service: "tight", requestId: "mine" },
      });
    });
  });

  it("meets a kept service in the state that the request before left, and a fresh one like new", async () => {
    const counts = new Set<string>();
    for (let i = 0; i < 10; i++) counts.add((await client.request("/counter")).body.toString());
    expect(counts.size).toBe(10);
    const { status, body } = await client.request("/echo/x?y");
    expect([status, body.toString().split("\n")[0]]).toEqual([200, "GET /echo/x?y"]);
  });
});
