// The whole node: strategies between services, restart types, groups that give up, what supervisors report.
import { afterEach, describe, expect, it } from "vitest";
import type { Report } from "../../supervisors/commands.ts";
import { guest, guestPath, service, servicePath } from "../guests/guests.ts";
import { AdminClient } from "../harness/admin-client.ts";
import { HttpClient } from "../harness/http-client.ts";
import { NodeProcess } from "../harness/node-process.ts";
import { eventually, PATIENCE_MS } from "../harness/patience.ts";
import { sleep } from "../harness/raw-http.ts";
import { pidsOf, reload, supervisorIn, treeOf, writeConfig } from "../harness/tree-client.ts";

type Part = Readonly<Record<string, unknown>>;

/** Long enough for whatever does not loop, on any machine. */
const DEADLINE = "1s";

/** A service whose supervisor gives up at the first request that runs into its deadline. */
const fragile = (supervisor: string, more: Part = {}): Part => ({
  source: guestPath("hostile"),
  supervisor,
  max_restarts: 0,
  backoff: { min: "1s", max: "1s", jitter: 0 }, // time to ask in between
  limits: { deadline: DEADLINE },
  ...more,
});
/**
 * One that always has an actor, whose pid tells whether it was restarted; on a carrier that no other's end takes down.
 */
const steady = (supervisor: string): Part => ({
  source: servicePath("hello"),
  supervisor,
  scale: { min: 1 },
  placement: "dedicated",
});

let node: NodeProcess;

async function start(supervisors: Part, services: Part): Promise<void> {
  node = await NodeProcess.start({ config: { supervisors, services, limits: { carriers: 12 } } });
}

afterEach(async () => {
  await node.noZombies();
  expect(await node.stop()).toEqual({ code: 0, signal: null });
});

const get = (path: string): Promise<Response> => fetch(node.url + path);
const loop = async (prefix: string): Promise<number> => (await get(`/${prefix}?do=loop`)).status;
const answers = (prefix: string): Promise<number> =>
  eventually(
    async () => (await get(`/${prefix}`)).status,
    (status) => status === 200,
  );

const reports = (): Report[] => node.log.flatMap(({ report }) => (report === undefined ? [] : [report as Report]));
const restarted = (prefix: string, before: number[]): Promise<number[]> =>
  eventually(
    () => pidsOf(node, prefix),
    (pids) => pids.length === 1 && pids[0] !== before[0],
  );
const warm = (prefix: string): Promise<number[]> =>
  eventually(
    () => pidsOf(node, prefix),
    (pids) => pids.length === 1,
  );

/** Restarts of a group's child that runs a service. */
const restartsOf = async (group: string, prefix: string): Promise<number | undefined> =>
  supervisorIn(await treeOf(node), group).children.find(({ supervisor }) => supervisor?.service === prefix)?.restarts;

