// What one service does stays its own: memory to its cap, state by its policy, traps, the breaker.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { guest, guestPath, servicePath } from "../guests/guests.ts";
import { Bystander, HttpClient, type Reply, runLanes } from "../harness/http-client.ts";
import { NodeProcess } from "../harness/node-process.ts";
import { eventually } from "../harness/patience.ts";

const PAGE = 65_536;
const CAP_PAGES = 48;
const never = { breaker: { failures: 1_000_000 } };
const hostile = { source: guestPath("hostile") };

let node: NodeProcess;
let client: HttpClient;

const cap = (memory: number, state: "fresh" | "kept"): object => ({ ...hostile, state, limits: { memory } });

beforeAll(async () => {
  const breaker = { failures: 10, ratio: 0.5, window: "1h" };
  const slowly = { min: "1500ms", max: "1500ms", jitter: 0 }; // time to ask while it is open
  const services = {
    hello: { source: servicePath("hello") },
    "below-fresh": cap(CAP_PAGES * PAGE - 1, "fresh"),
    "at-fresh": cap(CAP_PAGES * PAGE, "fresh"),
    "above-fresh": cap(CAP_PAGES * PAGE + 1, "fresh"),
    "below-kept": cap(CAP_PAGES * PAGE - 1, "kept"),
    "at-kept": cap(CAP_PAGES * PAGE, "kept"),
    "above-kept": cap(CAP_PAGES * PAGE + 1, "kept"),
    table: { source: guestPath("table-bomb"), limits: { table: 5_001 } },
    counter: { source: servicePath("counter"), state: "kept" },
    forgetful: { source: servicePath("counter"), state: "fresh" },
    kept: { ...hostile, state: "kept", ...never },
    fresh: { ...hostile, state: "fresh", ...never },
    tenth: { ...hostile, state: "kept" },
    poison: { ...hostile, state: "kept", max_restarts: 3, ...never },
    counted: { ...hostile, state: "kept", max_restarts: 3, count_traps: true, backoff: slowly, ...never },
    breaking: { ...hostile, breaker, backoff: slowly },
  };
  node = await NodeProcess.start({ config: { services, limits: { carriers: 24 }, log: { level: "debug" } } });
  client = new HttpClient(node.address);
});

afterAll(async () => {
  client.close();
  await node.noZombies();
  expect(await node.stop()).toEqual({ code: 0, signal: null });
});

const ask = (service: string, query = ""): Promise<Reply> => client.request(`/${service}?${query}`);
const codeOf = (reply: Reply): string => JSON.parse(reply.body.toString()).error.code;
const detail = async (service: string) => JSON.parse((await client.request(`/services/${service}`)).body.toString());
/** Traps once. */
const trap = async (service: string): Promise<void> => {
  const reply = await ask(service, "do=trap");
  expect([reply.status, codeOf(reply)]).toEqual([502, "trap"]);
};

describe("memory", () => {
  it.each(["fresh", "kept"])(
    "of a %s service grows to its cap, rounded down to pages, and not a page beyond",
    async (state) => {
      const pages = async (service: string): Promise<number> => {
        const reply = await ask(`${service}-${state}`, "do=memory-bomb");
        expect(reply.status, reply.body.toString()).toBe(200);
        return Number(reply.body.toString());
      };
      expect(await pages("below")).toBe(CAP_PAGES - 1);
      expect(await pages("at")).toBe(CAP_PAGES);
      expect(await pages("above")).toBe(CAP_PAGES);
      // Those who took all they may go on serving.
      for (const service of ["below", "at", "above"]) expect((await ask(`${service}-${state}`)).status).toBe(200);
      expect(await pages("at")).toBe(CAP_PAGES);
    },
  );

  it("of a module that begins above its cap is refused, at its cap it is served", async () => {
    const put = async (memory: number): Promise<number> => {
      const policy = encodeURIComponent(JSON.stringify({ limits: { memory } }));
      const reply = await client.request(`/services/capped?policy=${policy}`, {
        method: "PUT",
        body: guest("state-globals"),
        headers: { "content-type": "application/wasm" },
      });
      if (reply.status !== 200) expect([reply.status, codeOf(reply)]).toEqual([422, "module_limits"]);
      return reply.status;
    };
    // state-globals declares two pages.
    expect(await put(2 * PAGE - 1)).toBe(422);
    expect((await ask("capped")).status).toBe(404);
    expect(await put(2 * PAGE)).toBe(200);
    expect((await ask("capped")).status).toBe(200);
    expect(await put(2 * PAGE + 1)).toBe(200);
    expect((await ask("capped")).status).toBe(200);
  });

  it("of tables ends at their cap", async () => {
    for (let i = 0; i < 2; i++) {
      const { status, body } = await ask("table");
      expect([status, body.readBigUInt64LE()]).toEqual([200, 5_001n]);
    }
  });
});

