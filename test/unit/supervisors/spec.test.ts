// Covers supervisors/spec.ts: defaults, and what each validator refuses with which text.
import { expect, test } from "vitest";
import {
  type ChildSpec,
  childSpec,
  noBackoff,
  placementProblem,
  type SupervisorSpec,
  supervisorSpec,
} from "../../../supervisors/spec.ts";

test("the defaults are OTP's", () => {
  expect(supervisorSpec({ id: "s" })).toMatchObject({ strategy: "one_for_one", maxRestarts: 1, maxSeconds: 5 });
  expect(childSpec({ id: "w" })).toMatchObject({ restart: "permanent", shutdown: 5000, backoff: noBackoff });
  expect(childSpec({ id: "s", type: "supervisor" }).shutdown).toBe(Number.POSITIVE_INFINITY);
});

const badSupervisors: [Partial<SupervisorSpec>, string][] = [
  [{ id: "" }, "id must be a string that is not empty"],
  [{ strategy: "one_for_two" as "one_for_one" }, "strategy must be one of one_for_one, one_for_all, rest_for_one"],
  [{ maxRestarts: -1 }, "max_restarts must be a whole number from 0"],
  [{ maxRestarts: 1.5 }, "not 1.5"],
  [{ maxRestarts: Number.NaN }, "max_restarts"],
  [{ maxSeconds: 0 }, "max_seconds must be a whole number of seconds from 1, not 0"],
  [{ maxSeconds: Number.POSITIVE_INFINITY }, "max_seconds"],
  [{ order: ["a", "b", "a"] }, "order names a twice"],
  [{ autoShutdown: "always" as "never" }, "auto_shutdown must be one of"],
  [{ dynamic: true, strategy: "one_for_all" }, "a dynamic supervisor must be one_for_one, not one_for_all"],
  [{ dynamic: true, order: ["a"] }, "the children of a dynamic supervisor have no order"],
];

test.each(badSupervisors)("a supervisor with %o is refused", (given, text) => {
  expect(() => supervisorSpec({ id: "s", ...given })).toThrow(text);
});

const badChildren: [Partial<ChildSpec>, string][] = [
  [{ id: 7 as unknown as string }, "id must be a string"],
  [{ type: "thread" as "worker" }, "type must be one of worker, supervisor, not thread"],
  [{ restart: "always" as "permanent" }, "restart must be one of permanent, transient, temporary, not always"],
  [{ shutdown: -1 }, "shutdown must be brutal_kill, or milliseconds from 0, or Infinity, not -1"],
  [{ shutdown: "soon" as "brutal_kill" }, "not soon"],
  [{ significant: 1 as unknown as boolean, restart: "transient" }, "significant must be true or false"],
  [{ significant: true }, "a significant child must be transient or temporary"],
  [{ backoff: { ...noBackoff, minMs: -1 } }, "backoff min must be milliseconds from 0, not -1"],
  [{ backoff: { ...noBackoff, minMs: 2, maxMs: 1 } }, "not below min (2), not 1"],
  [{ backoff: { ...noBackoff, factor: 0.5 } }, "backoff factor must be at least 1, not 0.5"],
  [{ backoff: { ...noBackoff, jitter: 2 } }, "backoff jitter must be from 0 to 1, not 2"],
  [{ startTimeoutMs: 0 }, "the start time-out must be milliseconds above 0"],
];

test.each(badChildren)("a child with %o is refused", (given, text) => {
  expect(() => childSpec({ id: "w", ...given })).toThrow(text);
});

test("a significant child needs a supervisor with auto_shutdown", () => {
  const child = childSpec({ id: "w", restart: "transient", significant: true });
  expect(placementProblem(child, supervisorSpec({ id: "s" }))).toContain(
    "child w is significant, but its supervisor s",
  );
  expect(placementProblem(child, supervisorSpec({ id: "s", autoShutdown: "any_significant" }))).toBeNull();
});