describe("a service whose own supervisor gives up", () => {
  it.each([
    ["one_for_one", []],
    ["one_for_all", ["first", "last"]],
    ["rest_for_one", ["last"]],
  ])("under %s its group restarts %j with it, once", async (strategy, affected) => {
    await start(
      { group: { strategy, order: ["first", "weak", "last"] }, other: {} },
      // In another order than the group's, so that it is the group's that counts.
      { last: steady("group"), weak: fragile("group"), first: steady("group"), far: steady("other") },
    );
    const before = new Map<string, number[]>();
    for (const prefix of ["first", "last", "far"]) before.set(prefix, await warm(prefix));
    const order = supervisorIn(await treeOf(node), "group").children.map(({ supervisor }) => supervisor?.service);
    expect(order).toEqual(["first", "weak", "last"]);

    expect(await loop("weak")).toBe(504);
    const after = new Map<string, number[]>();
    for (const prefix of affected) after.set(prefix, await restarted(prefix, before.get(prefix) as number[]));
    await answers("weak");
    await sleep(500);
    for (const prefix of ["first", "last", "far"]) {
      expect([prefix, await pidsOf(node, prefix)]).toEqual([prefix, after.get(prefix) ?? before.get(prefix)]);
    }
    expect(await restartsOf("group", "weak")).toBe(1);
    for (const prefix of ["first", "last"]) expect(await restartsOf("group", prefix)).toBe(0);
  });

  it("fails no request of a sibling that is restarted with it", async () => {
    await start({ group: { strategy: "one_for_all" } }, { weak: fragile("group"), strong: steady("group") });
    const before = await warm("strong");
    const statuses: number[] = [];
    let isOver = false;
    const asking = (async () => {
      const client = new HttpClient(node.address);
      while (!isOver) statuses.push((await client.request("/strong")).status);
      client.close();
    })();
    expect(await loop("weak")).toBe(504);
    await restarted("strong", before);
    isOver = true;
    await asking;
    expect(statuses.filter((status) => status !== 200)).toEqual([]);
  });

  it("keeps its place in the group's order when it is replaced", async () => {
    await start(
      { group: { strategy: "rest_for_one" } },
      { first: steady("group"), second: steady("group"), third: steady("group") },
    );
    const services = {
      first: { ...steady("group"), limits: { concurrency: 7 } },
      second: steady("group"),
      third: steady("group"),
    };
    writeConfig(node, { supervisors: { group: { strategy: "rest_for_one" } }, services, limits: { carriers: 12 } });
    expect((await reload(node)).result.changed).toEqual(["first"]);
    const order = async () =>
      supervisorIn(await treeOf(node), "group").children.map(({ supervisor }) => supervisor?.service);
    await eventually(order, (names) => names.length === 3);
    expect(await order()).toEqual(["first", "second", "third"]);
  });

  it("touches neither its group nor its successor if it has been replaced", async () => {
    await start({ group: { strategy: "one_for_all" } }, { strong: steady("group") });
    const admin = new AdminClient(node.url);
    const policy = { ...fragile("group", { limits: { deadline: "5s" } }), source: undefined };
    expect((await admin.put("weak", guest("hostile"), { policy })).status).toBe(200);
    const before = await warm("strong");
    const last = loop("weak"); // runs into its deadline when hello has taken over
    await eventually(
      async () => (await admin.describe("weak")).inFlight,
      (count) => count === 1,
    );
    const next = { ...steady("group"), source: undefined };
    expect((await admin.put("weak", service("hello"), { policy: next })).status).toBe(200);
    expect(await last).toBe(504);
    await eventually(
      async () => supervisorIn(await treeOf(node), "group").children.length,
      (count) => count === 2,
    );
    expect(reports().map(({ context }) => context)).toContain("shutdown"); // the old one has given up
    expect((await admin.describe("weak")).status).toBe("warm");
    expect((await get("/weak")).status).toBe(200);
    expect(await pidsOf(node, "strong")).toEqual(before);
  });

  it("touches neither its group nor a new service of its name if it has been removed", async () => {
    await start({ group: { strategy: "one_for_all" } }, { strong: steady("group") });
    const admin = new AdminClient(node.url);
    const policy = { ...fragile("group", { limits: { deadline: "5s" } }), source: undefined };
    expect((await admin.put("weak", guest("hostile"), { policy })).status).toBe(200);
    const before = await warm("strong");
    const last = loop("weak"); // runs into its deadline when there is another weak
    await eventually(
      async () => (await admin.describe("weak")).inFlight,
      (count) => count === 1,
    );
    expect((await admin.ask("DELETE", "/services/weak")).status).toBe(204);
    expect((await admin.put("weak", service("hello"))).status).toBe(200);
    expect(await last).toBe(504);
    await eventually(
      async () => reports().map(({ context }) => context),
      (contexts) => contexts.includes("shutdown"), // the old one has given up
    );
    expect((await admin.describe("weak")).status).toBe("warm");
    expect((await get("/weak")).status).toBe(200);
    expect(await pidsOf(node, "strong")).toEqual(before);
  });

  it("opens its breaker: 503 with Retry-After, and answers again after the backoff", async () => {
    await start({}, { weak: fragile("services") });
    expect(await loop("weak")).toBe(504);
    const refused = await get("/weak");
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"]);
    await answers("weak");
  });
});

