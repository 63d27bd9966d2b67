// From the part of a policy that a user gave to a whole one that fits the node.

import { FrenezuloError } from "../errors.ts";
import {
  defaultPolicy,
  defaultSupervisor,
  type NodeConfig,
  nodeTable,
  type Policy,
  type PolicyPart,
  policyTable,
} from "./config.ts";
import { granted, preopenProblems } from "./dirs.ts";
import { nearest } from "./nearest.ts";
import { networkProblems, ungranted } from "./network.ts";
import { fill, type Problem, readTable } from "./table.ts";

/** What of a config a policy must fit. */
export type PolicyScope = Pick<NodeConfig, "defaults" | "supervisors" | "limits" | "admin">;

const defaultScope: PolicyScope = { ...fill(nodeTable, []), defaults: defaultPolicy, supervisors: new Map() };

/**
 * A whole policy from the part that a user of the API gave, over the defaults (of the file, where a config is given).
 * Directories it names must lie below those of admin.dirs, addresses within those of admin.network.
 * @throws bad_policy naming the key, what was given, what is right, and for an unknown key the nearest known one
 */
export function parsePolicy(given: unknown, scope: PolicyScope = defaultScope): Policy {
  const { part, problems } = readTable(policyTable, given ?? {});
  const asked = granted(part.dirs ?? [], scope.admin.dirs);
  problems.push(...asked.problems, ...ungranted(part.network, scope.admin.network));
  const policy = applyPolicy(scope.defaults, { ...part, ...(part.dirs !== undefined && { dirs: asked.preopens }) });
  if (problems.length === 0) problems.push(...policyProblems(policy, scope));
  if (problems.length > 0) throw new FrenezuloError("bad_policy", { why: problems.map(({ text }) => text).join("; ") });
  return policy;
}

/**
 * A part over a base. Where it turns a service from fresh to kept (or back), the scale starts from what that state
 * usually has, 1 and never, and not from the base's (DECISIONS 5.4).
 */
export function applyPolicy(base: Policy, part: PolicyPart): Policy {
  const policy = fill(policyTable, [base, part]);
  if (part.state === undefined || part.state === base.state) return policy;
  const usual = part.state === "kept" ? { max: 1, idle_timeout: Number.POSITIVE_INFINITY } : defaultPolicy.scale;
  const max = part.scale?.max ?? usual.max;
  policy.scale = {
    ...policy.scale,
    min: part.scale?.min ?? Math.min(base.scale.min, max),
    max,
    idle_timeout: part.scale?.idle_timeout ?? usual.idle_timeout,
  };
  return policy;
}

/** What does not fit together in a policy, or with the node. */
export function policyProblems(policy: Policy, scope: Omit<PolicyScope, "defaults">): Problem[] {
  const problems = [...networkProblems(policy.network), ...preopenProblems(policy.dirs)];
  const { scale, backoff, limits, supervisor } = policy;
  const bodyBytes = scope.limits.body_bytes;
  if (scale.min > scale.max)
    problems.push({ path: ["scale", "min"], text: `scale.min: ${scale.min} is more than scale.max, ${scale.max}` });
  if (backoff.min > backoff.max)
    problems.push({ path: ["backoff", "min"], text: "backoff.min: it is longer than backoff.max" });
  if (limits.body_in > bodyBytes)
    problems.push({
      path: ["limits", "body_in"],
      text: `limits.body_in: ${limits.body_in} bytes are more than the node's limits.body_bytes, ${bodyBytes}`,
    });
  if (policy.significant && policy.restart === "permanent")
    problems.push({
      path: ["significant"],
      text: "significant: not with restart permanent, which never lets its supervisor end; use transient or temporary",
    });
  const group = scope.supervisors.get(supervisor);
  if (policy.significant && (group?.auto_shutdown ?? "never") === "never")
    problems.push({
      path: ["significant"],
      text: `significant: its supervisor ${supervisor} has auto_shutdown never; set any_significant or all_significant`,
    });
  const known = [defaultSupervisor, ...scope.supervisors.keys()];
  if (!known.includes(supervisor))
    problems.push({
      path: ["supervisor"],
      text: `supervisor: there is no [supervisors.${supervisor}]; did you mean "${nearest(supervisor, known)}"?`,
    });
  return problems;
}
