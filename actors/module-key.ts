// The names of modules between the main thread and carriers. Pure.

const PAGE_BYTES = 65_536;

/** The name of a module whose memory is bounded to fewer pages than the policy allows. */
export function boundedKey(key: string, memoryBytes: number): string {
  return `${key}@${Math.floor(memoryBytes / PAGE_BYTES)}`;
}
