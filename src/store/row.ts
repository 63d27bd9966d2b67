// What a service's row must look like when it is read at start. Pure.
import { z } from "zod";

export const rowSchema = z.object({
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
});
