// Pure: path → service. The first segment of a path, whole and case-sensitive, is a service's prefix.
import { FrenezuloError } from "../errors.ts";

/** First segments that no service may have: the admin routes, and a word that is one of them. */
const RESERVED = new Set(["services", "add"]);

/** The first segment of the admin routes; whoever routes checks it before the services. */
export const ADMIN_SEGMENT = "services";

/** @throws bad_prefix unless it is 1 to 64 of `a-z 0-9 . _ -`, first a letter or digit; reserved_prefix */
export function assertPrefix(prefix: string): void {
  if (!/^[a-z0-9][a-z0-9._-]{0,63}$/.test(prefix))
    throw new FrenezuloError("bad_prefix", { prefix: JSON.stringify(prefix.slice(0, 100)) });
  if (RESERVED.has(prefix)) throw new FrenezuloError("reserved_prefix", { prefix });
}

/**
 * The first segment of a path that the gate accepted, percent-decoded once: "/a%62c/d" → "abc", "/" → "".
 * Decoding never makes a slash or a dot segment of it: the gate refuses those. A segment that does not decode is "".
 */
export function firstSegment(path: string): string {
  const end = path.indexOf("/", 1);
  const segment = end < 0 ? path.slice(1) : path.slice(1, end);
  if (!segment.includes("%")) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return "";
  }
}

/** Prefix → target, in time that does not depend on how many there are. */
export class Router<T> {
  readonly #targets = new Map<string, T>();
  /** Numbers in the order in which prefixes came, which is that of both maps. */
  readonly #numbers = new Map<string, number>();
  #lastNumber = 0;

  get size(): number {
    return this.#targets.size;
  }

  /** Adds, or replaces at once: the next request sees the new target. @throws bad_prefix, reserved_prefix */
  add(prefix: string, target: T): void {
    assertPrefix(prefix);
    this.#targets.set(prefix, target);
    if (!this.#numbers.has(prefix)) this.#numbers.set(prefix, ++this.#lastNumber);
  }

  /** False if there was no such prefix. */
  remove(prefix: string): boolean {
    this.#numbers.delete(prefix);
    return this.#targets.delete(prefix);
  }

  get(prefix: string): T | undefined {
    return this.#targets.get(prefix);
  }

  targets(): IterableIterator<T> {
    return this.#targets.values();
  }

  /** The targets that came after the one of a number (0: all), in the order in which they came, with their numbers. */
  *after(number: number): Iterable<readonly [number: number, target: T]> {
    for (const [prefix, each] of this.#numbers) if (each > number) yield [each, this.#targets.get(prefix) as T];
  }
}