describe("state", () => {
  it("of a fresh service is new for each request, of a kept one it stays", async () => {
    const bodies = async (service: string): Promise<string[]> => {
      const seen: string[] = [];
      for (let i = 0; i < 3; i++) seen.push((await ask(service)).body.toString());
      return seen;
    };
    expect(new Set(await bodies("forgetful")).size).toBe(1);
    expect(new Set(await bodies("counter")).size).toBe(3);
    // every=2: the second request that one instance sees
    for (let i = 0; i < 4; i++) expect((await ask("fresh", "do=trap&every=2")).status).toBe(200);
    expect((await ask("kept", "do=trap&every=2")).status).toBe(200);
    expect((await ask("kept", "do=trap&every=2")).status).toBe(502);
  });

  it("of a kept actor is lost with a trap, which is reported as an exit", async () => {
    const trapsBefore = await node.metric('restarts_total{reason="trap"}');
    const { counts, actors } = await detail("kept");
    const every = "do=trap&every=3";
    const statuses: number[] = [];
    for (let i = 0; i < 9; i++) statuses.push((await ask("kept", every)).status);
    // The third request of each new instance: had its state survived the trap, the fourth would not begin at one again.
    expect(statuses).toEqual([200, 200, 502, 200, 200, 502, 200, 200, 502]);
    expect(await node.metric('restarts_total{reason="trap"}')).toBe(trapsBefore + 3);
    const after = await detail("kept");
    expect(after.counts.restarts).toBe(counts.restarts + 3);
    // The same actor on the same carrier: a trap is no death of either.
    expect(after.actors.map((each: { carrier: number }) => each.carrier)).toEqual(
      actors.map((each: { carrier: number }) => each.carrier),
    );
    const exits = node.log.filter(({ service, msg }) => service === "kept" && msg === "a guest ended");
    expect(exits.length).toBeGreaterThanOrEqual(3);
  });
});

