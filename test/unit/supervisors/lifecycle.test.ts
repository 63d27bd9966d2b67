// Covers supervisors/tree.ts and plan.ts: start in order, children that come and go, stop in reverse.
import { describe, expect, test } from "vitest";
import { childSpec, supervisorSpec } from "../../../supervisors/spec.ts";
import { Stage } from "./stage.ts";

const never = Number.POSITIVE_INFINITY;

describe("start", () => {
  test("children start in order, each when the one before has started, and the supervisor after them", () => {
    const s = new Stage().worker({ id: "a" }).supervisor({ id: "s" }).worker({ id: "b" }, "s").worker({ id: "c" });
    s.deaf.add("b");
    s.start();
    expect(s.took()).toEqual(["start a", "start b"]);
    expect(s.news).toEqual([]);
    s.do(s.tree.childStarted("b", s.generations.get("b")!, s.now));
    expect(s.took()).toEqual(["start c"]);
    expect(s.news).toEqual(["up s", "up root"]);
  });

  test("the order that the settings name comes before the order of adding", () => {
    const s = new Stage({ order: ["c", "a"] });
    for (const id of ["a", "b", "c", "d"]) s.worker({ id });
    expect(s.start().took()).toEqual(["start c", "start a", "start b", "start d"]);
    expect(s.stop().took()).toEqual(["stop d", "stop b", "stop a", "stop c"]);
  });

  test("a child that cannot start unwinds those before it in reverse, and the supervisor has failed to start", () => {
    const s = new Stage({ maxRestarts: 5 })
      .worker({ id: "a" })
      .worker({ id: "b" })
      .worker({ id: "c" })
      .worker({ id: "d" });
    s.failing.set("c", 1);
    expect(s.start().took()).toEqual(["start a", "start b", "start c", "stop b", "stop a"]);
    expect(s.reports).toEqual(["root start_error start_failed c"]);
    expect(s.news).toEqual(["down root", "ended start_failed"]);
  });

  test("a start that fails inside a subtree unwinds everything, subtree first", () => {
    const s = new Stage().worker({ id: "a" }).supervisor({ id: "s" }).worker({ id: "b" }, "s").worker({ id: "c" }, "s");
    s.failing.set("c", 1);
    expect(s.start().took()).toEqual(["start a", "start b", "start c", "stop b", "stop a"]);
    expect(s.reports).toEqual(["s start_error start_failed c", "root start_error start_failed s"]);
  });

  test("a start without an answer is killed at its time-out and counts as failed", () => {
    const s = new Stage().start().worker({ id: "a", startTimeoutMs: 300 });
    s.took();
    s.deaf.add("b");
    s.worker({ id: "b", startTimeoutMs: 300 }).pass(299);
    expect(s.took()).toEqual(["start b"]);
    s.pass(1);
    expect(s.took()).toEqual(["kill b", "start b"]);
    expect(s.reports).toEqual(["root start_error start_failed b"]);
    expect(s.tree.view().recentRestarts).toBe(1);
  });

  test("an exit before the start was answered is a failed start", () => {
    const s = new Stage().start();
    s.deaf.add("a");
    s.worker({ id: "a" }).exit("a", "trap");
    expect(s.reports).toEqual(["root start_error start_failed a"]);
  });

  test("starting twice, or stopping what does not run, does nothing", () => {
    const s = new Stage().worker({ id: "a" });
    expect(s.tree.stop(0)).toEqual([]);
    s.start();
    expect(s.tree.start(0)).toEqual([]);
  });
});

