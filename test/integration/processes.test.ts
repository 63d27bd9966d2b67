// The whole node: services whose requests spawn processes, whose children answer, fail, stay, and are limited.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { guest } from "../guests/guests.ts";
import { AdminClient } from "../harness/admin-client.ts";
import { NodeProcess } from "../harness/node-process.ts";
import { eventually } from "../harness/patience.ts";

const DEADLINE_MS = 5000;
const policy = { limits: { deadline: `${DEADLINE_MS}ms` } };
let node: NodeProcess;
let admin: AdminClient;
/** Those of the service that stays. */
let environments: number;

beforeAll(async () => {
  node = await NodeProcess.start({ config: { log: { level: "debug" } } });
  admin = new AdminClient(node.url);
  // Until the module has been rewritten each process needs a thread, of which there are few. What the rewrite gave
  // stays as long as somebody serves the module.
  await serve("first");
  await eventually(
    async () => (await ask("first", "join&n=200")).status,
    (status) => status === 200,
  );
  await noProcesses();
  environments = await node.metric("environments");
});

afterAll(async () => {
  await node.noZombies();
  expect(await node.stop()).toEqual({ code: 0, signal: null });
});

interface Answer {
  readonly status: number;
  readonly text: string;
}

async function ask(service: string, what: string): Promise<Answer> {
  const response = await fetch(`${node.url}/${service}?do=${what}`);
  return { status: response.status, text: (await response.text()).trim() };
}

async function number(service: string, what: string): Promise<number> {
  const { status, text } = await ask(service, what);
  expect([status, text]).toEqual([200, expect.stringMatching(/^\d+$/)]);
  return Number(text);
}

async function serve(prefix: string, more: Readonly<Record<string, unknown>> = {}): Promise<void> {
  expect((await admin.put(prefix, guest("children"), { policy: { ...policy, ...more } })).status).toBe(200);
}

/** Requests that are light processes on a shared carrier, and such that block one of their own: both see the same. */
const ways = [
  ["light", { light: "always" }],
  ["dedicated", { placement: "dedicated" }],
] as const;

/** Resolves once nobody that a guest has spawned lives. */
async function noProcesses(): Promise<void> {
  await eventually(
    async () => [...(await node.metrics())].filter(([name]) => name.startsWith("frenezulo_processes{")),
    (counts) => counts.every(([, count]) => count === 0),
    (counts) => `processes live on: ${counts}\n${node.tail()}`,
  );
}

