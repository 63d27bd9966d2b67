// Covers src/admin/openapi.ts: the document that is generated from the table of routes.
import { describe, expect, it } from "vitest";
import * as z from "zod";
import { routes } from "../../../src/admin/routes.ts";
import { schemas } from "../../../src/admin/schemas.ts";
import { local, makeAdmin, request, send } from "./fixture.ts";

type Json = Record<string, unknown>;
const METHODS = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/** What OpenAPI 3.1 requires of the parts that are used here (spec.openapis.org/oas/v3.1.0). */
const media = z.record(z.string(), z.strictObject({ schema: z.record(z.string(), z.unknown()).optional() }));
const operation = z.strictObject({
  operationId: z.string().min(1),
  summary: z.string().min(1),
  security: z.array(z.record(z.string(), z.array(z.string()))),
  parameters: z
    .array(
      z
        .strictObject({
          name: z.string(),
          in: z.enum(["path", "query", "header", "cookie"]),
          required: z.boolean(),
          schema: z.record(z.string(), z.unknown()).optional(),
          content: media.optional(),
        })
        .refine(
          ({ schema, content }) => (schema === undefined) !== (content === undefined),
          "one of schema and content",
        )
        .refine((each) => each.in !== "path" || each.required, "path parameters are required"),
    )
    .optional(),
  requestBody: z.strictObject({ required: z.boolean(), content: media }).optional(),
  responses: z
    .record(
      z.string().regex(/^[1-5]\d\d$/),
      z.strictObject({ description: z.string().min(1), content: media.optional() }),
    )
    .refine((all) => Object.keys(all).length > 0),
});
const document = z.strictObject({
  openapi: z.literal("3.1.0"),
  info: z.strictObject({ title: z.string(), version: z.string(), description: z.string() }),
  paths: z.record(z.string().startsWith("/"), z.partialRecord(z.enum(METHODS as [string]), operation)),
  components: z.strictObject({
    schemas: z.record(z.string().regex(/^[A-Za-z0-9._-]+$/), z.record(z.string(), z.unknown())),
    securitySchemes: z.record(z.string(), z.looseObject({ type: z.literal("http"), scheme: z.literal("bearer") })),
  }),
});

async function fetch(listener: "public" | "admin") {
  const auth = listener === "admin" ? { ...local, adminListen: { address: "127.0.0.1:3001" } } : local;
  const response = await send(makeAdmin(auth).admin, request({ path: "/services/-/openapi.json", listener }));
  return JSON.parse(String(response.body)) as Json;
}

function* within(value: unknown): Iterable<Json> {
  if (typeof value !== "object" || value === null) return;
  if (!Array.isArray(value)) yield value as Json;
  for (const each of Object.values(value)) yield* within(each);
}

describe.each(["public", "admin"] as const)("the document of the %s listener", (listener) => {
  it("has the structure that OpenAPI 3.1 wants", async () => {
    document.parse(await fetch(listener));
  });

  it("has every route of the table and no other, with the root paths on the admin listener only", async () => {
    const { paths } = document.parse(await fetch(listener));
    const documented = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const served = routes.flatMap(({ method, path, rootPath }) => [
      `${method} ${path}`,
      ...(listener === "admin" && rootPath !== undefined ? [`${method} ${rootPath}`] : []),
    ]);
    expect(documented.sort()).toEqual(served.sort());
  });

  it("has references that all lead somewhere, and no identifier that would bend them", async () => {
    const made = await fetch(listener);
    const references = [...within(made)].flatMap(({ $ref }) => (typeof $ref === "string" ? [$ref] : []));
    expect(references.length).toBeGreaterThan(routes.length);
    for (const reference of references) {
      const path = reference.replace(/^#\//, "").split("/");
      const target = path.reduce<unknown>((at, key) => (at as Json | undefined)?.[key], made);
      expect(target, reference).toBeTypeOf("object");
    }
    expect([...within(made)].filter((each) => "$id" in each || "$schema" in each || "$defs" in each)).toEqual([]);
  });

  it("names each operation once, and each path parameter", async () => {
    const { paths } = document.parse(await fetch(listener));
    const operations = Object.entries(paths).flatMap(([path, methods]) =>
      Object.values(methods).map((each) => ({ path, ...operation.parse(each) })),
    );
    expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length);
    for (const { path, parameters = [] } of operations) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      expect(parameters.filter((each) => each.in === "path").map(({ name }) => name)).toEqual(inPath);
    }
  });
});

it("has every schema that a route uses", async () => {
  const { components } = document.parse(await fetch("public"));
  for (const route of routes) {
    for (const schema of [route.json, ...Object.values(route.answers)]) {
      if (schema === undefined || schema === null || typeof schema === "string") continue;
      expect(components.schemas).toHaveProperty(schemas.get(schema)?.id ?? "a schema without a name");
    }
  }
});

it("tells a token's need, request bodies and their media types as the table does", async () => {
  const { paths } = document.parse(await fetch("public"));
  const media = { none: undefined, json: ["application/json"], wasm: ["application/wasm"] };
  for (const route of routes) {
    const made = operation.parse(paths[route.path]?.[route.method.toLowerCase() as "get"]);
    expect(made.security.some((each) => "token" in each)).toBe(route.auth === "admin");
    expect(made.requestBody && Object.keys(made.requestBody.content)).toEqual(media[route.body]);
    for (const status of Object.keys(route.answers)) expect(made.responses).toHaveProperty(status);
  }
});
