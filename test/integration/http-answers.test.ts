// The whole node over both acceptors: each row of the answer table that a client can bring about, with its body.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type ErrorCode, errorTable } from "../../src/errors.ts";
import { fields } from "../guests/bad-replies.ts";
import { guestPath, servicePath } from "../guests/guests.ts";
import { AdminClient } from "../harness/admin-client.ts";
import { HttpClient } from "../harness/http-client.ts";
import { NodeProcess } from "../harness/node-process.ts";
import { eventually, holdsWithin, whileItRuns } from "../harness/patience.ts";
import { type RawAnswer, RawClient, valuesOf } from "../harness/raw-http.ts";
import { acceptors } from "../harness/tiny-front.ts";

const HEAD = "HTTP/1.1\r\nHost: a\r\n";
const get = (path: string, lines = ""): string => `GET ${path} ${HEAD}${lines}\r\n`;
const never = { failures: 1_000_000 };

/** Checks all that a failure's answer must be. @returns its message */
function expectFailure(answer: RawAnswer | null, code: ErrorCode, service: string | null): string {
  const { status, headers, body } = answer as RawAnswer;
  expect([status, body.toString()]).toEqual([errorTable[code].status, expect.stringContaining(`"${code}"`)]);
  const { error, ...more } = JSON.parse(body.toString());
  const [requestId] = valuesOf(answer as RawAnswer, "x-request-id");
  expect(more).toEqual({});
  expect(error).toEqual({ code, service, message: expect.any(String), requestId });
  expect(error.message).not.toMatch(/\{\w+\}|undefined|\n/);
  const found = new Map(headers);
  expect(found.get("content-type")).toBe("application/json");
  if (status === 429 || status === 503) expect(Number(found.get("retry-after"))).toBeGreaterThanOrEqual(1);
  return error.message;
}

