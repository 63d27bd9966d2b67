// What a carrier must know to start an actor, from its policy and its compiled module.
import type { ActorSpec } from "../../wire/specs.ts";
import type { CompiledModule } from "../modules/modules.ts";
import { outputLimits } from "../services/output-limits.ts";
import type { Actor } from "../services/service.ts";

/** Where its environment is, for a module that has to do with other processes. */
export type ActorEnvironment = Pick<ActorSpec, "environment" | "light" | "isLight">;

export function specOf(
  actor: Actor,
  { module, digest, info }: CompiledModule,
  environment: ActorEnvironment,
): ActorSpec {
  const { policy, service, environmentId } = actor.pool;
  return {
    pid: actor.pid,
    service: service.prefix,
    environmentId,
    ...environment,
    module,
    digest,
    info,
    state: policy.state,
    snapshotEntropy: policy.snapshot_entropy,
    env: policy.env,
    args: [service.prefix],
    preopens: policy.dirs,
    replyBytesMax: policy.limits.body_out,
    ...outputLimits(policy),
  };
}
