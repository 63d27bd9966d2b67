// Whatever a guest does, its request gets the status of the answer table, it is replaced, and nobody else notices.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { ErrorCode } from "../../src/errors.ts";
import { badReplies, connectionHeaders, doubtfulReplies, oddReplies } from "../guests/bad-replies.ts";
import { type GuestName, guest, guestPath, guests, servicePath } from "../guests/guests.ts";
import { type Asked, Bystander, HttpClient, type Reply } from "../harness/http-client.ts";
import { NodeProcess } from "../harness/node-process.ts";

const MIB = 1 << 20;
const PAGE = 65_536;
/** The figure that is aimed at; what is above it is told. ms */
const REPLACED_MS = 500;

interface Case {
  readonly guest: GuestName;
  readonly query?: string;
  readonly asked?: Asked;
  readonly policy?: Readonly<Record<string, unknown>>;
  readonly status: number;
  readonly code?: ErrorCode;
  readonly text?: RegExp;
  /** A request of the same service that must be answered 200 next; none where the guest can do nothing else. */
  readonly next?: string | null;
}

const hostile = (query: string, status: number, code?: ErrorCode, text?: RegExp): Case => ({
  guest: "hostile",
  query,
  status,
  ...(code === undefined ? {} : { code }),
  ...(text === undefined ? {} : { text }),
});
const post = (body: string | Uint8Array): Asked => ({ method: "POST", body });

const cases: Readonly<Record<string, Case>> = {
  "a trap": hostile("do=trap", 502, "trap", /unreachable/),
  "a division by zero": hostile("do=divide", 502, "trap", /divide by zero/),
  "an access out of bounds": hostile("do=bounds", 502, "trap", /out of bounds/),
  "deep recursion on its own stack": hostile("do=recursion", 502, "trap", /out of bounds/),
  "deep recursion on the engine's stack": {
    guest: "recursion",
    asked: post("down"),
    status: 502,
    code: "trap",
    text: /recursion/,
  },
  "an endless loop": hostile("do=loop", 504, "deadline"),
  "an endless loop of memory.fill": hostile("do=loop-fill", 504, "deadline"),
  "an endless loop of memory.copy": hostile("do=loop-copy", 504, "deadline"),
  "an endless loop of fills of 64 MiB": {
    guest: "loop-bulk",
    asked: post("loop"),
    policy: { limits: { memory: 128 * MIB } },
    status: 504,
    code: "deadline",
  },
  "a memory bomb that takes the refusal": {
    ...hostile("do=memory-bomb", 200, undefined, /^64$/),
    policy: { limits: { memory: 64 * PAGE } },
  },
  "a memory bomb that traps at the refusal": {
    guest: "ledger",
    query: "do=memory",
    status: 502,
    code: "memory_limit",
  },
  "a table bomb": { guest: "table-bomb", status: 200, policy: { limits: { table: 20_000 } } },
  "proc_exit(0)": hostile("do=exit&code=0", 502, "no_reply"),
  "proc_exit(1)": hostile("do=exit&code=1", 502, "exited", /proc_exit\(1\)/),
  "proc_exit(4294967295)": hostile("do=exit&code=4294967295", 502, "exited", /proc_exit\(\d+\)/),
  "a scratch bomb": hostile("do=scratch-bomb", 502, "trap"),
  "a flood of log lines": hostile("do=log-flood", 504, "deadline"),
  "a flood of messages to itself": hostile("do=self-flood", 502, "trap"),
  "a storm of descriptors": hostile("do=fd-storm", 504, "deadline"),
  "a storm of clock calls": hostile("do=clock-storm", 504, "deadline"),
  "a pointer beyond its memory": hostile("do=bad-pointer", 502, "trap"),
  "pointers that wrap around": hostile("do=pointers", 502, "trap", /out of bounds/),
  "a reply, then a message that is not there": hostile("do=no-message", 200),
  "proc_exit under a catch_all": { guest: "catch-all", asked: post("e"), status: 502, code: "exited", next: null },
  "a refused host call under a catch_all": { guest: "catch-all", asked: post("h"), status: 502, next: null },
  "proc_exit under a catch_all, for ever": { guest: "catch-all", asked: post("E"), status: 502, next: null },
  "a refused host call under a catch_all, for ever": { guest: "catch-all", asked: post("H"), status: 502, next: null },
  "no reply": { guest: "replies", query: "do=none", status: 502, code: "no_reply" },
  "a reply that is not sent": { guest: "replies", query: "do=unsent", status: 502, code: "no_reply" },
  "a reply to the wrong process": { guest: "replies", query: "do=wrong", status: 502, code: "no_reply" },
  "a reply to a foreign process": { guest: "replies", query: "do=foreign&pid=1", status: 502, code: "no_reply" },
  "a reply to another node": { guest: "replies", query: "do=node", status: 502 },
  "a second reply": { guest: "replies", query: "do=twice", status: 200, text: /^first$/m },
  "a reply to the wrong process and a right one": {
    guest: "replies",
    query: "do=next",
    status: 200,
    text: /^second$/m,
  },
  "a wait for a message that never comes": { guest: "slow", query: "do=wait&ms=60000", status: 504, code: "deadline" },
  "a sleep beyond the deadline": { guest: "slow", query: "do=sleep&ms=60000", status: 504, code: "deadline" },
  "late work after the reply": { guest: "slow", query: "do=late&ms=50", status: 200, text: /late/ },
  "late work after the reply, then a trap": { guest: "slow", query: "do=late&ms=50&then=trap", status: 200 },
  "late work after the reply, then proc_exit": { guest: "slow", query: "do=late&ms=50&then=exit", status: 200 },
  "late work after the reply beyond the deadline": { guest: "slow", query: "do=late&ms=60000", status: 200 },
  "a start function that never returns": { guest: "start-loop", status: 503, next: null },
  "a start function that copies for ever": { guest: "start-loop-bulk", status: 503, next: null },
  "an _initialize that never returns": { guest: "init-loop", status: 503, next: null },
  "an _initialize that waits for a message": { guest: "init-receive", status: 503, next: null },
  "a start function that traps": { guest: "start-trap", status: 503, code: "cannot_start", next: null },
  "an _initialize that traps": { guest: "init-trap", status: 503, code: "cannot_start", next: null },
  "an _initialize that exits": { guest: "init-exit", status: 503, code: "cannot_start", next: null },
  "a data segment beyond its memory": { guest: "segment-trap", status: 503, code: "cannot_start", next: null },
};