describe("a group that exceeds its intensity", () => {
  it("opens the breakers of all its services and is tried again after its backoff", async () => {
    await start(
      { outer: {}, tight: { max_restarts: 0, max_seconds: 60, parent: "outer" } },
      {
        weak: fragile("tight"),
        strong: { ...steady("tight"), backoff: { min: "1s", max: "1s", jitter: 0 } },
        far: steady("outer"),
      },
    );
    const strong = await warm("strong");
    const far = await warm("far");
    expect(await loop("weak")).toBe(504);
    const refused = await get("/strong");
    const body = (await refused.json()) as { error: { code: string } };
    expect([refused.status, body.error.code]).toEqual([503, "breaker_open"]);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);

    await answers("strong");
    await answers("weak");
    await restarted("strong", strong);
    expect(await pidsOf(node, "far")).toEqual(far);
    const group = supervisorIn(await treeOf(node), "outer").children.find(({ id }) => id === "tight");
    expect([group?.state, group?.restarts, group?.last_exit?.text]).toEqual([
      "running",
      1,
      "reached_max_restart_intensity",
    ]);
  });

  it("takes no new service while it is down, and says so; then it does", async () => {
    const backoff = { min: "1ms", max: "1ms", jitter: 0 };
    await start(
      { tight: { max_restarts: 0, max_seconds: 60 } },
      { weak: fragile("tight", { backoff, limits: { deadline: "100ms" } }) },
    );
    const admin = new AdminClient(node.url);
    const policy = { supervisor: "tight" };
    // Until its backoff is long enough to ask in between.
    const { body } = await eventually(
      async () => {
        await loop("weak");
        const answer = await admin.put("late", service("hello"), { policy });
        if (answer.status === 200) await admin.remove("late");
        return answer;
      },
      ({ status }) => status === 503,
    );
    expect(body.error?.code).toBe("supervisor_down");
    expect(body.error?.message).toContain("tight");
    expect((await get("/late")).status).toBe(404);
    await eventually(
      async () => (await admin.put("late", service("hello"), { policy })).status,
      (now) => now === 200,
    );
    expect((await get("/late")).status).toBe(200);
  });

  it("answers what waited for it when it is back", async () => {
    const backoff = { min: "1ms", max: "1ms", jitter: 0 };
    await start(
      { tight: { max_restarts: 0, max_seconds: 60 } },
      {
        weak: fragile("tight", { backoff, limits: { deadline: "100ms" } }),
        strong: { ...steady("tight"), backoff },
      },
    );
    await eventually(
      async () => {
        await loop("weak");
        const child = supervisorIn(await treeOf(node), "services").children.find(({ id }) => id === "tight");
        return [child?.state, child?.restarts];
      },
      ([state, restarts]) => state === "waiting" && Number(restarts) >= 5,
    );
    const answer = await get("/strong");
    expect([answer.status, await answer.text()]).toEqual([200, "Hello World!"]);
  });

  it("never ends the root, however often it does", async () => {
    await start(
      { tight: { max_restarts: 0, max_seconds: 60 } },
      {
        weak: fragile("tight", { backoff: { min: "1ms", max: "1ms", jitter: 0 }, limits: { deadline: "100ms" } }),
        root: fragile("services", { backoff: { min: "1ms", max: "1ms", jitter: 0 }, limits: { deadline: "100ms" } }),
        far: steady("services"),
      },
    );
    const far = await warm("far");
    for (let failures = 0; failures < 10; ) {
      failures += Number((await loop("root")) === 504);
      await sleep(5);
    }
    for (let failures = 0; failures < 3; ) {
      failures += Number((await loop("weak")) === 504);
      await sleep(5);
    }
    expect(supervisorIn(await treeOf(node), "services").phase).toBe("running");
    expect(await pidsOf(node, "far")).toEqual(far);
    await answers("root");
    await answers("weak");
    expect(reports().filter(({ supervisor, context }) => supervisor === "services" && context === "shutdown")).toEqual(
      [],
    );
  });

  it("ends by auto_shutdown with a significant service, and is tried again", async () => {
    await start(
      { pair: { auto_shutdown: "any_significant" } },
      { lead: fragile("pair", { restart: "transient", significant: true }), follow: steady("pair") },
    );
    const before = await warm("follow");
    expect(await loop("lead")).toBe(504);
    await restarted("follow", before);
    await answers("lead");
    const report = reports().find(({ offender }) => offender.id === "pair");
    expect([report?.supervisor, report?.context, report?.reason]).toEqual([
      "services",
      "child_terminated",
      { reason: "shutdown", text: "auto_shutdown" },
    ]);
  });
});

