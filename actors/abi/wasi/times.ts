// Setting a file's times. Node takes seconds as a double: a time it is given is exact to a microsecond.
import { type BigIntStats, lutimesSync, utimesSync } from "node:fs";
import { ERRNO, fail } from "../../files/errno.ts";

const ACCESSED = 1;
const ACCESSED_NOW = 2;
const MODIFIED = 4;
const MODIFIED_NOW = 8;

/**
 * Sets the times of what a host path names; those that no flag names stay as they are in `stat`.
 * @param accessed nanoseconds, u64, as `modified` @throws inval for flags that contradict each other
 */
export function setTimes(path: string, stat: BigIntStats, accessed: bigint, modified: bigint, flags: number): void {
  const both = (one: number, other: number): boolean => (flags & one) !== 0 && (flags & other) !== 0;
  const all = ACCESSED | ACCESSED_NOW | MODIFIED | MODIFIED_NOW;
  if ((flags & ~all) !== 0 || both(ACCESSED, ACCESSED_NOW) || both(MODIFIED, MODIFIED_NOW)) fail(ERRNO.inval);
  const pick = (given: number, now: number, time: bigint, old: bigint): number => {
    if ((flags & now) !== 0) return Date.now() / 1000;
    return seconds((flags & given) !== 0 ? BigInt.asUintN(64, time) : old);
  };
  const set = stat.isSymbolicLink() ? lutimesSync : utimesSync;
  set(path, pick(ACCESSED, ACCESSED_NOW, accessed, stat.atimeNs), pick(MODIFIED, MODIFIED_NOW, modified, stat.mtimeNs));
}

function seconds(nanos: bigint): number {
  return Number(nanos) / 1e9;
}