/** Each case has a service of its own, so that no breaker and no backoff of another one plays a part. */
const prefixes = new Map(Object.keys(cases).map((name, index) => [name, `case-${index}`]));

function policyOf({ policy = {}, guest: name, query = "", status }: Case): Record<string, unknown> {
  // Short only where it must pass: what does nothing wrong is in time on any machine.
  const runsOn = status === 504 || query.includes("ms=60000");
  const limits = { ...(runsOn ? { deadline: "1s" } : {}), ...(policy.limits as object) };
  if (guests[name] === "serves") return { ...policy, limits };
  // Its supervisor gives up soon: the default takes 5 s of trying.
  return { ...policy, limits: { ...limits, start_deadline: "100ms" }, max_restarts: 1, backoff: { min: "10ms" } };
}

let node: NodeProcess;
let client: HttpClient;
let bystander: Bystander;
const replacedMs: [number, string][] = [];
let worstMs = 0;

beforeAll(async () => {
  const services: Record<string, unknown> = { hello: { source: servicePath("hello") } };
  for (const [name, each] of Object.entries(cases)) {
    services[prefixes.get(name) as string] = { source: guestPath(each.guest), ...policyOf(each) };
  }
  const many = { breaker: { failures: 1_000_000 } };
  services.replies = { source: guestPath("status"), ...many };
  services.kept = { source: guestPath("status"), state: "kept", ...many };
  node = await NodeProcess.start({ config: { services, limits: { carriers: 16, spare: 2 } } });
  client = new HttpClient(node.address);
});

afterAll(async () => {
  client.close();
  const sorted = replacedMs.sort(([a], [b]) => a - b);
  const [slowest = [0, ""], median = [0, ""]] = [sorted.at(-1), sorted[sorted.length >> 1]];
  const late = sorted.filter(([ms]) => ms > REPLACED_MS).map(([ms, name]) => `${name} ${Math.round(ms)} ms`);
  console.log(
    `replaced within: median ${median[0].toFixed(1)} ms, worst ${slowest[0].toFixed(1)} ms (${slowest[1]}); ` +
      `above ${REPLACED_MS} ms: ${late.join(", ") || "none"}. ` +
      `Worst of the bystander's answers: ${worstMs.toFixed(1)} ms`,
  );
  await node.noZombies();
  expect(await node.stop()).toEqual({ code: 0, signal: null });
});

