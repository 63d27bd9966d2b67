// What admin requests and answers look like: zod schemas, each named for the OpenAPI document.
import * as z from "zod";
import type { AddResult } from "./verbs.ts";

/** Every named schema; the OpenAPI document's components are made from it. */
export const schemas = z.registry<{ id: string }>();

function named<T extends z.ZodType>(id: string, schema: T): T {
  schemas.add(schema, { id });
  return schema;
}

const sha256 = z
  .string()
  .regex(/^[0-9a-fA-F]{64}$/, "must be 64 hex digits")
  .toLowerCase()
  .describe("sha256 of the module as it was given, hex");

const policy = named(
  "PolicyPart",
  z
    .record(z.string(), z.unknown())
    .describe("The part of a policy that differs from the default, as under [services.NAME] in frenezulo.toml"),
);

const env = named(
  "Environment",
  z
    .record(
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not come
      z.string().regex(/^[^=\x00-\x1f]{1,256}$/, "a name is 1 to 256 characters without = and control characters"),
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not come
      z.string().regex(/^[^\x00]*$/, "a value has no NUL"),
    )
    .describe("Environment variables of the service's guests"),
);

/** The prefix's own rules have errors of their own, so here it is any text. */
const prefix = z.string().describe("1 to 64 of a-z 0-9 . _ - beginning with a letter or digit");

export const addRequest = named(
  "AddRequest",
  z.strictObject({
    prefix,
    source: z.string().min(1).max(4_096).describe("http(s) URL, or file: URL under the configured folder"),
    sha256: sha256.optional(),
    policy: policy.optional(),
    env: env.optional(),
  }),
);

export const putQuery = z.strictObject({
  policy: policy.optional(),
  env: env.optional(),
  sha256: sha256.optional(),
});

export const rollbackRequest = named("RollbackRequest", z.strictObject({ version: z.int().min(1) }));

export const addResult: z.ZodType<AddResult> = named(
  "AddResult",
  z.object({
    prefix,
    version: z.int().min(1),
    sha256,
    changed: z.boolean().describe("false if the same module with the same policy was already being served"),
  }),
);

/** Recursive, so it is described where it is first met. */
export const treeView: z.ZodType = named(
  "Tree",
  z.object({
    id: z.string(),
    strategy: z.enum(["one_for_one", "one_for_all", "rest_for_one"]),
    phase: z.string().describe("starting, running, stopping or ended"),
    service: z.string().nullable(),
    recent_restarts: z.int(),
    max_restarts: z.int().nullable().describe("null: it never gives up"),
    max_seconds: z.int(),
    children: z.array(
      z.object({
        id: z.string(),
        type: z.enum(["supervisor", "worker"]),
        restart: z.enum(["permanent", "transient", "temporary"]),
        state: z.string().describe("down, waiting, starting, running, exited or stopping"),
        restarts: z.int(),
        last_exit: z.object({ reason: z.string(), text: z.string() }).nullable(),
        actor: z.object({ pid: z.int(), carrier: z.int(), depth: z.int() }).nullable(),
        supervisor: z.unknown().describe("of a supervisor: an object like this one; else null"),
      }),
    ),
  }),
);

export const reloadResult = named(
  "ReloadResult",
  z.object({
    added: z.array(z.string()),
    changed: z.array(z.string()),
    removed: z.array(z.string()),
    supervisors: z.array(z.string()),
    restart_needed: z.array(z.string()).describe("settings that changed but need a restart of the node"),
  }),
);

const actorView = named(
  "Actor",
  z.object({
    pid: z.int(),
    version: z.int(),
    carrier: z.int(),
    state: z.enum(["starting", "idle", "busy", "stopping"]),
    requests: z.int(),
  }),
);

const service = z.object({
  prefix,
  origin: z.enum(["api", "config"]),
  where: z.string().optional().describe("file:line, for origin config"),
  version: z.int(),
  sha256,
  status: z.enum(["cold", "warm", "broken"]).describe("cold: no actor; warm: an actor runs; broken: breaker open"),
  inFlight: z.int(),
  queued: z.int(),
  actors: z.array(actorView),
  counts: z.object({ requests: z.int(), failures: z.int(), restarts: z.int() }),
});
named("Service", service);

const versionView = named(
  "Version",
  z.object({
    version: z.int().min(1),
    sha256,
    bytes: z.int(),
    addedAt: z.iso.datetime(),
    current: z.boolean(),
  }),
);

export const serviceDetail = named(
  "ServiceDetail",
  service.extend({
    versions: z.array(versionView),
    policy: z
      .record(z.string(), z.unknown())
      .describe('The whole policy in force: durations ms or "never", sizes bytes'),
  }),
);

export const SERVICES_LIMIT_MAX = 10_000;

export const listQuery = z.strictObject({
  limit: z
    .string()
    .regex(/^[1-9]\d{0,5}$/, `must be 1 to ${SERVICES_LIMIT_MAX}`)
    .refine((text) => Number(text) <= SERVICES_LIMIT_MAX, `must be 1 to ${SERVICES_LIMIT_MAX}`)
    .optional()
    .describe(`At most so many services, 1 to ${SERVICES_LIMIT_MAX}`),
  cursor: z.string().max(64).optional().describe("The next of the page before"),
});

export const serviceList = named(
  "ServiceList",
  z.object({
    services: z.array(service),
    next: z
      .string()
      .nullable()
      .optional()
      .describe("Where limit or cursor was given: the cursor of the next page, null after the last"),
  }),
);

export const health = named("Health", z.object({ status: z.enum(["live", "ready", "not ready"]) }));

export const openApiDocument = named(
  "OpenApiDocument",
  z.looseObject({ openapi: z.string(), info: z.unknown(), paths: z.record(z.string(), z.unknown()) }),
);

export const errorBody = named(
  "Error",
  z.object({
    error: z.object({
      code: z.string().describe("A code of the table of failures"),
      message: z.string(),
      service: z.string().nullable(),
      requestId: z.string(),
    }),
  }),
);
