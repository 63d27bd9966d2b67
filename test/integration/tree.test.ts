// The whole node: its supervision tree, as GET /services/-/tree and `frenezulo tree` show it.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { TreeView } from "../../src/admin/verbs.ts";
import { guestPath, servicePath } from "../guests/guests.ts";
import { AdminClient } from "../harness/admin-client.ts";
import { NodeProcess } from "../harness/node-process.ts";
import { eventually } from "../harness/patience.ts";
import { actorsOf, childrenOf, supervisorIn, treeOf } from "../harness/tree-client.ts";

const mainFile = join(import.meta.dirname, "../../dist/main.js");
let node: NodeProcess;

beforeAll(async () => {
  node = await NodeProcess.start({
    config: {
      supervisors: {
        inner: { parent: "outer", strategy: "rest_for_one", max_restarts: 3, max_seconds: 7 },
        outer: { strategy: "one_for_all" },
      },
      services: {
        hello: { source: servicePath("hello"), restart: "transient" },
        kept: { source: servicePath("counter"), supervisor: "inner", state: "kept", scale: { min: 1 } },
        slow: { source: guestPath("slow"), supervisor: "outer", scale: { max: 1, pressure: { depth: 100 } } },
        weak: {
          source: guestPath("hostile"),
          limits: { deadline: "1s" },
          backoff: { min: "10ms", max: "10ms", jitter: 0 },
        },
      },
    },
  });
});

afterAll(async () => {
  await node.noZombies();
  expect(await node.stop()).toEqual({ code: 0, signal: null });
});

const cli = async (...args: string[]): Promise<string> =>
  (await promisify(execFile)(process.execPath, [mainFile, "tree", "--node", node.url, ...args])).stdout;

/** "node > services > outer": the ids from the root down, with services by their prefix. */
function paths(tree: TreeView, above = ""): string[] {
  const path = `${above}${tree.service ?? tree.id}`;
  return [path, ...tree.children.flatMap(({ supervisor }) => (supervisor ? paths(supervisor, `${path} > `) : []))];
}

it("has the node's parts in start order, groups below their parents, and each service below its group", async () => {
  const tree = await treeOf(node);
  expect([tree.id, tree.phase, tree.max_restarts]).toEqual(["node", "running", null]);
  expect(tree.children.map(({ id }) => id)).toEqual(["store", "carriers", "services", "routes", "acceptor"]);
  expect(paths(tree)).toEqual([
    "node",
    "node > services",
    "node > services > outer",
    "node > services > outer > inner",
    "node > services > outer > inner > kept",
    "node > services > outer > slow",
    "node > services > hello",
    "node > services > weak",
  ]);
  expect(supervisorIn(tree, "inner")).toMatchObject({ strategy: "rest_for_one", max_restarts: 3, max_seconds: 7 });
  expect(supervisorIn(tree, "services")).toMatchObject({ strategy: "one_for_one", max_restarts: null });
  expect([...childrenOf(tree)].find(({ supervisor }) => supervisor?.service === "hello")?.restart).toBe("transient");
});

it("shows an actor's pid, carrier and the depth of its mailbox", async () => {
  let isOver = false;
  const lane = async (): Promise<void> => {
    while (!isOver) expect((await fetch(`${node.url}/slow?do=sleep&ms=50`)).status).toBe(200);
  };
  const pending = Promise.all([lane(), lane(), lane()]);
  const [actor] = await eventually(
    async () => supervisorIn(await treeOf(node), "slow").children,
    ([child]) => child?.actor != null && child.actor.depth > 0,
  );
  expect(actor).toMatchObject({ type: "worker", state: "running", restarts: 0, last_exit: null, supervisor: null });
  const actors = await eventually(
    async () => (await new AdminClient(node.url).describe("slow")).actors,
    ([each]) => each?.state === "busy",
  );
  expect(actors).toMatchObject([{ pid: actor?.actor?.pid, carrier: actor?.actor?.carrier }]);
  isOver = true;
  await pending;
  const idle = await eventually(
    async () => supervisorIn(await treeOf(node), "slow").children[0]?.actor?.depth,
    (depth) => depth === 0,
  );
  expect(idle).toBe(0);
});

it("shows restarts and the last exit's reason", async () => {
  expect((await fetch(`${node.url}/weak`)).status).toBe(200);
  const first = await actorsOf(node, "weak");
  expect((await fetch(`${node.url}/weak?do=loop`)).status).toBe(504);
  await eventually(
    async () => supervisorIn(await treeOf(node), "weak").children[0],
    (child) => child?.state === "running" && child.actor !== null && !first.has(child.actor.pid),
  );
  const actors = await actorsOf(node, "weak");
  expect(supervisorIn(await treeOf(node), "weak")).toMatchObject({
    phase: "running",
    recent_restarts: 1,
    children: [
      {
        state: "running",
        restarts: 1,
        last_exit: { reason: "deadline", text: "a request ran for more than 1000 ms" },
        actor: { pid: [...actors.keys()][0], carrier: [...actors.values()][0], depth: 0 },
      },
    ],
  });
});

it("is what `frenezulo tree` prints: a line each, indented, and as JSON", async () => {
  expect(JSON.parse(await cli("--json"))).toEqual(await treeOf(node));
  const lines = (await cli()).trimEnd().split("\n");
  expect(lines).toHaveLength(1 + [...childrenOf(await treeOf(node))].length);
  expect(lines[0]).toBe("node  running  (one_for_one)");
  expect(lines).toContain("├─ store  running  (permanent)");
  expect(lines).toContain("│  │  ├─ inner  running  (rest_for_one, 0 of 3 restarts in 7s)");
  const weak = lines.findIndex((line) =>
    /─ weak#1\.\d+ {2}running {2}\(one_for_one, 1 of 5 restarts in 30s\)/.test(line),
  );
  expect(weak).toBeGreaterThan(0);
  expect(lines[weak + 1]).toMatch(
    /└─ weak#1\.\d+\/\d+ {2}running {2}\(permanent\) {2}pid \d+ on carrier \d+, 0 in its mailbox/,
  );
  expect(lines[weak + 1]).toMatch(/ {2}1 restarts {2}last exit deadline: a request ran for more than 1000 ms$/);
});

it("costs nothing but its own answer: it is not there for other methods", async () => {
  const { status, headers } = await fetch(`${node.url}/services/-/tree`, { method: "POST" });
  expect([status, headers.get("allow")]).toEqual([405, expect.stringContaining("GET")]);
});
