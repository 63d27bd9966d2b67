// What a carrier must know to start an actor, from its policy and its compiled module. Pure.
import type { ActorSpec } from "../actors/wire.ts";
import type { CompiledModule } from "./modules.ts";
import type { Actor } from "./service.ts";

export function specOf(actor: Actor, { module, info }: CompiledModule): ActorSpec {
  const { policy, service } = actor.pool;
  return {
    pid: actor.pid,
    service: service.prefix,
    module,
    info,
    state: policy.state,
    snapshotEntropy: policy.snapshot_entropy,
    env: policy.env,
    args: [service.prefix],
    preopens: policy.dirs,
    replyBytesMax: policy.limits.body_out,
    outputRequestBytesMax: policy.limits.output_request,
    outputSecondBytesMax: policy.limits.output_second,
  };
}