beforeEach(() => {
  bystander = new Bystander(node.address, "/hello", "Hello World!");
});

afterEach(async () => {
  await bystander.stop();
  worstMs = Math.max(worstMs, bystander.worstMs);
  expect(bystander.failures).toEqual([]);
  expect(bystander.requests).toBeGreaterThan(0);
});

function expectAnswer(reply: Reply, { status, code, text }: Pick<Case, "status" | "code" | "text">): void {
  const body = reply.body.toString();
  expect(reply.status, body).toBe(status);
  if (status >= 500) {
    const { error } = JSON.parse(body) as { error: { code: string; requestId: string } };
    if (code !== undefined) expect(error.code).toBe(code);
    expect(error.requestId).toBe(reply.headers.get("x-request-id"));
    if (status === 503) expect(Number(reply.headers.get("retry-after"))).toBeGreaterThan(0);
  }
  if (text !== undefined) expect(body).toMatch(text);
}

describe("a guest", () => {
  it.each(Object.entries(cases))("that does this gets its status and is replaced: %s", async (name, each) => {
    const path = `/${prefixes.get(name)}`;
    const asked = each.asked ?? {};
    const first = await client.request(`${path}?${each.query ?? ""}`, asked);
    expectAnswer(first, each);
    const began = performance.now();
    if (each.next === null) {
      // It can do nothing but this: then it does it again.
      expect((await client.request(path, asked)).status).toBe(each.status);
      return;
    }
    const next = await client.request(path);
    expect(next.status, next.body.toString()).toBe(200);
    replacedMs.push([performance.now() - began, name]);
  });
});

describe("a module whose first instance does not start", () => {
  const names: readonly GuestName[] = [
    "start-loop",
    "start-loop-bulk",
    "init-loop",
    "init-receive",
    "start-trap",
    "init-exit",
  ];
  it.each(names)("is refused with 422 and nothing is registered: %s", async (name) => {
    const policy = encodeURIComponent(JSON.stringify({ limits: { start_deadline: "100ms" } }));
    const put = await client.request(`/services/new?policy=${policy}`, {
      method: "PUT",
      body: guest(name),
      headers: { "content-type": "application/wasm" },
    });
    expect(put.status, put.body.toString()).toBe(422);
    expect(JSON.parse(put.body.toString()).error.code).toBe("first_start_failed");
    expect((await client.request("/new")).status).toBe(404);
  });

  it("is refused before it is compiled where its table alone would end the process", async () => {
    const put = await client.request("/services/new", {
      method: "PUT",
      body: guest("table-section"),
      headers: { "content-type": "application/wasm" },
    });
    expect(put.status, put.body.toString()).toBe(422);
    expect(JSON.parse(put.body.toString()).error.code).toBe("module_limits");
  });
});

describe.each(["replies", "kept"])("a reply that is not acceptable, by /%s,", (service) => {
  const ask = async (asked: { query: string; body: Uint8Array }) =>
    client.request(`/${service}?${asked.query}`, { method: "POST", body: asked.body });

  it.each(Object.entries(badReplies))("is answered 502 and the connection stays sound: %s", async (_name, asked) => {
    expectAnswer(await ask(asked), { status: 502 });
    const next = await client.request(`/${service}?status=201`, { method: "POST", body: "sound" });
    expect([next.status, next.body.toString()]).toEqual([201, "sound"]);
  });

  it.each(Object.entries(connectionHeaders))("never puts a header of the connection on it: %s", async (name, asked) => {
    const reply = await ask(asked);
    expect([200, 502]).toContain(reply.status);
    // The acceptor may say something of the connection itself; what the guest said is not in it.
    const guestSaid = ["close", "timeout=5", "chunked", "1", "websocket", "trailers", "x-a"];
    expect(guestSaid).not.toContain(reply.headers.get(name));
    expect((await client.request(`/${service}`)).status).toBe(200);
  });

  it.each(Object.entries(oddReplies))("but odd is passed on: %s", async (_name, asked) => {
    const reply = await ask(asked);
    expect(reply.status, reply.body.toString()).toBeLessThan(300);
  });

  it.each(Object.entries(doubtfulReplies))("or doubtful is refused or passed on: %s", async (_name, asked) => {
    expect([200, 502]).toContain((await ask(asked)).status);
    expect((await client.request(`/${service}`)).status).toBe(200);
  });
});
