// Numbers of environments, never used again in a node. Main thread.

let last = 0;

/** u32, from 1 on. */
export function nextEnvironmentId(): number {
  return ++last;
}
