// How long tests wait before they call it a hang, and settings of a node for a machine of any speed.

/**
 * Events come when they come: what has not come after so long never will. The rewrite of a module, which gives way to
 * all else, takes minutes where a machine is very busy. ms
 */
export const PATIENCE_MS = 10 * 60_000;
const PATIENCE = "10m";

type Part = Readonly<Record<string, unknown>>;

/**
 * A node's config in which no time passes because the machine is slow: times that a test does not name itself are of
 * minutes. Threads that end late are zombies until they do: tests look for those that stay.
 */
export function patient(config: Part): Record<string, unknown> {
  const { defaults = {}, listen = {}, limits = {}, drain = {} } = config as Record<string, Part>;
  const times = { deadline: PATIENCE, start_deadline: PATIENCE, queue_timeout: PATIENCE };
  return {
    ...config,
    defaults: {
      shutdown: PATIENCE,
      ...defaults,
      limits: { ...times, ...(defaults.limits as Part | undefined) },
      processes: { send_timeout: PATIENCE, ...(defaults.processes as Part | undefined) },
    },
    listen: { body_timeout: PATIENCE, write_timeout: PATIENCE, ...listen },
    limits: { compile: PATIENCE, zombies: 16, ...limits },
    drain: { deadline: PATIENCE, ...drain },
  };
}

/** Asks until the answer holds. @throws with the last answer when it is a hang */
export async function eventually<T>(
  ask: () => T | Promise<T>,
  holds: (value: T) => boolean,
  what: (last: T) => string = (last) => `it is still ${JSON.stringify(last)}`,
): Promise<T> {
  const lastMs = performance.now() + PATIENCE_MS;
  for (;;) {
    const value = await ask();
    if (holds(value)) return value;
    if (performance.now() > lastMs) throw new Error(`after ${PATIENCE_MS} ms ${what(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/**
 * Does what must be done while a request of `ms` runs, and does it again with a longer one if the machine was too slow.
 * @param act begins with that request; what it gives looks at the outcome, which counts if it was in time
 */
export async function whileItRuns<T>(
  act: (ms: number) => Promise<(isInTime: boolean) => T | Promise<T>>,
  firstMs = 1_000,
): Promise<T> {
  for (let ms = firstMs; ; ms *= 3) {
    const lastMs = performance.now() + ms;
    const finish = await act(ms);
    const isInTime = performance.now() < lastMs || ms > 60_000;
    const outcome = await finish(isInTime);
    if (isInTime) return outcome;
  }
}

/** Asks until it holds, or `ms` have passed: for what must be so while a request of `whileItRuns` runs. */
export async function holdsWithin(ms: number, holds: () => Promise<boolean>): Promise<boolean> {
  const lastMs = performance.now() + ms;
  while (performance.now() < lastMs) {
    if (await holds()) return true;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return false;
}
