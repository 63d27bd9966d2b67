// Who must stop and who must start, in which order, when a child is restarted. The three strategies in one place. Pure.
import type { Restart, Strategy } from "./spec.ts";

export interface Affected<T> {
  /** Those to stop, in this order: the reverse of the start order. The failed child is not among them. */
  readonly stop: readonly T[];
  /** Those to start, in this order, the failed child among them. Temporary children are never started again. */
  readonly start: readonly T[];
}

/**
 * @param children all of a supervisor's children in start order; read only as far as the strategy needs
 * @param failed the one to restart; it is in `children` and not temporary
 */
export function affected<T extends { readonly spec: { readonly restart: Restart } }>(
  strategy: Strategy,
  children: Iterable<T>,
  failed: T,
): Affected<T> {
  if (strategy === "one_for_one") return { stop: [], start: [failed] };
  const stop: T[] = [];
  const start: T[] = [];
  let reached = strategy === "one_for_all";
  for (const child of children) {
    if (child === failed) reached = true;
    else if (reached) stop.push(child);
    if (reached && child.spec.restart !== "temporary") start.push(child);
  }
  return { stop: stop.reverse(), start };
}
