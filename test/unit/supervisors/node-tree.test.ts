// Covers supervisors/tree.ts as a node uses it: services in groups, breakers, thousands of both.
import { describe, expect, test } from "vitest";
import type { Command } from "../../../supervisors/commands.ts";
import { childSpec, supervisorSpec } from "../../../supervisors/spec.ts";
import { Tree } from "../../../supervisors/tree.ts";
import { Stage } from "./stage.ts";

const never = Number.POSITIVE_INFINITY;

describe("a node's tree", () => {
  const backoff = { minMs: 1000, maxMs: 8000, factor: 2, jitter: 0 };

  function node(strategy: "one_for_one" | "one_for_all", groupRestarts: number): Stage {
    const s = new Stage({ maxRestarts: 3, maxSeconds: 60 }).worker({ id: "store" });
    s.supervisor({ id: "services", maxRestarts: never });
    s.supervisor({ id: "group", strategy, maxRestarts: groupRestarts }, { backoff }, "services");
    for (const id of ["x", "y"]) s.supervisor({ id, dynamic: true, maxRestarts: 1, service: id }, {}, "group");
    s.worker({ id: "acceptor" }).start();
    s.worker({ id: "x1" }, "x").worker({ id: "y1" }, "y");
    s.took();
    s.news.length = 0;
    return s;
  }

  test("a service that fails opens its breaker and is restarted empty; one_for_one leaves the others alone", () => {
    const s = node("one_for_one", 5).exit("x1").exit("x1");
    expect(s.took()).toEqual(["start x1"]);
    expect(s.news).toEqual(["breaker x", "removed x1", "down x", "up x"]);
    expect(s.tree.isRunning("y1")).toBe(true);
  });

  test("under one_for_all the strategy is applied once to the siblings, whose breakers stay closed", () => {
    const s = node("one_for_all", 5).exit("x1").exit("x1");
    expect(s.took()).toEqual(["start x1", "stop y1"]);
    expect(s.news).toEqual(["breaker x", "removed x1", "down x", "removed y1", "down y", "up x", "up y"]);
  });

  test("a group that fails opens the breakers of all its services and is tried again after its backoff", () => {
    const s = node("one_for_one", 0).exit("x1").exit("x1");
    expect(s.news.filter((line) => line.startsWith("breaker"))).toEqual(["breaker x", "breaker x", "breaker y"]);
    expect(s.took()).toEqual(["start x1", "stop y1"]);
    expect(s.tree.stateOf("group")).toBe("waiting");
    s.news.length = 0;
    s.pass(1000);
    expect(s.news).toEqual(["up x", "up y", "up group"]);
  });

  test("the root never ends because of a guest", () => {
    const s = node("one_for_all", 0);
    for (let failure = 0; failure < 200; failure++) {
      s.pass(10_000).worker({ id: "x2" }, "x").exit("x2").exit("x2");
      if (s.tree.has("x2")) s.exit("x2");
    }
    expect(s.tree.view("services").phase).toBe("running");
    expect(s.news).not.toContain("ended shutdown");
    expect(s.tree.isRunning("store") && s.tree.isRunning("acceptor")).toBe(true);
  });

  test("the acceptor stops first and the store last", () => {
    expect(node("one_for_one", 5).stop().took()).toEqual(["stop acceptor", "stop y1", "stop x1", "stop store"]);
  });

  test("a picture of it shows every supervisor and actor with state, restarts and last exit", () => {
    const s = node("one_for_one", 5).exit("x1", "deadline");
    const services = [...s.tree.view().children][1]!;
    const [group] = services.supervisor!.children;
    const [x] = group!.supervisor!.children;
    if (x === undefined) throw new Error("the group has no child");
    expect(x).toMatchObject({ id: "x", type: "supervisor", state: "running" });
    expect(x.supervisor).toMatchObject({ service: "x", phase: "running", recentRestarts: 1, maxRestarts: 1 });
    const actor = { id: "x1", type: "worker", state: "running", restarts: 1, lastExit: { reason: "deadline" } };
    expect([...x.supervisor!.children]).toMatchObject([actor]);
  });
});

describe("many", () => {
  test("10,000 temporary children come, go, and leave nothing behind", () => {
    const s = new Stage().supervisor({ id: "s", dynamic: true, maxRestarts: 0 }).start();
    for (let index = 0; index < 10_000; index++) s.worker({ id: `t${index}`, restart: "temporary" }, "s");
    for (let index = 0; index < 5000; index++) s.exit(`t${index}`, index % 2 === 0 ? "normal" : "trap");
    expect([...s.tree.view("s").children]).toHaveLength(5000);
    expect(s.tree.view("s").recentRestarts).toBe(0);
    s.stop();
    expect(s.news.at(-1)).toBe("ended shutdown");
    expect(s.news.filter((line) => line.startsWith("removed"))).toHaveLength(10_000);
    expect(s.took().filter((act) => act.startsWith("stop"))).toHaveLength(5000);
  });

  test("with 10,000 services no event of one says anything of another", () => {
    const tree = new Tree(supervisorSpec({ id: "root" }), () => 0);
    tree.addSupervisor("root", supervisorSpec({ id: "group", maxRestarts: 5 }), {}, 0);
    tree.start(0);
    for (let index = 0; index < 10_000; index++) {
      const id = `s${index}`;
      const up = tree.addSupervisor("group", supervisorSpec({ id, dynamic: true, maxRestarts: 0, service: id }), {}, 0);
      expect(up).toEqual([{ type: "supervisor_started", id }]);
    }
    const [, start] = tree.addChild("s5000", childSpec({ id: "a" }), 0);
    const { generation } = start as Extract<Command, { type: "start" }>;
    tree.childStarted("a", generation, 0);
    const types = tree.childExited("a", generation, { reason: "trap", text: "" }, 0).map(({ type }) => type);
    expect(types).toEqual([
      "report",
      "report",
      "open_breaker",
      "removed",
      "supervisor_ended",
      "report",
      "supervisor_started",
    ]);
    expect(tree.stop(0).filter(({ type }) => type === "supervisor_ended")).toHaveLength(10_002);
  });
});
