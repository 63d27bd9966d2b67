// One supervisor as a pure state machine: step(state, event, ambient) changes the state and appends commands. It knows
// neither its parent nor what its children are; tree.ts joins supervisors and documents what a user of them sees.
//
// OTP's supervisor does one thing at a time because it blocks. Here starting and stopping take many events, so what is
// under way is a *plan*: first stop these, one after the other, then start those that wait, one after the other. An
// exit that comes meanwhile is kept and judged after the plan, as OTP's would lie in the mailbox. one_for_one has no
// plan once it runs: its children are independent, and a slow one holds up nobody.
import type { Exit } from "../wire/exits.ts";
import { backoffDelayMs } from "./backoff.ts";
import { type Child, endedAsTold, isNormal, newChild } from "./child.ts";
import {
  afterStop,
  disarm,
  forget,
  gone,
  killChild,
  launch,
  report,
  setState,
  stopChild,
  wait,
} from "./incarnation.ts";
import { addRestart } from "./intensity.ts";
import { killAll, proceed, restartAffected, startWaiting, stopAll } from "./plan.ts";
import type { ChildSpec } from "./spec.ts";
import { type Ambient, insertChild, type Supervisor, type SupervisorCommand } from "./state.ts";

export type SupervisorEvent =
  | { readonly type: "start" }
  | { readonly type: "stop" }
  | { readonly type: "kill" }
  | { readonly type: "add"; readonly spec: ChildSpec; readonly trial: boolean }
  | { readonly type: "remove"; readonly id: string }
  | { readonly type: "child_started"; readonly id: string; readonly generation: number }
  | { readonly type: "child_start_failed"; readonly id: string; readonly generation: number; readonly text: string }
  | { readonly type: "child_exited"; readonly id: string; readonly generation: number; readonly exit: Exit }
  | { readonly type: "timer"; readonly id: string; readonly token: number };

const stoppedAsTold: Exit = { reason: "shutdown", text: "stopped as ordered" };
const startCancelled: Exit = { reason: "shutdown", text: "its start was cancelled" };
const gaveUp: Exit = { reason: "shutdown", text: "reached_max_restart_intensity" };
const autoShutdown: Exit = { reason: "shutdown", text: "auto_shutdown" };

/** Takes one event. Those about another generation, or that fit no state the child is in, change nothing. */
export function step(sup: Supervisor, event: SupervisorEvent, ambient: Ambient, out: SupervisorCommand[]): void {
  take(sup, event, ambient, out);
  judgePending(sup, ambient, out);
}

function take(sup: Supervisor, event: SupervisorEvent, ambient: Ambient, out: SupervisorCommand[]): void {
  switch (event.type) {
    case "start":
      if (sup.phase === "ended") start(sup, ambient, out);
      return;
    case "stop":
      if (sup.phase === "starting" || sup.phase === "running") stopAll(sup, stoppedAsTold, ambient, out);
      return;
    case "kill":
      if (sup.phase !== "ended") killAll(sup, ambient, out);
      return;
    case "add":
      add(sup, newChild(event.spec, event.trial), ambient, out);
      return;
  }
  const child = sup.children.get(event.id);
  if (child === undefined) return;
  if (event.type === "remove") remove(sup, child, ambient, out);
  else if (event.type === "timer") {
    if (child.timer === event.token) timerFired(sup, child, ambient, out);
  } else if (child.generation === event.generation) {
    if (event.type === "child_started") childStarted(sup, child, ambient, out);
    else if (event.type === "child_start_failed") childStartFailed(sup, child, event.text, ambient, out);
    else childExited(sup, child, event.exit, ambient, out);
  }
}

function start(sup: Supervisor, ambient: Ambient, out: SupervisorCommand[]): void {
  sup.phase = "starting";
  sup.restartTimes = [];
  sup.exit = null;
  sup.startFailure = null;
  sup.killing = false;
  for (const child of sup.children.values()) {
    child.attempts = 0;
    setState(sup, child, "waiting");
  }
  startWaiting(sup, ambient, out);
}

function add(sup: Supervisor, child: Child, ambient: Ambient, out: SupervisorCommand[]): void {
  insertChild(sup, child);
  if (sup.phase !== "starting" && sup.phase !== "running") return; // declared: started with the supervisor
  setState(sup, child, "waiting");
  if (sup.plan !== null) sup.plan.start?.push(child);
  else if (sup.spec.strategy === "one_for_one") launch(sup, child, ambient, out);
  else if (sup.leader === null) startWaiting(sup, ambient, out);
}

function remove(sup: Supervisor, child: Child, ambient: Ambient, out: SupervisorCommand[]): void {
  if (child.state === "running" || child.state === "starting") {
    child.removing = true;
    if (sup.phase !== "stopping") stopChild(sup, child, ambient, out); // else the plan comes to it
  } else if (child.state === "stopping") {
    child.removing = true;
  } else {
    forget(sup, child, out);
    if (sup.leader !== child) return;
    sup.leader = null;
    startWaiting(sup, ambient, out); // those that waited for it need not any longer
  }
}

function childStarted(sup: Supervisor, child: Child, ambient: Ambient, out: SupervisorCommand[]): void {
  if (child.state !== "starting") return;
  disarm(child, out);
  setState(sup, child, "running");
  child.trial = false;
  child.runningSinceMs = ambient.now;
  if (sup.plan !== null) proceed(sup, sup.plan, ambient, out);
}

