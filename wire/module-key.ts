// The names of modules between the main thread and carriers. Pure.

const PAGE_BYTES = 65_536;

/**
 * The name of a module under the limits that it is compiled with: a carrier may have it for several services.
 * @param digest sha256 of its bytes, hex
 */
export function moduleKey(
  digest: string,
  limits: { readonly memoryBytes: number; readonly tableElements: number },
): string {
  return `${digest}:${limits.memoryBytes}:${limits.tableElements}`;
}

/** The digest of the module that has this name. */
export function digestOf(key: string): string {
  return key.split(/[:@]/, 1)[0] as string;
}

/** The name of a module whose memory is bounded to fewer pages than the policy allows. */
export function boundedKey(key: string, memoryBytes: number): string {
  return `${key}@${Math.floor(memoryBytes / PAGE_BYTES)}`;
}
