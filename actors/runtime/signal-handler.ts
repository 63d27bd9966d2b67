// What a carrier does with a frame of the mesh, by its kind.

import { ANSWER } from "../../wire/asks.ts";
import type { Exit } from "../../wire/exits.ts";
import { SIGNAL } from "../../wire/layout.ts";
import type { Mesh } from "../../wire/mesh.ts";
import type { SignalHandler } from "../../wire/mesh-peer.ts";
import { slotOf } from "../../wire/pids.ts";
import { ASK_HEADER, type Asking } from "./asking.ts";
import type { Kernel } from "./kernel.ts";

export interface SignalTarget {
  readonly kernel: Kernel;
  readonly asking: Asking;
  /** Ends the processes that a request began. */
  endRequest(replyPid: number, exit: Exit): void;
}

const NO_BYTES = new Uint8Array(0);

export function signalHandler(target: SignalTarget, mesh: Mesh): SignalHandler {
  const { kernel, asking } = target;
  /** Another carrier asks whether a process lives. */
  const answerExists = (from: number, environment: number, payload: Buffer): void => {
    const answer = Buffer.alloc(ASK_HEADER + 1);
    payload.copy(answer, 0, 0, 4);
    answer[4] = ANSWER.ok;
    const pid = Number(payload.readBigUInt64LE(ASK_HEADER));
    answer[ASK_HEADER] = kernel.find(pid, environment) === undefined ? 0 : 1;
    mesh.send(slotOf(from), SIGNAL.answer, from, 0, environment, answer, 0, answer.length);
  };

  /** A process has a name: the main thread is told of its end, or at once that it is not there. */
  const named = (pid: number, environment: number): void => {
    const member = kernel.find(pid, environment);
    if (member !== undefined) member.process.hasAsked = true;
    else mesh.send(0, SIGNAL.forget, 0, pid, environment, NO_BYTES, 0, 0);
  };

  return (kind, to, from, environment, bytes, start, length) => {
    const payload = (): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset + start, length);
    switch (kind) {
      case SIGNAL.answer:
        return asking.answered(to, bytes, start, length);
      case SIGNAL.ask:
        return answerExists(from, environment, payload());
      case SIGNAL.named:
        return named(to, environment);
      case SIGNAL.end_request:
        return target.endRequest(from, { reason: "deadline", text: payload().toString("utf8") });
      default:
        return kernel.received(kind, to, from, environment, bytes, start, length);
    }
  };
}
