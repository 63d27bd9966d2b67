// Which module is used by how many versions, counted from the rows, so that no counter can disagree with them. Pure.
import { moduleBytesOf } from "./space.ts";

interface Row {
  readonly versions: readonly { readonly digest: string; readonly bytes: number }[];
}

export class Uses {
  /** digest → versions that use it, over all services. */
  readonly #counts = new Map<string, number>();

  /** Modules. */
  get size(): number {
    return this.#counts.size;
  }

  has(digest: string): boolean {
    return this.#counts.has(digest);
  }

  /** Digests that no version uses any more when `after` has taken the place of `before`. */
  unusedAfter(before: Row | undefined, after: Row | undefined): string[] {
    const changes = new Map<string, number>();
    for (const { digest } of before?.versions ?? []) changes.set(digest, (changes.get(digest) ?? 0) - 1);
    for (const { digest } of after?.versions ?? []) changes.set(digest, (changes.get(digest) ?? 0) + 1);
    return [...changes].filter(([digest, by]) => (this.#counts.get(digest) ?? 0) + by === 0).map(([digest]) => digest);
  }

  /** Lets `after` take the place of `before`. @returns how many bytes more the modules take in the store */
  apply(before: Row | undefined, after: Row | undefined): number {
    let bytes = 0;
    for (const version of after?.versions ?? []) {
      const uses = this.#counts.get(version.digest) ?? 0;
      this.#counts.set(version.digest, uses + 1);
      if (uses === 0) bytes += moduleBytesOf(version);
    }
    for (const version of before?.versions ?? []) {
      const uses = (this.#counts.get(version.digest) ?? 0) - 1;
      if (uses > 0) {
        this.#counts.set(version.digest, uses);
        continue;
      }
      this.#counts.delete(version.digest);
      bytes -= moduleBytesOf(version);
    }
    return bytes;
  }
}
