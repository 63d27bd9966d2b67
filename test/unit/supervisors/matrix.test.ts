// Covers supervisors/: OTP's test matrix.
// 3 exits × 3 restart types × 4 strategies × {plain, escalation, other child fails}.
import { describe, expect, test } from "vitest";
import type { Restart } from "../../../supervisors/spec.ts";
import type { ExitReason } from "../../../wire/exits.ts";
import { Stage } from "./stage.ts";

const exits: readonly ExitReason[] = ["normal", "shutdown", "trap"];
const restarts: readonly Restart[] = ["permanent", "transient", "temporary"];
const strategies = ["one_for_one", "one_for_all", "rest_for_one", "dynamic"] as const;
type Kind = (typeof strategies)[number];

const rows = strategies.flatMap((kind) =>
  restarts.flatMap((restart) => exits.map((exit) => ({ kind, restart, exit }) as const)),
);

/** root → s (the supervisor under test, permanent) → a, b, c. */
function stage(kind: Kind, maxRestarts: number, subject: string, restart: Restart): Stage {
  const strategy = kind === "dynamic" ? "one_for_one" : kind;
  const s = new Stage({ maxRestarts: 10 });
  s.supervisor({ id: "s", strategy, dynamic: kind === "dynamic", maxRestarts, service: "svc" }).start();
  for (const id of ["a", "b", "c"]) s.worker({ id, restart: id === subject ? restart : "permanent" }, "s");
  expect(s.took()).toEqual(["start a", "start b", "start c"]);
  return s;
}

/** OTP's documentation, written down once more. */
function isRestarted(restart: Restart, exit: ExitReason): boolean {
  if (restart === "permanent") return true;
  return restart === "transient" && exit !== "normal" && exit !== "shutdown";
}

function isReported(restart: Restart, exit: ExitReason): boolean {
  return restart === "permanent" || (exit !== "normal" && exit !== "shutdown");
}

describe("plain: the middle one of three children ends", () => {
  const whenRestarted: Record<Kind, string[]> = {
    one_for_one: ["start b"],
    one_for_all: ["stop c", "stop a", "start a", "start b", "start c"],
    rest_for_one: ["stop c", "start b", "start c"],
    dynamic: ["start b"],
  };
  test.each(rows)("$kind, $restart child, exit $exit", ({ kind, restart, exit }) => {
    const s = stage(kind, 10, "b", restart);
    s.exit("b", exit);
    expect(s.took()).toEqual(isRestarted(restart, exit) ? whenRestarted[kind] : []);
    expect(s.reports).toEqual(isReported(restart, exit) ? [`s child_terminated ${exit} b`] : []);
    expect(s.tree.isRunning("a") && s.tree.isRunning("c") && s.tree.isRunning("s")).toBe(true);
    expect(s.tree.isRunning("b")).toBe(isRestarted(restart, exit));
    expect(s.tree.has("b")).toBe(isRestarted(restart, exit) || kind !== "dynamic");
    expect(s.timers.size).toBe(0);
  });
});

describe("escalation: the supervisor may not restart even once", () => {
  test.each(rows)("$kind, $restart child, exit $exit", ({ kind, restart, exit }) => {
    const s = stage(kind, 0, "b", restart);
    s.news.length = 0;
    s.exit("b", exit);
    if (!isRestarted(restart, exit)) {
      expect(s.took()).toEqual([]);
      expect(s.news).toEqual(kind === "dynamic" ? ["removed b"] : []);
      return;
    }
    const stops = kind === "dynamic" ? ["stop a", "stop c"] : ["stop c", "stop a"];
    const starts = kind === "dynamic" ? [] : ["start a", "start b", "start c"];
    expect(s.took()).toEqual([...stops, ...starts]);
    expect(s.reports).toEqual([
      `s child_terminated ${exit} b`,
      "s shutdown shutdown b",
      "root child_terminated shutdown s",
    ]);
    expect(s.news.filter((line) => !line.startsWith("removed"))).toEqual(["breaker svc", "down s", "up s"]);
    expect(s.tree.view().recentRestarts).toBe(1);
    expect(s.tree.view("s").recentRestarts).toBe(0);
  });
});

describe("other child fails: the first child ends, and the second fails its next start once", () => {
  const first: Record<Kind, string[]> = {
    one_for_one: ["start a"],
    one_for_all: ["stop c", "stop b", "start a", "start b"],
    rest_for_one: ["stop c", "stop b", "start a", "start b"],
    dynamic: ["start a"],
  };
  // rest_for_one tries again from the child that failed on; one_for_all from the beginning.
  const again: Record<Kind, string[]> = {
    one_for_one: [],
    one_for_all: ["stop a", "start a", "start b", "start c"],
    rest_for_one: ["start b", "start c"],
    dynamic: [],
  };
  test.each(rows)("$kind, $restart child, exit $exit", ({ kind, restart, exit }) => {
    const s = stage(kind, 10, "a", restart);
    s.failing.set("b", 1);
    s.exit("a", exit);
    const isFollowed = isRestarted(restart, exit) && (kind === "one_for_all" || kind === "rest_for_one");
    expect(s.took()).toEqual(isRestarted(restart, exit) ? first[kind] : []);
    expect(s.reports.includes("s start_error start_failed b")).toBe(isFollowed);
    s.pass(0);
    expect(s.took()).toEqual(isFollowed ? again[kind] : []);
    expect(s.tree.view("s").recentRestarts).toBe(isRestarted(restart, exit) ? (isFollowed ? 2 : 1) : 0);
    if (isFollowed) return;
    // Where siblings are independent the second child has to end by itself to fail.
    s.failing.set("b", 1);
    const before = s.tree.view("s").recentRestarts;
    s.exit("b");
    s.pass(0);
    const startA = restart === "temporary" ? [] : ["start a"]; // a transient child that had ended comes back
    const stopA = restart === "temporary" ? [] : ["stop a"];
    const alone: Record<Kind, string[]> = {
      one_for_one: ["start b", "start b"],
      one_for_all: ["stop c", ...startA, "start b", ...stopA, ...startA, "start b", "start c"],
      rest_for_one: ["stop c", "start b", "start b", "start c"],
      dynamic: ["start b", "start b"],
    };
    expect(s.took()).toEqual(alone[kind]);
    expect(s.tree.view("s").recentRestarts).toBe(before + 2);
    expect(s.tree.isRunning("b") && s.tree.isRunning("c")).toBe(true);
  });
});
