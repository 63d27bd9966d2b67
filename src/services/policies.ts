// Policies that say the same: thousands of services have the defaults, and hold one object for them. Pure.
import { Interned } from "../../wire/interned.ts";
import type { Policy } from "../config/config.ts";

const known = new Interned<Policy>();

/** True if two policies say the same. */
export function isSamePolicy(a: Policy, b: Policy): boolean {
  return textOf(a) === textOf(b);
}

/** The one object for a policy that says this. */
export function samePolicy(policy: Policy): Policy {
  const text = textOf(policy);
  const found = known.get(text);
  if (found === null) known.keep(text, policy);
  return found ?? policy;
}

function textOf(policy: Policy): string {
  return JSON.stringify(policy, (_key, value: unknown) => (value === Number.POSITIVE_INFINITY ? "never" : value));
}
