// A request of a light actor: a process of its own that takes turns, so that its carrier can do other things.

import type { Pids } from "../wire/pids.ts";
import type { ActorSpec } from "../wire/specs.ts";
import type { ActorMembers } from "./actor-members.ts";
import { Process } from "./processes/process.ts";
import type { Runtime } from "./runtime/runtime.ts";
import { Task } from "./runtime/task.ts";

/** Where a request's bytes are, and whose it is. */
export interface RequestFrame {
  readonly seq: number;
  readonly replyPid: number;
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly length: number;
}

/** The request's process, which has not run yet. The frame's bytes must stay until it has ended or `keepRequest`. */
export function lightRequest(
  runtime: Runtime,
  pids: Pids,
  members: ActorMembers,
  spec: ActorSpec,
  frame: RequestFrame,
): Task {
  const { environment, rights, module } = members;
  const pool = runtime.pool(module);
  const process = new Process(pids.next(), environment.limits, undefined, environment.spec.id, environment);
  const task = new Task({
    process,
    environment,
    guest: spec,
    pool,
    entry: { name: spec.info.entry ?? "", params: [] },
    fuel: Number.POSITIVE_INFINITY,
    isReported: false,
    request: { seq: frame.seq, actorPid: spec.pid, replyPid: frame.replyPid },
  });
  process.beginRequest(frame.bytes, frame.start, frame.length, frame.replyPid);
  runtime.kernel.add({ process, environment, task, rights, module });
  return task;
}
