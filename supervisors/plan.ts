// What takes a supervisor many events: stopping and starting several children one after the other, and ending. Pure.
//
// Nothing here judges exits; step() in supervisor.ts does, when no plan is under way.
import type { Exit } from "../wire/exits.ts";
import { type Child, endedAsTold } from "./child.ts";
import { afterStop, disarm, gone, killChild, launch, report, setState, stopChild, wait } from "./incarnation.ts";
import type { Ambient, Plan, Supervisor, SupervisorCommand } from "./state.ts";
import { affected } from "./strategies.ts";

const killed: Exit = { reason: "killed", text: "killed as ordered" };

/** Starts, in order, the children that wait. */
export function startWaiting(sup: Supervisor, ambient: Ambient, out: SupervisorCommand[]): void {
  begin(sup, [], null, 0, ambient, out);
}

/** Stops those whom the strategy says, waits for the backoff of `failed`, starts them in order. */
export function restartAffected(
  sup: Supervisor,
  failed: Child,
  delayMs: number,
  ambient: Ambient,
  out: SupervisorCommand[],
): void {
  if (sup.leader !== null) disarm(sup.leader, out); // it and those that wait for it are started by this plan
  sup.leader = null;
  const { stop, start } = affected(sup.spec.strategy, sup.children.values(), failed);
  for (const child of start) if (child === failed || child.state === "down") setState(sup, child, "waiting");
  begin(sup, stop, failed, delayMs, ambient, out);
}

/** Stops all children, in reverse order or, if it is dynamic, in parallel; then it ends with `exit`. */
export function stopAll(sup: Supervisor, exit: Exit, ambient: Ambient, out: SupervisorCommand[]): void {
  sup.phase = "stopping";
  sup.exit = exit;
  sup.leader = null;
  const alive: Child[] = [];
  for (const child of sup.children.values()) {
    if (child.state === "waiting") gone(sup, child, out);
    else if (child.state !== "down") alive.push(child);
  }
  if (sup.spec.dynamic) for (const child of alive) stopOrSettle(sup, child, ambient, out);
  begin(sup, alive.reverse(), null, 0, ambient, out);
}

/** Kills all children at once, whatever their order; it ends when the last of them has. */
export function killAll(sup: Supervisor, ambient: Ambient, out: SupervisorCommand[]): void {
  sup.killing = true;
  if (sup.phase !== "stopping") stopAll(sup, killed, ambient, out);
  else sup.exit = killed;
  for (const child of sup.children.values()) {
    if (child.state === "stopping" ? !child.killed : child.state === "running" || child.state === "starting") {
      killChild(sup, child, out);
    }
  }
}

function begin(
  sup: Supervisor,
  stop: readonly Child[],
  failed: Child | null,
  delayMs: number,
  ambient: Ambient,
  out: SupervisorCommand[],
): void {
  sup.plan = { stop, stopped: 0, failed, delayMs, start: null, started: 0 };
  proceed(sup, sup.plan, ambient, out);
}

/** Goes on with the plan until it has to wait for a child, or is done. */
export function proceed(sup: Supervisor, plan: Plan, ambient: Ambient, out: SupervisorCommand[]): void {
  for (; plan.stopped < plan.stop.length; plan.stopped++) {
    const child = plan.stop[plan.stopped]!;
    stopOrSettle(sup, child, ambient, out);
    if (child.state === "stopping") return;
  }
  if (sup.phase === "stopping") {
    end(sup, out);
    return;
  }
  if (plan.start === null) {
    const { failed } = plan;
    if (failed !== null && plan.delayMs > 0 && failed.state === "waiting") {
      sup.plan = null;
      sup.leader = failed;
      wait(sup, failed, plan.delayMs, ambient, out);
      return;
    }
    plan.start = [...sup.children.values()].filter((child) => child.state === "waiting");
  }
  for (; plan.started < plan.start.length; plan.started++) {
    const child = plan.start[plan.started]!;
    if (child.state === "waiting") launch(sup, child, ambient, out);
    if (child.state === "starting" || child.state === "stopping") return;
  }
  sup.plan = null;
  if (sup.phase === "starting") {
    sup.phase = "running";
    out.push({ type: "supervisor_started", id: sup.spec.id });
  }
}

/** Stops a child that runs; one that ended by itself meanwhile is settled as if it had been told to. */
function stopOrSettle(sup: Supervisor, child: Child, ambient: Ambient, out: SupervisorCommand[]): void {
  if (child.state === "running" || child.state === "starting") {
    stopChild(sup, child, ambient, out);
  } else if (child.state === "exited") {
    if (!endedAsTold(child, child.lastExit!)) report(sup, "shutdown_error", child.lastExit!, child, out);
    afterStop(sup, child, out);
  }
}

function end(sup: Supervisor, out: SupervisorCommand[]): void {
  sup.phase = "ended";
  sup.plan = null;
  sup.pending = [];
  const { startFailure, spec, exit } = sup;
  if (startFailure !== null) out.push({ type: "supervisor_start_failed", id: spec.id, text: startFailure });
  else out.push({ type: "supervisor_ended", id: spec.id, exit: exit! });
}