function childStartFailed(
  sup: Supervisor,
  child: Child,
  text: string,
  ambient: Ambient,
  out: SupervisorCommand[],
): void {
  if (child.state === "starting") startFailed(sup, child, text, ambient, out);
  else if (child.state === "stopping") stopped(sup, child, startCancelled, ambient, out);
}

function childExited(sup: Supervisor, child: Child, exit: Exit, ambient: Ambient, out: SupervisorCommand[]): void {
  if (child.state === "starting") {
    startFailed(sup, child, `it ended before it had started (${exit.reason}): ${exit.text}`, ambient, out);
  } else if (child.state === "stopping") {
    if (child.failure === null && !sup.killing && !endedAsTold(child, exit)) {
      report(sup, "shutdown_error", exit, child, out);
    }
    stopped(sup, child, exit, ambient, out);
  } else if (child.state === "running") {
    child.lastExit = exit;
    if (ambient.now - child.runningSinceMs >= sup.spec.maxSeconds * 1000) child.attempts = 0;
    setState(sup, child, "exited");
    sup.pending.push({ child, exit });
  }
}

/** A child that was told to stop, or was killed because it did not start in time, has ended. */
function stopped(sup: Supervisor, child: Child, exit: Exit, ambient: Ambient, out: SupervisorCommand[]): void {
  disarm(child, out);
  const { failure } = child;
  child.failure = null;
  if (failure !== null && sup.phase !== "stopping" && !child.removing) {
    startFailed(sup, child, failure, ambient, out);
    return;
  }
  child.lastExit = exit;
  afterStop(sup, child, out);
  if (sup.plan !== null) proceed(sup, sup.plan, ambient, out);
}

function timerFired(sup: Supervisor, child: Child, ambient: Ambient, out: SupervisorCommand[]): void {
  child.timer = 0;
  if (child.state === "starting") {
    child.failure = `it did not start within ${child.spec.startTimeoutMs} ms`;
    killChild(sup, child, out);
  } else if (child.state === "stopping") {
    killChild(sup, child, out);
  } else if (child === sup.leader) {
    restartAffected(sup, child, 0, ambient, out);
  } else if (child.state === "waiting") {
    launch(sup, child, ambient, out);
  }
}

function judgePending(sup: Supervisor, ambient: Ambient, out: SupervisorCommand[]): void {
  while (sup.phase === "running" && sup.plan === null) {
    const next = sup.pending.shift();
    if (next === undefined) return;
    const { child, exit } = next;
    if (child.state === "exited" && child.lastExit === exit) judge(sup, child, exit, ambient, out);
  }
}

/** Whether a child that ended by itself is restarted, and whether its end ends the supervisor. */
function judge(sup: Supervisor, child: Child, exit: Exit, ambient: Ambient, out: SupervisorCommand[]): void {
  const { restart, significant } = child.spec;
  if (restart === "permanent" || !isNormal(exit)) report(sup, "child_terminated", exit, child, out);
  if (restart === "permanent" || (restart === "transient" && !isNormal(exit))) {
    const delayMs = countRestart(sup, child, ambient, out);
    if (delayMs === null) return;
    if (sup.spec.strategy !== "one_for_one") restartAffected(sup, child, delayMs, ambient, out);
    else if (delayMs === 0) launch(sup, child, ambient, out);
    else wait(sup, child, delayMs, ambient, out);
    return;
  }
  gone(sup, child, out);
  if (!significant) return; // under auto_shutdown never no child is (spec.ts)
  if (sup.spec.autoShutdown === "any_significant" || sup.significantAlive === 0) {
    stopAll(sup, autoShutdown, ambient, out);
  }
}

function startFailed(sup: Supervisor, child: Child, text: string, ambient: Ambient, out: SupervisorCommand[]): void {
  disarm(child, out);
  const exit: Exit = { reason: "start_failed", text };
  child.lastExit = exit;
  report(sup, "start_error", exit, child, out);
  if (sup.phase === "stopping") {
    afterStop(sup, child, out);
  } else if (child.trial) {
    forget(sup, child, out);
  } else if (sup.phase === "starting") {
    gone(sup, child, out);
    sup.startFailure = `${child.spec.id}: ${text}`;
    stopAll(sup, exit, ambient, out);
    return;
  } else if (child.spec.restart === "temporary") {
    gone(sup, child, out);
  } else {
    const delayMs = countRestart(sup, child, ambient, out);
    if (delayMs === null) return;
    if (sup.plan !== null) {
      sup.plan = null;
      sup.leader = child; // those after it in the plan go on waiting
    }
    // Without a backoff it still takes a timer: what else is to be done has its turn first, as in OTP.
    wait(sup, child, delayMs, ambient, out);
    return;
  }
  if (sup.plan !== null) proceed(sup, sup.plan, ambient, out);
}

/** Counts a restart of `child` and returns its backoff in ms; null if it was one too many: then all are stopped. */
function countRestart(sup: Supervisor, child: Child, ambient: Ambient, out: SupervisorCommand[]): number | null {
  const { maxRestarts, maxSeconds } = sup.spec;
  const counted = addRestart(sup.restartTimes, ambient.now, maxRestarts, maxSeconds);
  sup.restartTimes = counted.times;
  if (counted.allowed) {
    child.restarts++;
    return backoffDelayMs(child.spec.backoff, child.attempts++, ambient.random());
  }
  report(sup, "shutdown", gaveUp, child, out);
  out.push({ type: "gave_up", id: sup.spec.id });
  gone(sup, child, out);
  stopAll(sup, gaveUp, ambient, out);
  return null;
}
