// Nothing is lost (reliability.md §3.10): thousands of requests at 32 at once with a fault in every 20th. Three ledgers
// must agree: the client's, the guests' (their log says what they began), and the node's (its metrics).
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { guestPath } from "../guests/guests.ts";
import { HttpClient, runLanes } from "../harness/http-client.ts";
import { NodeProcess } from "../harness/node-process.ts";
import { Random } from "../harness/random.ts";
import { sleep } from "../harness/raw-http.ts";

const isLong = process.env.TEST_LONG === "1";
const REQUESTS = 10_000;
const AT_ONCE = 32;
const FAULT_EVERY = 20;
const DEADLINE_MS = 300;
const seeds = Array.from({ length: isLong ? 30 : 3 }, (_, index) => index + 1);

/** What a request can do, and the statuses that it may get for it. */
const faults = {
  trap: [502],
  exit: [502],
  memory: [502],
  none: [502],
  invalid: [502],
  loop: [504],
  abort: [],
  "abort-running": [],
  "abort-body": [],
} as const;
type Fault = keyof typeof faults;

interface Entry {
  readonly service: string;
  readonly id: string;
  readonly fault: Fault | null;
  /** null: the client left. */
  readonly status: number | null;
  readonly ms: number;
}

const services = ["fresh-a", "fresh-b", "kept-a", "kept-b"];
let node: NodeProcess;

beforeAll(async () => {
  const policy = {
    source: guestPath("ledger"),
    limits: { deadline: `${DEADLINE_MS}ms`, queue: 1_000, memory: "4MiB" },
    max_restarts: 10_000,
    backoff: { min: "1ms", max: "1ms" },
    breaker: { failures: 1_000_000 },
  };
  const config = Object.fromEntries(
    services.map((name) => [name, { ...policy, state: name.slice(0, name.indexOf("-")) }]),
  );
  node = await NodeProcess.start({ config: { services: config, limits: { carriers: 16, spare: 4 } } });
});

afterAll(async () => {
  await node.noZombies();
  expect(await node.stop()).toEqual({ code: 0, signal: null });
});

/** Answers of each service by status, from the metrics. */
async function answered(): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const [name, value] of await node.metrics()) {
    const [, service, code] = /^frenezulo_requests_total\{service="([^"]+)",code="(\d+)"\}$/.exec(name) ?? [];
    if (service !== undefined) counts.set(`${service} ${code}`, value);
  }
  return counts;
}

describe("nothing is lost", () => {
  it.each(seeds)("whatever fails: each request has one answer, and is begun at most once (seed %i)", async (seed) => {
    const random = new Random(seed);
    const plan = Array.from({ length: REQUESTS }, (_, index) => ({
      service: random.pick(services),
      id: `s${seed}-${index}`,
      fault: index % FAULT_EVERY === FAULT_EVERY - 1 ? random.pick(Object.keys(faults) as Fault[]) : null,
      delay: random.next(),
    }));
    const before = await answered();
    const entries: Entry[] = [];
    await runLanes(node.address, AT_ONCE, REQUESTS, async (client, index) => {
      const { service, id, fault, delay } = plan[index] as (typeof plan)[number];
      const path = `/${service}?id=${id}`;
      if (fault === "abort-body") {
        const headers = { "content-length": "1000" };
        await client.abort(path, { method: "POST", headers, when: () => sleep(delay * 3) });
      } else if (fault === "abort" || fault === "abort-running") {
        const work = fault === "abort" ? "" : "&do=sleep&ms=5";
        await client.abort(path + work, { when: () => sleep(delay * 6) });
      } else {
        const { status, body, ms } = await client.request(fault === null ? path : `${path}&do=${fault}`);
        if (status === 200) expect(body.toString()).toBe(id);
        entries.push({ service, id, fault, status, ms });
        return;
      }
      entries.push({ service, id, fault, status: null, ms: 0 });
    });
    await node.metricSettles("in_flight", (value) => value === 0);

    // The client's: every request has its one answer, and the right one.
    expect(entries).toHaveLength(REQUESTS);
    const isStarved = ({ status, ms }: Entry): boolean => status === 504 && ms > DEADLINE_MS - 2;
    const wrong = entries.filter((entry) => {
      const { fault, status } = entry;
      if (status === null) return false;
      if (fault === null) return status !== 200 && !isStarved(entry);
      return !(faults[fault] as readonly number[]).includes(status) && !isStarved(entry);
    });
    expect(wrong).toEqual([]);
    // Whatever is no loop passes its deadline only where the machine gives its thread no time at all.
    const starved = entries.filter((entry) => entry.fault !== "loop" && isStarved(entry)).length;
    expect(starved).toBeLessThan(REQUESTS / 10);

    // The ledgers are whole, and read to their end: a line of each service that comes after all others.
    expect(await node.metric("output_dropped_bytes_total")).toBe(0);
    expect(await node.metric("log_dropped_total")).toBe(0);
    for (const service of services) {
      const client = new HttpClient(node.address);
      const { status, ms } = await client.request(`/${service}?id=${service}-last-${seed}`);
      entries.push({ service, id: `${service}-last-${seed}`, fault: null, status, ms });
      await node.logged(new RegExp(`^begun ${service}-last-${seed}$`));
      client.close();
    }
    const after = await answered();

    // The guests': what was answered was begun exactly once, what was left at most once, half a request never.
    const begun = new Map<string, number>();
    for (const service of services) {
      for (const line of node.guestLines(service)) begun.set(line.slice(6), (begun.get(line.slice(6)) ?? 0) + 1);
    }
    for (const { id, fault, status } of entries) {
      const times = begun.get(id) ?? 0;
      // One whose thread got no time has passed its deadline before it wrote.
      if (status !== null && (status !== 504 || times > 0)) expect(times, `${id} (${fault})`).toBe(1);
      else expect(times, `${id} (${fault})`).toBeLessThanOrEqual(fault === "abort-body" ? 0 : 1);
    }

    // The node's: it counted what the client got; besides, only what was on its way to a client that had left.
    const mine = new Map<string, number>();
    for (const { service, status } of entries) {
      if (status !== null) mine.set(`${service} ${status}`, (mine.get(`${service} ${status}`) ?? 0) + 1);
    }
    let beyond = 0;
    for (const key of new Set([...after.keys(), ...mine.keys()])) {
      const counted = (after.get(key) ?? 0) - (before.get(key) ?? 0);
      expect(counted, key).toBeGreaterThanOrEqual(mine.get(key) ?? 0);
      if (!/ (200|504)$/.test(key)) expect(counted, key).toBe(mine.get(key) ?? 0);
      beyond += counted - (mine.get(key) ?? 0);
    }
    expect(beyond).toBeLessThanOrEqual(entries.filter(({ status }) => status === null).length);
    expect(await node.metric("queued")).toBe(0);
    for (const service of services) {
      const view = await (await fetch(`${node.url}/services/${service}`)).json();
      expect((view as { inFlight: number }).inFlight, service).toBe(0);
    }
  });
});
