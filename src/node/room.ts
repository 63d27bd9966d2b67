// The room that the node has for what slow clients leave with it: bodies that come in, answers that go out.
import { Arrivals } from "../acceptor/arrivals.ts";
import { Unsent } from "../acceptor/unsent.ts";
import type { NodeConfig } from "../config/config.ts";

export interface Room {
  readonly arrivals: Arrivals;
  readonly unsent: Unsent;
}

export function roomOf(limits: NodeConfig["limits"]): Room {
  return {
    arrivals: new Arrivals({
      count: limits.bodies,
      bytes: limits.body_bytes,
      sourceShare: limits.bodies_source,
      serviceShare: limits.bodies_service,
    }),
    unsent: new Unsent({ bytes: limits.unsent_bytes, serviceShare: limits.unsent_service }),
  };
}