describe.each(ways)("a service that is %s", (name, way) => {
  const prefix = `children-${name}`;
  beforeAll(() => serve(prefix, way));
  afterAll(async () => {
    await admin.remove(prefix);
    await noProcesses();
  });

  it("asks children for each request and joins them", async () => {
    expect(await number(prefix, "join&n=20")).toBe(2870);
    const many = await Promise.all(Array.from({ length: 30 }, () => number(prefix, "join&n=10")));
    expect(new Set(many)).toEqual(new Set([385]));
    await noProcesses();
  });

  it("lets a child reply in place of the request's own process, which has returned", async () => {
    expect(await ask(prefix, "instead&ms=50")).toEqual({ status: 200, text: "by a child" });
    expect(await ask(prefix, "instead&ms=0")).toEqual({ status: 200, text: "by a child" });
  });

  it.each(["ends", "traps"])("answers 502 at once when nobody is left who could reply: the child %s", async (then) => {
    expect((await ask(prefix, `instead&then=${then}`)).status).toBe(502); // and not 504 at the deadline
  });

  it("waits until the deadline for a child that lives, and ends it then", async () => {
    expect((await ask(prefix, "instead&then=stays")).status).toBe(504);
    await noProcesses();
    expect(await number(prefix, "join&n=3")).toBe(14);
  });

  it("lets go on what a request began whose child has replied, also beyond the deadline", async () => {
    expect(await ask(prefix, "instead&with=another")).toEqual({ status: 200, text: "by a child" });
    await new Promise((resolve) => setTimeout(resolve, DEADLINE_MS + 500));
    expect(new Map(await node.metrics()).get(`frenezulo_processes{service="${prefix}"}`)).toBe(1);
    await admin.remove(prefix);
    await noProcesses();
    await serve(prefix, way);
  });

  it("fails with a linked child that traps, and goes on; without a link it is only told", async () => {
    const failed = await ask(prefix, "trap");
    expect(failed.status).toBe(502);
    expect(failed.text).toContain("which it is linked to, failed");
    expect(await number(prefix, "trapped")).toBe(2);
    expect(await number(prefix, "caught")).toBe(1);
    expect(await number(prefix, "join&n=3")).toBe(14);
  });

  it("has processes that outlive the request, until they are killed", async () => {
    const pid = await number(prefix, "stay");
    expect(await number(prefix, `exists&pid=${pid}`)).toBe(1);
    expect((await ask(prefix, `kill&pid=${pid}`)).status).toBe(200);
    await eventually(
      () => number(prefix, `exists&pid=${pid}`),
      (exists) => exists === 0,
    );
    await noProcesses();
  });

  it("finds by name what it has named, until that ends", async () => {
    const pid = await number(prefix, "name&name=a");
    expect(await number(prefix, "find&name=a")).toBe(pid);
    await ask(prefix, `kill&pid=${pid}`);
    await noProcesses();
    await eventually(
      () => number(prefix, "find&name=a"),
      (found) => found === 0,
    );
  });

  it("leaves nothing of 200 rounds", async () => {
    const round = async (): Promise<void> => {
      await Promise.all([
        ask(prefix, "join&n=5"),
        ask(prefix, "trap"),
        ask(prefix, "instead"),
        ask(prefix, "instead&then=traps"),
        ask(prefix, "caught"),
      ]);
    };
    for (let i = 0; i < 50; i++) await round();
    const before = node.usage();
    const instances = await node.metric("instances");
    for (let i = 0; i < 200; i++) await round();
    await noProcesses();
    await node.metricSettles("in_flight", (count) => count <= 1);
    const after = node.usage();
    expect(after.descriptors - before.descriptors).toBeLessThanOrEqual(8);
    expect(after.rssBytes - before.rssBytes).toBeLessThan(64 << 20);
    // Instances are kept for the next processes: as many as lived at once.
    expect((await node.metric("instances")) - instances).toBeLessThanOrEqual(64);
  });
});

it("a light request that spins ends alone at its deadline, however short that is: its actor lives on", async () => {
  await serve("brief", { light: "always", limits: { deadline: "5ms" } });
  const actors = new Set<number>();
  for (let i = 0; i < 5; i++) {
    expect((await ask("brief", "spin")).status).toBe(504);
    const service = await admin.describe("brief");
    for (const { pid } of service.actors) actors.add(pid);
    expect(service.actors).toHaveLength(1);
  }
  expect(actors.size).toBe(1);
  await admin.remove("brief");
});

describe("a service whose processes live in carriers of their own", () => {
  it("is answered for by a child there, or told at once that nobody is left", async () => {
    await serve("apart", { light: "never" });
    expect(await number("apart", "join&n=2")).toBe(5);
    expect(await ask("apart", "instead&ms=50")).toEqual({ status: 200, text: "by a child" });
    for (const then of ["ends", "traps"]) {
      expect((await ask("apart", `instead&ms=50&then=${then}`)).status).toBe(502);
    }
    expect((await ask("apart", "instead&then=stays")).status).toBe(504);
    await noProcesses();
    await admin.remove("apart");
  });
});

