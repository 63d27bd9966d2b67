// One incarnation of a child: start, stop, kill, timer, end. Every change of a child's state passes through here. Pure.
import type { Exit } from "../wire/exits.ts";
import { type Child, offender } from "./child.ts";
import type { Report } from "./commands.ts";
import type { Ambient, Supervisor, SupervisorCommand } from "./state.ts";

export function setState(sup: Supervisor, child: Child, state: Child["state"]): void {
  const { significant } = child.spec;
  if (child.state !== "down" && child.state !== "waiting") sup.alive--;
  if (significant && child.state !== "down") sup.significantAlive--;
  child.state = state;
  if (state !== "down" && state !== "waiting") sup.alive++;
  if (significant && state !== "down") sup.significantAlive++;
}

export function launch(sup: Supervisor, child: Child, ambient: Ambient, out: SupervisorCommand[]): void {
  disarm(child, out);
  child.generation = ++ambient.serial;
  child.killed = false;
  setState(sup, child, "starting");
  arm(child, child.spec.startTimeoutMs, ambient, out);
  out.push({ type: "start", id: child.spec.id, generation: child.generation, child: child.spec });
}

/** It will be started when its backoff has passed. */
export function wait(sup: Supervisor, child: Child, delayMs: number, ambient: Ambient, out: SupervisorCommand[]): void {
  setState(sup, child, "waiting");
  arm(child, delayMs, ambient, out);
}

/** Asks a starting or running child to end, and arms its kill. */
export function stopChild(sup: Supervisor, child: Child, ambient: Ambient, out: SupervisorCommand[]): void {
  const { shutdown, id } = child.spec;
  if (shutdown === "brutal_kill" || sup.killing) {
    killChild(sup, child, out);
    return;
  }
  disarm(child, out);
  setState(sup, child, "stopping");
  arm(child, shutdown, ambient, out);
  out.push({ type: "stop", id, generation: child.generation, child: child.spec, shutdownMs: shutdown });
}

export function killChild(sup: Supervisor, child: Child, out: SupervisorCommand[]): void {
  disarm(child, out);
  child.killed = true;
  setState(sup, child, "stopping");
  out.push({ type: "kill", id: child.spec.id, generation: child.generation, child: child.spec });
}

/** A child that was to stop runs no more. */
export function afterStop(sup: Supervisor, child: Child, out: SupervisorCommand[]): void {
  if (child.removing) forget(sup, child, out);
  else if (sup.phase === "stopping" || child.spec.restart === "temporary") gone(sup, child, out);
  else setState(sup, child, "waiting"); // stopped because of a sibling: started again with it
}

/**
 * It will not be started again: a dynamic supervisor forgets it, any other keeps it for the supervisor's own restart.
 */
export function gone(sup: Supervisor, child: Child, out: SupervisorCommand[]): void {
  if (sup.spec.dynamic) {
    forget(sup, child, out);
    return;
  }
  disarm(child, out);
  setState(sup, child, "down");
}

export function forget(sup: Supervisor, child: Child, out: SupervisorCommand[]): void {
  disarm(child, out);
  setState(sup, child, "down");
  sup.children.delete(child.spec.id);
  out.push({ type: "removed", id: child.spec.id });
}

export function disarm(child: Child, out: SupervisorCommand[]): void {
  if (child.timer === 0) return;
  out.push({ type: "disarm", id: child.spec.id, token: child.timer });
  child.timer = 0;
}

export function report(
  sup: Supervisor,
  context: Report["context"],
  reason: Exit,
  child: Child,
  out: SupervisorCommand[],
): void {
  out.push({ type: "report", report: { supervisor: sup.spec.id, context, reason, offender: offender(child) } });
}

function arm(child: Child, delayMs: number, ambient: Ambient, out: SupervisorCommand[]): void {
  if (delayMs === Number.POSITIVE_INFINITY) return;
  child.timer = ++ambient.serial;
  out.push({ type: "arm", id: child.spec.id, token: child.timer, atMs: ambient.now + delayMs });
}
