// Threads that do not end when they are told to: with too many of them the node has failed. Main thread.
import type { Log } from "../log/log.ts";

/**
 * @param max `limits.zombies`
 * @returns failed: settles once there are more; onZombie: to be told of each, with how many there are
 */
export function zombieLimit(max: number, log: Log): { failed: Promise<void>; onZombie: (zombies: number) => void } {
  let fail = (): void => {};
  const failed = new Promise<void>((resolve) => {
    fail = resolve;
  });
  const onZombie = (zombies: number): void => {
    log.error({ zombies }, "a thread could not be ended");
    if (zombies > max) fail();
  };
  return { failed, onZombie };
}