describe.each(acceptors.map(([name]) => name))("over %s", (http) => {
  let node: NodeProcess;
  let raw: RawClient;

  beforeAll(async () => {
    const services = {
      hello: { source: servicePath("hello") },
      hostile: { source: guestPath("hostile"), breaker: never },
      ledger: { source: guestPath("ledger"), breaker: never, limits: { memory: "4MiB" } },
      replies: { source: guestPath("replies"), breaker: never },
      status: { source: guestPath("status"), breaker: never },
      bytes: { source: guestPath("bytes"), breaker: never, limits: { body_out: 1000 } },
      small: { source: servicePath("echo"), limits: { body_in: 10 } },
      slow: { source: guestPath("slow"), breaker: never, limits: { deadline: "1s" } },
      // One at a time, one more may wait; and one that gives up waiting soon.
      busy: { source: guestPath("slow"), scale: { max: 1 }, limits: { concurrency: 1, queue: 1 } },
      patient: { source: guestPath("slow"), scale: { max: 1 }, limits: { concurrency: 1, queue_timeout: "300ms" } },
      dead: { source: guestPath("start-trap"), backoff: { min: "50ms" }, max_restarts: 2 },
      breaking: { source: guestPath("hostile"), backoff: { min: "10m", max: "10m" }, breaker: { window: "1h" } },
    };
    node = await NodeProcess.start({ http, config: { listen: { body_idle: "1s" }, services } });
  });

  afterAll(async () => {
    expect(await node.stop()).toEqual({ code: 0, signal: null });
  });

  beforeEach(async () => {
    raw = await RawClient.open(node.address);
  });

  afterEach(() => raw.destroy());

  /** After a failure of a service the connection goes on. */
  async function expectOpen(): Promise<void> {
    expect((await raw.request(get("/hello")))?.body.toString()).toBe("Hello World!");
  }

  it("an unknown service is 404", async () => {
    expect(expectFailure(await raw.request(get("/nothing/at/all")), "unknown_service", "nothing")).toMatch(/nothing/);
    expect(expectFailure(await raw.request(get("/")), "unknown_service", "")).toMatch(/the prefix "";/);
    await expectOpen();
  });

  it("an unknown admin route is 404, a known one with another method 405 that names those it takes", async () => {
    const local = "HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    expectFailure(await raw.request(`GET /services/-/nothing ${local}`), "not_found", null);
    const answer = (await raw.request(`PATCH /services ${local}`)) as RawAnswer;
    expectFailure(answer, "method_not_allowed", null);
    expect(valuesOf(answer, "allow")).toEqual(["GET, HEAD"]);
    await expectOpen();
  });

  it.each<[string, string, ErrorCode]>([
    ["a method that is no word", `G!T /hello ${HEAD}\r\n`, "bad_request_line"],
    ["a path with a dot segment", get("/hello/../hello"), "bad_path"],
    ["a header that is not UTF-8", get("/hello", "X-A: a\xffb\r\n"), "bad_header"],
    ["two hosts", get("/hello", "Host: b\r\n"), "bad_host"],
    ["a coding that is not chunked", `POST /hello ${HEAD}Transfer-Encoding: gzip\r\n\r\n`, "bad_framing"],
    ["more than 64 headers", get("/hello", "X-A: b\r\n".repeat(64)), "headers_too_large"],
    ["a head of more than 16 KiB", get("/hello", `X-A: ${"b".repeat(17_000)}\r\n`), "headers_too_large"],
    ["TRACE", `TRACE /hello ${HEAD}\r\n`, "method_not_implemented"],
    ["CONNECT", `CONNECT /hello ${HEAD}\r\n`, "method_not_implemented"],
    ["HTTP/1.0", "GET /hello HTTP/1.0\r\nHost: a\r\n\r\n", "version_not_supported"],
  ])("%s is refused before any service sees it, and the connection closes", async (_what, text, code) => {
    const answer = (await raw.request(text)) as RawAnswer;
    // uWS knows HTTP/1.0 by itself and answers with a page of its own.
    if (http === "uws" && code === "version_not_supported") expect(answer.status).toBe(505);
    else expectFailure(answer, code, null);
    await raw.closed();
  });

  it("a body that comes too slowly is 408", async () => {
    raw.send(`POST /small ${HEAD}Content-Length: 10\r\n\r\n12345`);
    expectFailure(await raw.answer(), "request_timeout", "small");
    await raw.closed();
  });

  it("a body above the limit is 413", async () => {
    const answer = await raw.request(`POST /small ${HEAD}Content-Length: 11\r\n\r\nhello world`);
    expect(expectFailure(answer, "body_too_large", "small")).toMatch(/10 bytes/);
  });

  it.each<[string, string, ErrorCode, RegExp]>([
    ["a trap", "/hostile?do=trap", "trap", /unreachable/],
    ["a division by zero", "/hostile?do=divide", "trap", /divide by zero/],
    ["proc_exit", "/hostile?do=exit&code=7", "exited", /proc_exit\(7\)/],
    ["memory above the limit", "/ledger?do=memory", "memory_limit", /4194304 bytes/],
    ["no reply", "/replies?do=none", "no_reply", /without a reply/],
    ["a reply that is none", "/ledger?do=invalid", "invalid_reply", /not acceptable/],
    ["a reply above its limit", "/bytes?n=1001", "reply_too_large", /1000 bytes/],
  ])("%s is 502", async (_what, path, code, text) => {
    const service = path.slice(1, path.indexOf("?"));
    expect(expectFailure(await raw.request(get(path)), code, service)).toMatch(text);
    await expectOpen();
  });

  it("a status that is none of 200 to 599 is 502", async () => {
    const { query, body } = fields(99);
    raw.send(`POST /status?${query} ${HEAD}Content-Length: ${body.length}\r\n\r\n`).send(body);
    expectFailure(await raw.answer(), "invalid_reply", "status");
  });

  it("a deadline that passed is 504, and the next request is served", async () => {
    expect(expectFailure(await raw.request(get("/slow?do=spin&ms=60000")), "deadline", "slow")).toMatch(/1000 ms/);
    expect((await raw.request(get("/slow?ms=1")))?.body.toString()).toBe("done\n");
  });

  it("a service with as many requests as it may have and a full queue is 429", async () => {
    await whileItRuns(async (ms) => {
      const clients = await Promise.all(Array.from({ length: 6 }, () => RawClient.open(node.address)));
      let refused = 0;
      const answers = clients.map(async (client) => {
        const answer = await client.request(get(`/busy?do=spin&ms=${ms}`));
        if (answer?.status !== 200) refused++;
        return answer;
      });
      await holdsWithin(ms, async () => refused === 4);
      return async (isInTime) => {
        const failed = (await Promise.all(answers)).filter((answer) => answer?.status !== 200);
        for (const client of clients) client.destroy();
        for (const each of failed) expect(expectFailure(each, "service_busy", "busy")).toMatch(/2 requests/);
        if (isInTime) expect(failed).toHaveLength(4);
      };
    }, 700);
    expect((await raw.request(get("/busy?ms=1")))?.status).toBe(200);
  });

  it("a request that waited too long is 503, while the one before it is served", async () => {
    const first = new HttpClient(node.address);
    await whileItRuns(async (ms) => {
      await eventually(
        async () => (await first.request("/patient?ms=1")).status,
        (status) => status === 200, // its start takes longer than it may wait
      );
      const begun = first.request(`/patient?do=spin&ms=${ms}`);
      const admin = new AdminClient(node.url);
      await holdsWithin(ms, async () => (await admin.describe("patient")).inFlight === 1);
      const waited = await raw.request(get("/patient?ms=1"));
      return async (isInTime) => {
        if (isInTime) expect(expectFailure(waited, "queue_timeout", "patient")).toMatch(/300 ms/);
        expect((await begun).status).toBe(200);
      };
    }, 1200);
    first.close();
    await expectOpen();
  });

  it("a service that cannot start is 503 for as long as it cannot, and no other service notices", async () => {
    for (let i = 0; i < 6; i++) {
      const answer = (await raw.request(get("/dead"))) as RawAnswer;
      const { code } = JSON.parse(answer.body.toString()).error;
      expect(["cannot_start", "breaker_open"]).toContain(code);
      expectFailure(answer, code, "dead");
      await expectOpen();
    }
  });

  it("a service that fails most of its requests is 503 until its next trial", async () => {
    for (let i = 0; i < 10; i++) expectFailure(await raw.request(get("/breaking?do=trap")), "trap", "breaking");
    const answer = await raw.request(get("/breaking"));
    expectFailure(answer, "breaker_open", "breaking");
    const seconds = Number(valuesOf(answer as RawAnswer, "retry-after")[0]);
    expect([seconds > 60, seconds <= 720]).toEqual([true, true]);
    await expectOpen();
  });
});

it("a node with as many requests as it may have is 503, whatever the service", async () => {
  const services = { slow: { source: guestPath("slow") }, hello: { source: servicePath("hello") } };
  const node = await NodeProcess.start({ config: { limits: { in_flight: 2 }, services } });
  const client = new HttpClient(node.address);
  expect((await client.request("/slow?ms=1")).status).toBe(200);
  const begun = [1, 2].map(() => new HttpClient(node.address));
  const raw = await RawClient.open(node.address);
  await whileItRuns(async (ms) => {
    const slow = Promise.all(begun.map((each) => each.request(`/slow?do=sleep&ms=${ms}`)));
    await holdsWithin(ms, async () => (await node.metric("in_flight")) === 2);
    const refused = await raw.request(get("/hello"));
    return async (isInTime) => {
      if (isInTime) expect(expectFailure(refused, "node_busy", "hello")).toMatch(/limits\.in_flight/);
      expect((await slow).map(({ status }) => status)).toEqual([200, 200]);
    };
  }, 800);
  expect((await raw.request(get("/hello")))?.status).toBe(200);
  for (const each of [client, ...begun]) each.close();
  raw.destroy();
  expect(await node.stop()).toEqual({ code: 0, signal: null });
});
