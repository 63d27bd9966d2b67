// Slows down those who guess tokens: from the tenth wrong one of a source in a second on, its wrong ones wait for their
// answer. It says nothing of right ones: many people may share an address (a proxy), and one must not shut out another.
import { isIPv6 } from "node:net";

export const FAILURES_MAX = 10;
export const WINDOW_MS = 1_000;
/** How long a slowed answer waits. */
export const DELAY_MS = 1_000;
/**
 * Answers of all sources that begin to wait within a window; so at most twice as many wait at once. Those beyond are
 * given at once and close their connection: waiting must not cost the node what guessing does not cost a guesser.
 */
export const DELAYED_MAX = 256;
/** Sources remembered at once; the oldest is forgotten first, so that many addresses cost no memory. */
const SOURCES_MAX = 4_096;

interface Window {
  endsAtMs: number;
  failures: number;
}

/** What becomes of the answer to a wrong token. */
export interface Slowed {
  /** False for the first few of a source. */
  readonly isThrottled: boolean;
  /** True for the one that begins a block, which lasts a whole window from then. */
  readonly isBlockBegin: boolean;
  readonly delayMs: number;
}

export class Throttle {
  readonly #now: () => number;
  readonly #windows = new Map<string, Window>();
  readonly #delayed: Window = { endsAtMs: 0, failures: 0 };

  /** @param now milliseconds of a monotonic clock */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Counts one failure. */
  fail(remoteAddress: string): Slowed {
    const source = sourceOf(remoteAddress);
    const now = this.#now();
    let window = this.#windows.get(source);
    if (window === undefined || now >= window.endsAtMs) {
      this.#windows.delete(source);
      const oldest = this.#windows.size >= SOURCES_MAX ? this.#windows.keys().next().value : undefined;
      if (oldest !== undefined) this.#windows.delete(oldest);
      window = { endsAtMs: now + WINDOW_MS, failures: 0 };
      this.#windows.set(source, window);
    }
    window.failures += 1;
    const isBlockBegin = window.failures === FAILURES_MAX;
    if (isBlockBegin) window.endsAtMs = now + WINDOW_MS;
    const isThrottled = window.failures > FAILURES_MAX;
    return { isThrottled, isBlockBegin, delayMs: isThrottled && this.#mayDelay(now) ? DELAY_MS : 0 };
  }

  #mayDelay(now: number): boolean {
    const delayed = this.#delayed;
    if (now >= delayed.endsAtMs) {
      delayed.endsAtMs = now + DELAY_MS;
      delayed.failures = 0;
    }
    delayed.failures += 1;
    return delayed.failures <= DELAYED_MAX;
  }
}

/**
 * Who an address belongs to: an IPv4 address itself, mapped into IPv6 or not; an IPv6 address its /64, since one host
 * commonly owns all of that.
 */
export function sourceOf(remoteAddress: string): string {
  const address = remoteAddress.split("%", 1)[0] ?? "";
  if (!isIPv6(address)) return address;
  const groups = groupsOf(address);
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    const [high = 0, low = 0] = groups.slice(6);
    return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
  }
  return groups.slice(0, 4).join(":");
}

/** The eight 16-bit groups of a valid IPv6 address. */
function groupsOf(address: string): number[] {
  const hex = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) =>
    [(Number(a) << 8) | Number(b), (Number(c) << 8) | Number(d)].map((group) => group.toString(16)).join(":"),
  );
  const [front = [], back = []] = hex
    .split("::")
    .map((half) => (half === "" ? [] : half.split(":").map((group) => Number.parseInt(group, 16))));
  return [...front, ...new Array<number>(8 - front.length - back.length).fill(0), ...back];
}