describe("children added while it runs", () => {
  test("startChild forgets a child whose first start fails; nothing counts and no sibling is touched", () => {
    const s = new Stage({ strategy: "one_for_all", maxRestarts: 0 }).worker({ id: "a" }).start();
    s.took();
    s.failing.set("b", 1);
    s.do(s.tree.startChild("root", childSpec({ id: "b" }), 0));
    expect(s.took()).toEqual(["start b"]);
    expect(s.reports).toEqual(["root start_error start_failed b"]);
    expect(s.news).toEqual(["up root", "removed b"]);
    expect(s.tree.isRunning("a")).toBe(true);
    expect(s.tree.view().recentRestarts).toBe(0);
  });

  test("a child that startChild started is supervised as any other", () => {
    const s = new Stage({ maxRestarts: 5 }).start();
    s.do(s.tree.startChild("root", childSpec({ id: "b" }), 0));
    s.failing.set("b", 1);
    expect(s.exit("b").pass(0).took()).toEqual(["start b", "start b", "start b"]);
  });

  test("addChild counts a first start that fails and tries again", () => {
    const s = new Stage({ maxRestarts: 1 }).supervisor({ id: "s", dynamic: true, maxRestarts: 1 }).start();
    s.failing.set("a", 1);
    s.worker({ id: "a" }, "s").pass(0);
    expect(s.took()).toEqual(["start a", "start a"]);
    expect(s.tree.view("s").recentRestarts).toBe(1);
  });

  test("a temporary child that fails to start is gone and does not count", () => {
    const s = new Stage().supervisor({ id: "s", dynamic: true, maxRestarts: 0 }).start();
    s.failing.set("a", 1);
    s.worker({ id: "a", restart: "temporary" }, "s").pass(1e6);
    expect(s.took()).toEqual(["start a"]);
    expect(s.news).toContain("removed a");
    expect(s.tree.isRunning("s")).toBe(true);
  });

  test("children of a dynamic supervisor start at once, whether or not others have", () => {
    const s = new Stage().supervisor({ id: "s", dynamic: true }).start();
    s.deaf.add("a");
    s.worker({ id: "a" }, "s").worker({ id: "b" }, "s");
    expect(s.tree.stateOf("a")).toBe("starting");
    expect(s.tree.isRunning("b")).toBe(true);
  });

  test("under one_for_all a child that is added starts when those being restarted have", () => {
    const s = new Stage({ strategy: "one_for_all" }).worker({ id: "a" }).start();
    s.took();
    s.deaf.add("a");
    s.exit("a").worker({ id: "b" });
    expect(s.took()).toEqual(["start a"]);
    s.do(s.tree.childStarted("a", s.generations.get("a")!, 0));
    expect(s.took()).toEqual(["start b"]);
  });

  test("what cannot be is refused", () => {
    const s = new Stage().supervisor({ id: "s", dynamic: true }).worker({ id: "a" });
    expect(() => s.worker({ id: "b" }, "s")).toThrow("supervisor s is dynamic and does not run");
    s.start();
    expect(() => s.worker({ id: "a" })).toThrow("the id a is taken");
    expect(() => s.worker({ id: "b" }, "nobody")).toThrow("there is no supervisor nobody");
    expect(() => s.worker({ id: "b", type: "supervisor" })).toThrow("use addSupervisor");
    expect(() => s.worker({ id: "b", restart: "transient", significant: true })).toThrow("auto_shutdown never");
    expect(() => s.tree.changeSupervisor(supervisorSpec({ id: "s" }))).toThrow("cannot change whether it is dynamic");
    expect(() => s.tree.changeChild(childSpec({ id: "x" }))).toThrow("there is no child x");
    expect(() => s.tree.view("x")).toThrow("there is no supervisor x");
  });
});

