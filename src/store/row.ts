// A service's row: what it holds, and what it must look like when it is read at start. Pure.
import { z } from "zod";

export interface StoredVersion {
  /** Counts from 1 for each prefix and is never used again, not even after a rollback. */
  readonly version: number;
  /** sha256 of the module as it was given, hex: the key of its bytes. */
  readonly digest: string;
  readonly bytes: number;
  /** ISO 8601. */
  readonly addedAt: string;
  /** As the user wrote it: the defaults of the day it is read apply to what it leaves out. */
  readonly policy: unknown;
  readonly env: Readonly<Record<string, string>>;
}

export interface StoredService {
  readonly prefix: string;
  /** The version that is served. */
  readonly current: number;
  /** The number the next version gets. */
  readonly next: number;
  /** Oldest first; holds at least the current one. */
  readonly versions: readonly StoredVersion[];
}

export const rowSchema = z
  .object({
    prefix: z.string(),
    current: z.int(),
    next: z.int(),
    versions: z
      .array(
        z.object({
          version: z.int(),
          digest: z.string(),
          bytes: z.int(),
          addedAt: z.string(),
          policy: z.unknown(),
          env: z.record(z.string(), z.string()),
        }),
      )
      .min(1),
  })
  .refine(
    ({ current, versions }) => versions.some(({ version }) => version === current),
    "its current version is gone",
  );
