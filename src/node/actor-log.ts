// What the node's log says of actors: their output, their failures, their ends. Main thread.
import type { ActorsOptions } from "../hosting/actors.ts";
import type { Log } from "../log/log.ts";

export function actorLog(log: Log): Pick<ActorsOptions, "onOutput" | "onFailure" | "onExit"> {
  return {
    onOutput: ({ pool }, stream, text) =>
      log.guest(pool.service.prefix, stream === 1 ? "stdout" : "stderr", text.toString("utf8")),
    onFailure: ({ pool, requestId }, error, note) =>
      log.failure(error, { service: pool.service.prefix, requestId, ...(note === "" ? {} : { note }) }),
    onExit: ({ pool, pid }, exit) => log.debug({ service: pool.service.prefix, pid, exit }, "a guest ended"),
  };
}
