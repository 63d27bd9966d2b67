// What a carrier must know to start an actor, from its policy and its compiled module.
import type { ActorSpec } from "../actors/wire.ts";
import type { EnvironmentOptions } from "./environments.ts";
import type { CompiledModule } from "./modules.ts";
import type { Actor, Pool } from "./service.ts";

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
    outputRequestBytesMax: policy.limits.output_request,
    outputSecondBytesMax: policy.limits.output_second,
  };
}

/** Beyond a reply's body, for its head and what surrounds it. */
const REPLY_HEAD_BYTES = 64 * 1024;

/** The environment of a pool's processes. @param moduleKey the name of its module in carriers */
export function environmentOf({ policy, service }: Pool, moduleKey: string): EnvironmentOptions {
  const { processes, limits, env } = policy;
  return {
    name: service.prefix,
    moduleKey,
    processesMax: processes.max,
    memoryBytesMax: processes.memory,
    mailboxMessagesMax: processes.mailbox,
    mailboxBytesMax: processes.mailbox_bytes,
    messageBytesMax: limits.body_out + REPLY_HEAD_BYTES,
    sendTimeoutMs: processes.send_timeout,
    canCompileModules: processes.compile,
    hasStdin: false,
    preopens: policy.dirs,
    env,
    args: [service.prefix],
    outputRequestBytesMax: limits.output_request,
    outputSecondBytesMax: limits.output_second,
  };
}