describe("removal: an ordered stop is no exit", () => {
  test("a removed child is stopped, forgotten, and not restarted; nothing counts", () => {
    const s = new Stage({ maxRestarts: 0 }).worker({ id: "a" }).start();
    s.do(s.tree.removeChild("a", 0));
    expect(s.took()).toEqual(["start a", "stop a"]);
    expect(s.news).toEqual(["up root", "removed a"]);
    expect(s.reports).toEqual([]);
    expect(s.tree.has("a")).toBe(false);
  });

  test("an end in the middle of a removal is not restarted either", () => {
    const s = new Stage().worker({ id: "a" }).start();
    s.deaf.add("a");
    s.do(s.tree.removeChild("a", 0)).exit("a", "trap").pass(1e6);
    expect(s.took()).toEqual(["start a", "stop a"]);
    expect(s.reports).toEqual(["root shutdown_error trap a"]);
  });

  test("removing a supervisor stops and forgets all below it, leaves first", () => {
    const s = new Stage().supervisor({ id: "s" }).worker({ id: "a" }, "s").worker({ id: "b" }, "s").start();
    s.do(s.tree.removeChild("s", 0));
    expect(s.took()).toEqual(["start a", "start b", "stop b", "stop a"]);
    expect(s.news).toEqual(["up s", "up root", "down s", "removed a", "removed b", "removed s"]);
    s.supervisor({ id: "s" }).worker({ id: "a" }, "s");
    expect(s.tree.isRunning("a")).toBe(true);
  });

  test("a child that waits for its backoff is forgotten at once, and its timer with it", () => {
    const s = new Stage()
      .worker({ id: "a", backoff: { minMs: 100, maxMs: 100, factor: 1, jitter: 0 } })
      .start()
      .exit("a");
    s.do(s.tree.removeChild("a", 0));
    expect(s.tree.has("a")).toBe(false);
    expect(s.timers.size).toBe(0);
  });

  test("siblings that waited for a removed child's backoff are started without it", () => {
    const s = new Stage({ strategy: "one_for_all" });
    s.worker({ id: "a", backoff: { minMs: 100, maxMs: 100, factor: 1, jitter: 0 } })
      .worker({ id: "b" })
      .start();
    s.took();
    s.exit("a");
    expect(s.took()).toEqual(["stop b"]);
    s.do(s.tree.removeChild("a", 0));
    expect(s.took()).toEqual(["start b"]);
  });

  test("a removal while the supervisor stops keeps the reverse order", () => {
    const s = new Stage().worker({ id: "a" }).worker({ id: "b" }).start();
    s.took();
    s.deaf.add("b");
    s.stop();
    s.do(s.tree.removeChild("a", 0));
    expect(s.took()).toEqual(["stop b"]);
    s.pass(5000);
    expect(s.took()).toEqual(["kill b", "stop a"]);
    expect(s.news).toEqual(["up root", "removed a", "down root", "ended shutdown"]);
  });
});