describe("traps", () => {
  it("of one request in ten cost nobody else anything, at 64 connections", async () => {
    const bystander = new Bystander(node.address, "/hello", "Hello World!");
    const count = 3_200;
    const statuses = new Map<number, number>();
    await runLanes(node.address, 64, count, async (each) => {
      const { status, body } = await each.request("/tenth?do=trap&every=10");
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      if (status === 200) expect(body.toString()).toBe("survived\n");
    });
    await bystander.stop();
    // The actor's tenth request traps, then its next instance counts from one: exactly a tenth.
    expect(Object.fromEntries(statuses)).toEqual({ 200: (count / 10) * 9, 502: count / 10 });
    expect(bystander.failures).toEqual([]);
  });

  it("never take the service away, unless its policy counts them as restarts", async () => {
    for (let i = 0; i < 20; i++) await trap("poison");
    expect((await ask("poison")).status).toBe(200);

    const statuses: number[] = [];
    for (let i = 0; i < 5; i++) statuses.push((await ask("counted", "do=trap")).status);
    // max_restarts = 3: the fourth trap is one too many; the breaker opens.
    expect(statuses).toEqual([502, 502, 502, 502, 503]);
    expect(node.log.some(({ msg }) => /^supervisor counted#.*shutdown/.test(msg))).toBe(true);
    // And it comes back by a probe.
    await eventually(
      async () => (await ask("counted")).status,
      (status) => status === 200,
    );
  });
});

describe("the breaker", () => {
  const untilProbe = (): Promise<Reply> =>
    eventually(
      async () => {
        const reply = await ask("breaking");
        if (reply.status === 503) expect(codeOf(reply)).toBe("breaker_open");
        return reply;
      },
      ({ status }) => status !== 503,
    );

  it("opens at 10 failures that are half of the requests, says Retry-After, and closes after a probe", async () => {
    for (let i = 0; i < 10; i++) expect((await ask("breaking")).status).toBe(200);
    // 10 of 10 succeeded: the tenth failure is the first that makes a half.
    for (let i = 0; i < 10; i++) await trap("breaking");
    const refused = await ask("breaking");
    expect([refused.status, codeOf(refused)]).toEqual([503, "breaker_open"]);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    expect((await detail("breaking")).status).toBe("broken");
    expect((await ask("hello")).status).toBe(200);

    expect((await untilProbe()).status).toBe(200);
    expect((await detail("breaking")).status).toBe("warm");
    // Closed and forgotten: nine failures do not open it, one more does.
    for (let i = 0; i < 9; i++) await trap("breaking");
    expect((await detail("breaking")).status).toBe("warm");
    await trap("breaking");
    expect((await ask("breaking")).status).toBe(503);
  });

  it("stays open when its probe fails, and lets one request through at a time", async () => {
    // Open from the test before. Many at once: one of them is the probe.
    const answers = await eventually(
      async () => {
        const statuses: number[] = [];
        await runLanes(node.address, 8, 8, async (each) => {
          statuses.push((await each.request("/breaking?do=trap")).status);
        });
        return statuses;
      },
      (statuses) => statuses.includes(502),
    );
    expect(answers.toSorted()).toEqual([502, ...Array(7).fill(503)]);
    expect((await ask("breaking")).status).toBe(503);
    expect((await untilProbe()).status).toBe(200);
    expect((await ask("breaking")).status).toBe(200);
  });
});

describe("services in one carrier", () => {
  it("take turns: one that always has requests waiting does not keep the other from its own", async () => {
    const ledger = { source: guestPath("ledger"), placement: "shared" };
    const crowded = await NodeProcess.start({
      config: { services: { busy: ledger, modest: ledger }, limits: { carriers: 1, spare: 1 } },
    });
    let isOver = false;
    const crowd = runLanes(crowded.address, 12, 12, async (each) => {
      while (!isOver) expect((await each.request("/busy?id=busy&do=sleep&ms=5")).status).toBe(200);
    });
    await crowded.logged(/^begun busy$/);
    // Several at once, so that one of them always waits, however slow the askers are.
    await runLanes(crowded.address, 4, 20, async (each) => {
      expect((await each.request("/modest?id=modest")).status).toBe(200);
    });
    isOver = true;
    await crowd;
    // Not by time: how many of the crowd were begun between two of the other's.
    const begun = crowded.log.filter(({ msg }) => msg.startsWith("begun")).map(({ msg }) => msg.slice(6));
    const at = begun.flatMap((id, i) => (id === "modest" ? [i] : []));
    const turns = at.slice(1).map((each, i) => each - (at[i] as number));
    expect(begun.filter((id) => id === "busy").length).toBeGreaterThan(10);
    expect(Math.max(...turns)).toBeLessThan(12);
    expect(await crowded.stop()).toEqual({ code: 0, signal: null });
  });

  it("are parted when they are busy: who has been idle gives up its carrier", async () => {
    const idle = { source: guestPath("ledger"), placement: "dedicated" };
    const busy = { source: guestPath("ledger") };
    const services = { "idle-0": idle, "idle-1": idle, "idle-2": idle, "busy-0": busy, "busy-1": busy };
    const full = await NodeProcess.start({ config: { services, limits: { carriers: 4, spare: 1 } } });
    const asker = new HttpClient(full.address);
    for (let i = 0; i < 3; i++) expect((await asker.request(`/idle-${i}?id=x`)).status).toBe(200);
    let isOver = false;
    const crowd = runLanes(full.address, 4, 4, async (each, index) => {
      while (!isOver) expect((await each.request(`/busy-${index % 2}?id=x&do=sleep&ms=10`)).status).toBe(200);
    });
    const carriersOf = async (service: string): Promise<number[]> => {
      const { actors } = JSON.parse((await asker.request(`/services/${service}`)).body.toString());
      return actors.map(({ carrier }: { carrier: number }) => carrier);
    };
    await eventually(
      async () => [await carriersOf("busy-0"), await carriersOf("busy-1")] as const,
      ([ones, others]) => ones.length > 0 && others.length > 0 && !ones.some((carrier) => others.includes(carrier)),
    );
    isOver = true;
    await crowd;
    for (let i = 0; i < 3; i++) expect((await asker.request(`/idle-${i}?id=x`)).status).toBe(200);
    asker.close();
    expect(await full.stop()).toEqual({ code: 0, signal: null });
  });
});