describe("restart types", () => {
  it("permanent and transient actors come back after a kill, with a backoff that the tree shows; temporary ones do not", async () => {
    const policy = (restart: string): Part =>
      fragile("services", { restart, max_restarts: 5, backoff: { min: "4s", max: "4s", jitter: 0 } });
    await start({}, { a: policy("permanent"), b: policy("transient"), c: policy("temporary") });
    expect(await Promise.all(["a", "b", "c"].map(loop))).toEqual([504, 504, 504]);
    const tree = await treeOf(node);
    for (const prefix of ["a", "b"]) {
      const { children, recent_restarts, max_restarts } = supervisorIn(tree, prefix);
      expect([recent_restarts, max_restarts]).toEqual([1, 5]);
      expect(children).toMatchObject([
        { state: "waiting", restarts: 1, actor: null, last_exit: { reason: "deadline" }, type: "worker" },
      ]);
    }
    expect(supervisorIn(tree, "c").children).toEqual([]);
    await warm("a");
    await warm("b");
    expect(await pidsOf(node, "c")).toEqual([]);
    await answers("c"); // a request brings a new one
  });

  it("a service that is not permanent stays down once its supervisor gave up, until it is replaced", async () => {
    await start({ group: {} }, { weak: fragile("group", { restart: "transient" }), strong: steady("group") });
    expect(await loop("weak")).toBe(504);
    await sleep(2000); // twice its breaker's backoff
    for (let i = 0; i < 3; i++) {
      const { status, headers } = await get("/weak");
      expect([status, Number(headers.get("retry-after")) >= 1]).toEqual([503, true]);
      await sleep(200);
    }
    const child = supervisorIn(await treeOf(node), "group").children.find(
      ({ supervisor }) => supervisor?.service === "weak",
    );
    expect([child?.state, child?.restarts, child?.supervisor?.phase]).toEqual(["down", 0, "ended"]);
    const weak = fragile("group", { restart: "transient", limits: { deadline: "1500ms" } });
    writeConfig(node, {
      supervisors: { group: {} },
      services: { weak, strong: steady("group") },
      limits: { carriers: 12 },
    });
    expect((await reload(node)).result.changed).toEqual(["weak"]);
    expect((await get("/weak")).status).toBe(200);
  });

  it("a trap is no restart unless the policy counts it", async () => {
    const trapping = (more: Part): Part => ({ source: guestPath("hostile"), state: "kept", ...more });
    await start({}, { plain: trapping({}), counted: trapping({ count_traps: true }) });
    for (const prefix of ["plain", "counted"]) {
      await answers(prefix);
      const before = await pidsOf(node, prefix);
      expect((await get(`/${prefix}?do=trap`)).status).toBe(502);
      if (prefix === "counted") await restarted(prefix, before);
      else expect(await pidsOf(node, prefix)).toEqual(before);
      expect(supervisorIn(await treeOf(node), prefix).recent_restarts).toBe(prefix === "counted" ? 1 : 0);
      await answers(prefix);
    }
  });
});

describe("supervisor reports", () => {
  it("are in the log with supervisor, context, reason and offender", async () => {
    await start({ group: {} }, { weak: fragile("group", { max_restarts: 1 }) });
    expect(await loop("weak")).toBe(504);
    await answers("weak");
    expect(await loop("weak")).toBe(504);
    await eventually(
      async () => reports().length,
      (count) => count >= 4,
    );
    const [pool] = supervisorIn(await treeOf(node), "group").children;
    const actor = { id: expect.stringMatching(/^weak#1\.\d+\/\d+$/), type: "worker", restart: "permanent" };
    expect(reports()).toMatchObject([
      {
        supervisor: pool?.id,
        context: "child_terminated",
        reason: { reason: "deadline", text: "a request ran for more than 1000 ms" },
        offender: { ...actor, restarts: 0, shutdown: PATIENCE_MS, significant: false, generation: expect.any(Number) },
      },
      { supervisor: pool?.id, context: "child_terminated", reason: { reason: "deadline" }, offender: actor },
      {
        supervisor: pool?.id,
        context: "shutdown",
        reason: { reason: "shutdown", text: "reached_max_restart_intensity" },
        offender: { ...actor, restarts: 1 },
      },
      {
        supervisor: "group",
        context: "child_terminated",
        reason: { reason: "shutdown", text: "reached_max_restart_intensity" },
        offender: { id: pool?.id, type: "supervisor", restart: "permanent" },
      },
    ]);
  });
});
