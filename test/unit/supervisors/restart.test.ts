// Covers supervisors/supervisor.ts: restarts, intensity, auto_shutdown, settings changed, late messages.
import { describe, expect, test } from "vitest";
import { childSpec, supervisorSpec } from "../../../supervisors/spec.ts";
import { Stage } from "./stage.ts";

const never = Number.POSITIVE_INFINITY;

describe("restart", () => {
  test("an exit that comes while siblings are being restarted is judged after it", () => {
    const s = new Stage({ strategy: "rest_for_one", maxRestarts: 5 });
    s.worker({ id: "a" }).worker({ id: "b" }).worker({ id: "c" }).start();
    s.took();
    s.deaf.add("c");
    s.exit("b").exit("a");
    expect(s.took()).toEqual(["stop c"]);
    s.deaf.clear();
    s.exit("c", "shutdown");
    expect(s.took()).toEqual(["start b", "start c", "stop c", "stop b", "start a", "start b", "start c"]);
    expect(s.tree.view().recentRestarts).toBe(2);
  });

  test("a sibling that ends by itself before it was told to is not counted, but reported", () => {
    const s = new Stage({ strategy: "one_for_all", maxRestarts: 1 });
    s.worker({ id: "a" }).worker({ id: "b" }).worker({ id: "c" }).start();
    s.took();
    s.deaf.add("c");
    s.exit("b").exit("a", "trap");
    s.exit("c", "shutdown");
    expect(s.took()).toEqual(["stop c", "start a", "start b", "start c"]);
    expect(s.reports).toEqual(["root child_terminated trap b", "root shutdown_error trap a"]);
  });

  test("a temporary child taken down by a sibling stays down; one that ended normally comes back if transient", () => {
    const s = new Stage({ strategy: "one_for_all", maxRestarts: 5 });
    s.worker({ id: "a" }).worker({ id: "t", restart: "temporary" }).worker({ id: "n", restart: "transient" }).start();
    s.exit("n", "normal").took();
    s.exit("a");
    expect(s.took()).toEqual(["stop t", "start a", "start n"]);
    s.exit("a");
    expect(s.took()).toEqual(["stop n", "start a", "start n"]);
    expect(s.tree.stateOf("t")).toBe("down");
  });

  test("a restart waits for the backoff, which grows, and begins anew after a whole window of running", () => {
    const s = new Stage({ maxRestarts: 50, maxSeconds: 5 });
    s.worker({ id: "a", backoff: { minMs: 100, maxMs: 300, factor: 2, jitter: 0 } }).start();
    for (const delay of [100, 200, 300, 300]) {
      s.took();
      s.exit("a").pass(delay - 1);
      expect(s.took()).toEqual([]);
      s.pass(1);
      expect(s.took()).toEqual(["start a"]);
    }
    s.pass(5000).exit("a").pass(100);
    expect(s.took()).toEqual(["start a"]);
  });

  test("under one_for_all siblings are stopped at once and all start after the failed child's backoff", () => {
    const s = new Stage({ strategy: "one_for_all" });
    s.worker({ id: "a" })
      .worker({ id: "b", backoff: { minMs: 100, maxMs: 100, factor: 1, jitter: 0 } })
      .start();
    s.took();
    s.exit("b");
    expect(s.took()).toEqual(["stop a"]);
    s.pass(100);
    expect(s.took()).toEqual(["start a", "start b"]);
  });

  test("failed attempts count: a child that never starts ends its supervisor after I restarts", () => {
    const s = new Stage({ maxRestarts: 3 }).worker({ id: "a" }).start();
    s.failing.set("a", 99);
    s.exit("a").pass(10);
    expect(s.took()).toEqual(["start a", "start a", "start a", "start a"]);
    expect(s.reports.at(-1)).toBe("root shutdown shutdown a");
    expect(s.news.at(-1)).toBe("ended shutdown");
  });

  test("the intensity belongs to the supervisor, not to the child", () => {
    const s = new Stage({ maxRestarts: 1 }).worker({ id: "a" }).worker({ id: "b" }).start();
    s.exit("a").exit("b");
    expect(s.news.at(-1)).toBe("ended shutdown");
  });

  test("restarts at the edge of the window are allowed, one more is not", () => {
    const s = new Stage({ maxRestarts: 2, maxSeconds: 5 }).worker({ id: "a" }).start();
    s.exit("a").pass(5999).exit("a");
    expect(s.tree.isRunning("a")).toBe(true);
    s.pass(1).exit("a");
    expect(s.tree.isRunning("a")).toBe(true);
    s.exit("a");
    expect(s.news.at(-1)).toBe("ended shutdown");
  });

  test("two levels multiply: (I + 1) × (J + 1) exits until the top falls", () => {
    const s = new Stage({ maxRestarts: 4 }).supervisor({ id: "s", maxRestarts: 3 }).worker({ id: "a" }, "s").start();
    let exits = 0;
    while (s.tree.isRunning("root")) {
      s.exit("a");
      exits++;
    }
    expect(exits).toBe((3 + 1) * (4 + 1));
  });

  test("a transient supervisor that gave up is not restarted: it ended with shutdown, as in OTP", () => {
    const s = new Stage().supervisor({ id: "s", maxRestarts: 0, service: "x" }, { restart: "transient" });
    s.worker({ id: "a" }, "s").start().exit("a");
    expect(s.took()).toEqual(["start a"]);
    expect(s.tree.stateOf("s")).toBe("down");
    expect(s.news).toEqual(["up s", "up root", "breaker x", "down s"]);
  });
});