describe("environments", () => {
  it("are private: nobody has a pid or a name of another service", async () => {
    await Promise.all([serve("one"), serve("other")]);
    const pid = await number("one", "name&name=a");
    expect(await number("other", "find&name=a")).toBe(0);
    expect(await number("other", `exists&pid=${pid}`)).toBe(0);
    expect((await ask("other", `send&pid=${pid}`)).status).toBe(200);
    expect((await ask("other", `kill&pid=${pid}`)).status).toBe(200);
    expect(await number("one", `exists&pid=${pid}`)).toBe(1);
    expect(await number("one", "find&name=a")).toBe(pid);
    await Promise.all([admin.remove("one"), admin.remove("other")]);
    await noProcesses();
    await node.metricSettles("environments", (count) => count === environments);
  });

  it("are private also for processes with carriers of their own, which the main thread kills", async () => {
    await Promise.all([serve("alone", { light: "never" }), serve("other")]);
    const pid = await number("alone", "stay");
    expect((await ask("other", `kill&pid=${pid}`)).status).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await number("alone", `exists&pid=${pid}`)).toBe(1);
    expect((await ask("alone", `kill&pid=${pid}`)).status).toBe(200);
    await noProcesses();
    await Promise.all([admin.remove("alone"), admin.remove("other")]);
    await node.metricSettles("environments", (count) => count === environments);
  });

  it("have the memory that their own policies give, where others serve the same module from the same carriers", async () => {
    const names = ["wide", "wide-2", "narrow", "narrow-2", "wide-3", "wide-4", "narrow-3", "narrow-4"];
    for (const name of names) {
      const memory = name.startsWith("wide") ? "32MiB" : "2MiB";
      await serve(name, { light: "always", limits: { memory, deadline: "5s" } });
      expect(await number(name, "join&n=1")).toBe(1);
    }
    for (const name of names) expect((await ask(name, "grow&n=8")).status).toBe(name.startsWith("wide") ? 200 : 502);
    await Promise.all(names.map((name) => admin.remove(name)));
    await noProcesses();
  });

  it.each([
    ["light", {}, 3],
    ["not light", { light: "never" }, 1], // each needs a carrier, of which there are few
  ])("have children of children, of modules that are %s", async (_how, way, depth) => {
    await serve("nested", way);
    expect(await number("nested", "nest")).toBe(42);
    expect(await number("nested", `bound&n=${depth}`)).toBe(depth + 1);
    await admin.remove("nested");
    await noProcesses();
  });

  it("end with their version: replaced or removed, its processes are gone", async () => {
    await serve("version");
    const pid = await number("version", "name&name=a");
    await serve("version", { limits: { deadline: "4s" } }); // another policy is another version of the pool
    await noProcesses();
    expect(await number("version", `exists&pid=${pid}`)).toBe(0);
    expect(await number("version", "find&name=a")).toBe(0);
    await number("version", "stay");
    await admin.remove("version");
    await noProcesses();
    await node.metricSettles("environments", (count) => count === environments);
  });

  it("have limits that are errors of who asks, and of nobody else", async () => {
    await serve("limited", { processes: { max: 10, memory: "32MiB", mailbox: 5, send_timeout: "100ms" } });
    await serve("neighbour");
    const [limited, neighbour] = await Promise.all([ask("limited", "fill&n=50"), ask("neighbour", "fill&n=50")]);
    expect(limited.text).toBe("10 the environment is at its limit of 10 processes");
    expect(neighbour.text).toBe("50");
    expect(await number("neighbour", "join&n=4")).toBe(30);
    await admin.remove("limited");
    await serve("limited", { processes: { max: 10, memory: "32MiB", mailbox: 5, send_timeout: "100ms" } });
    expect((await ask("limited", "grow&n=64")).status).toBe(502);
    expect(await number("limited", "grow&n=4")).toBe(4);
    expect(await number("limited", "flood")).toBe(2);
    expect(await number("limited", "join&n=3")).toBe(14);
    await Promise.all([admin.remove("limited"), admin.remove("neighbour")]);
    await noProcesses();
  });
});