describe("shutdown", () => {
  test("a child that does not end in time is killed, and only then the one before it is stopped", () => {
    const s = new Stage().worker({ id: "a" }).worker({ id: "b", shutdown: 700 }).start();
    s.took();
    s.deaf.add("b");
    s.stop().pass(699);
    expect(s.took()).toEqual(["stop b"]);
    s.pass(1);
    expect(s.took()).toEqual(["kill b", "stop a"]);
    expect(s.reports).toEqual(["root shutdown_error killed b"]);
    expect(s.news.at(-1)).toBe("ended shutdown");
    expect(s.timers.size).toBe(0);
  });

  test("brutal_kill kills at once, and that is no error", () => {
    const s = new Stage().worker({ id: "a", shutdown: "brutal_kill" }).start().stop();
    expect(s.took()).toEqual(["start a", "kill a"]);
    expect(s.reports).toEqual([]);
  });

  test("with Infinity no kill ever comes", () => {
    const s = new Stage().worker({ id: "a", shutdown: never }).start();
    s.took();
    s.deaf.add("a");
    s.stop().pass(1e9);
    expect(s.took()).toEqual(["stop a"]);
    expect(s.timers.size).toBe(0);
  });

  test("a supervisor with a shutdown time has its whole subtree killed when it is over", () => {
    const s = new Stage().worker({ id: "z" }).supervisor({ id: "s" }, { shutdown: 100 });
    s.worker({ id: "a", shutdown: never }, "s").worker({ id: "b", shutdown: never }, "s").start();
    s.took();
    s.deaf.add("b");
    s.stop().pass(100);
    expect(s.took()).toEqual(["stop b", "kill a", "kill b", "stop z"]);
    expect(s.reports).toEqual(["root shutdown_error killed s"]);
    expect(s.news.at(-1)).toBe("ended shutdown");
  });

  test("children of a dynamic supervisor are stopped in parallel", () => {
    const s = new Stage().supervisor({ id: "s", dynamic: true }).start();
    for (const id of ["a", "b", "c"]) s.worker({ id, shutdown: 50 }, "s").deaf.add(id);
    s.took();
    s.stop();
    expect(s.took()).toEqual(["stop a", "stop b", "stop c"]);
    s.pass(50);
    expect(s.took()).toEqual(["kill a", "kill b", "kill c"]);
    expect(s.news.at(-1)).toBe("ended shutdown");
  });

  test("a drain's deadline kills a subtree at once, and the stop goes on in order after it", () => {
    const s = new Stage().worker({ id: "store" }).supervisor({ id: "services" });
    s.supervisor({ id: "x", dynamic: true }, {}, "services").supervisor({ id: "y", dynamic: true }, {}, "services");
    s.worker({ id: "acceptor" }).start();
    s.worker({ id: "x1", shutdown: never }, "x").worker({ id: "y1", shutdown: never }, "y");
    s.took();
    s.deaf.add("x1").add("y1");
    s.stop().pass(60_000);
    expect(s.took()).toEqual(["stop acceptor", "stop y1"]);
    s.do(s.tree.kill("services", s.now));
    expect(s.took().toSorted()).toEqual(["kill x1", "kill y1", "stop store"]);
    expect(s.news.at(-1)).toBe("ended shutdown");
  });

  test("a killed supervisor that was not being stopped has exited, and is restarted", () => {
    const s = new Stage().supervisor({ id: "s" }).worker({ id: "a" }, "s").start();
    s.do(s.tree.kill("s", 0));
    expect(s.took()).toEqual(["start a", "kill a", "start a"]);
    expect(s.reports).toEqual(["root child_terminated killed s"]);
    s.took();
    s.stop();
    expect(s.took()).toEqual(["stop a"]);
  });

  test("killing a worker asks for its kill; what follows is decided at its exit", () => {
    const s = new Stage().worker({ id: "a" }).start();
    s.do(s.tree.kill("a", 0));
    expect(s.took()).toEqual(["start a", "kill a", "start a"]);
    expect(s.tree.kill("nobody", 0)).toEqual([]);
  });

  test("a stop in the middle of a restart stops what runs and starts nothing more", () => {
    const s = new Stage({ strategy: "one_for_all" })
      .worker({ id: "a" })
      .worker({ id: "b" })
      .worker({ id: "c" })
      .start();
    s.took();
    s.deaf.add("b");
    s.exit("a").pass(10);
    expect(s.took()).toEqual(["stop c", "stop b"]);
    s.stop().pass(1e6);
    expect(s.took()).toEqual(["kill b"]);
    expect(s.news.at(-1)).toBe("ended shutdown");
  });

  test("a stop while a child waits for its backoff ends without starting it", () => {
    const s = new Stage()
      .worker({ id: "a", backoff: { minMs: 500, maxMs: 500, factor: 1, jitter: 0 } })
      .start()
      .exit("a");
    s.took();
    s.stop().pass(1e6);
    expect(s.took()).toEqual([]);
    expect(s.news.at(-1)).toBe("ended shutdown");
    expect(s.timers.size).toBe(0);
  });

  test("a stop while children start cancels the start and unwinds", () => {
    const s = new Stage().worker({ id: "a" }).worker({ id: "b" }).worker({ id: "c" });
    s.deaf.add("b");
    s.start().stop();
    s.do(s.tree.childStartFailed("b", s.generations.get("b")!, "cancelled", 0));
    expect(s.took()).toEqual(["start a", "start b", "stop b", "stop a"]);
    expect(s.news).toEqual(["down root", "ended shutdown"]);
    expect(s.reports).toEqual([]);
  });
});