describe("auto_shutdown", () => {
  const group = (autoShutdown: "any_significant" | "all_significant"): Stage => {
    const s = new Stage().supervisor({ id: "s", autoShutdown }, { restart: "transient" });
    s.worker({ id: "p" }, "s").worker({ id: "a", restart: "transient", significant: true }, "s");
    s.worker({ id: "b", restart: "temporary", significant: true }, "s").start();
    s.took();
    return s;
  };

  test("any_significant: the normal end of one ends the supervisor, in reverse order", () => {
    const s = group("any_significant").exit("a", "normal");
    expect(s.took()).toEqual(["stop b", "stop p"]);
    expect(s.news.at(-1)).toBe("down s");
  });

  test("any_significant: a temporary child's crash does too, a transient's is restarted", () => {
    expect(group("any_significant").exit("b", "trap").took()).toEqual(["stop a", "stop p"]);
    expect(group("any_significant").exit("a", "trap").took()).toEqual(["start a"]);
  });

  test("all_significant: only the end of the last one does", () => {
    const s = group("all_significant").exit("b", "trap");
    expect(s.took()).toEqual([]);
    s.exit("a", "normal");
    expect(s.took()).toEqual(["stop p"]);
    expect(s.news.at(-1)).toBe("down s");
  });

  test("a child that is not significant, and an ordered stop of one that is, end nothing", () => {
    const s = group("all_significant").exit("p", "normal");
    s.do(s.tree.removeChild("a", 0)).do(s.tree.removeChild("b", 0));
    expect(s.took()).toEqual(["start p", "stop a", "stop b"]);
    expect(s.tree.isRunning("s")).toBe(true);
  });

  test("a significant child that waits for its backoff is not over", () => {
    const s = new Stage({ autoShutdown: "all_significant", maxRestarts: 3 });
    const backoff = { minMs: 100, maxMs: 100, factor: 1, jitter: 0 };
    s.worker({ id: "a", restart: "transient", significant: true, backoff });
    s.worker({ id: "b", restart: "transient", significant: true }).start();
    s.exit("a", "trap").exit("b", "normal").pass(100);
    expect(s.tree.isRunning("a")).toBe(true);
  });
});

describe("settings changed while it runs", () => {
  test("a new intensity and a new strategy hold from the next exit on, and nothing restarts because of them", () => {
    const s = new Stage({ maxRestarts: 0 }).worker({ id: "a" }).worker({ id: "b" }).start();
    s.tree.changeSupervisor(supervisorSpec({ id: "root", maxRestarts: 5, strategy: "one_for_all", order: ["b"] }));
    expect(s.took()).toEqual(["start a", "start b"]);
    s.exit("a");
    expect(s.took()).toEqual(["stop b", "start b", "start a"]);
  });

  test("a new restart type holds from the next exit on", () => {
    const s = new Stage().worker({ id: "a" }).start();
    s.tree.changeChild(childSpec({ id: "a", restart: "temporary" }));
    s.exit("a");
    expect(s.took()).toEqual(["start a"]);
  });

  test("a child made significant counts as such", () => {
    const s = new Stage({ autoShutdown: "all_significant" });
    s.worker({ id: "a", restart: "temporary", significant: true }).worker({ id: "b", restart: "temporary" }).start();
    s.tree.changeChild(childSpec({ id: "b", restart: "temporary", significant: true }));
    s.exit("a");
    expect(s.tree.isRunning("b")).toBe(true);
    s.exit("b");
    expect(s.news.at(-1)).toBe("ended shutdown");
  });

  test("a timer of a child that was restarted without it does no harm", () => {
    const s = new Stage({ maxRestarts: 9 });
    const backoff = { minMs: 100, maxMs: 100, factor: 1, jitter: 0 };
    s.worker({ id: "a" }).worker({ id: "b", backoff, startTimeoutMs: never }).start().exit("b");
    s.tree.changeSupervisor(supervisorSpec({ id: "root", maxRestarts: 9, strategy: "one_for_all" }));
    s.exit("a").took();
    expect(s.timers.size).toBe(0);
    expect(s.pass(1000).took()).toEqual([]);
  });
});

describe("late and doubled messages", () => {
  test("a message about an earlier incarnation changes nothing", () => {
    const s = new Stage({ maxRestarts: 9 }).worker({ id: "a" }).start();
    const old = s.generations.get("a")!;
    s.exit("a");
    const exit = { reason: "trap", text: "" } as const;
    for (const commands of [
      s.tree.childExited("a", old, exit, 0),
      s.tree.childStartFailed("a", old, "late", 0),
      s.tree.childStarted("a", old, 0),
      s.tree.childStopped("a", old, 0),
      s.tree.timer("a", 12_345, 0),
    ]) {
      expect(commands).toEqual([]);
    }
    expect(s.tree.isRunning("a")).toBe(true);
  });

  test("a message about a child that was removed and added again under its id changes nothing", () => {
    const s = new Stage().worker({ id: "a" }).start();
    const old = s.generations.get("a")!;
    s.do(s.tree.removeChild("a", 0)).worker({ id: "a" });
    expect(s.tree.childExited("a", old, { reason: "trap", text: "" }, 0)).toEqual([]);
    expect(s.generations.get("a")).not.toBe(old);
  });

  test("an exit told twice is judged once", () => {
    const s = new Stage({ maxRestarts: 9 }).worker({ id: "a" }).start();
    const generation = s.generations.get("a")!;
    const exit = { reason: "trap", text: "" } as const;
    s.do(s.tree.childExited("a", generation, exit, 0)).do(s.tree.childExited("a", generation, exit, 0));
    expect(s.took()).toEqual(["start a", "start a"]);
  });
});
