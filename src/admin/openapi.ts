// The OpenAPI 3.1 document, generated from the table of routes.
import * as z from "zod";
import { type ErrorCode, errorTable } from "../errors.ts";
import type { Listener } from "./contract.ts";
import type { Route } from "./route.ts";
import { errorBody, schemas } from "./schemas.ts";

type Json = Readonly<Record<string, unknown>>;

const commonFailures: readonly ErrorCode[] = ["internal"];
const adminFailures: readonly ErrorCode[] = ["unauthorized", "forbidden_origin", "not_found", "too_many_attempts"];

/** The document as a listener serves it: the admin listener has the paths at its root besides. */
export function openApi(routes: readonly Route[], listener: Listener): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of routes) {
    add(paths, route.path, route, route.id);
    if (listener === "admin" && route.rootPath !== undefined) add(paths, route.rootPath, route, `${route.id}AtRoot`);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Frenezulo",
      version: "1",
      description: "Adds, replaces, rolls back and removes services of a running node, and tells how it is.",
    },
    paths,
    components: {
      schemas: componentSchemas(),
      securitySchemes: {
        token: { type: "http", scheme: "bearer", description: "Not needed on a loopback node without a token." },
      },
    },
  };
}

function add(paths: Record<string, Record<string, Json>>, path: string, route: Route, operationId: string): void {
  const methods = paths[path] ?? {};
  paths[path] = methods;
  methods[route.method.toLowerCase()] = operation(route, operationId);
}

function operation(route: Route, operationId: string): Json {
  const parameters = [
    ...(route.path.includes("{prefix}")
      ? [{ name: "prefix", in: "path", required: true, schema: { type: "string", maxLength: 64 } }]
      : []),
    ...Object.entries(route.query?.shape ?? {}).map(([name, schema]) => queryParameter(route, name, schema)),
  ];
  return {
    operationId,
    summary: route.summary,
    security: route.auth === "none" ? [] : [{ token: [] }, {}],
    ...(parameters.length > 0 && { parameters }),
    ...(route.body !== "none" && { requestBody: requestBody(route) }),
    responses: responses(route),
  };
}

function queryParameter(route: Route, name: string, schema: z.core.$ZodType): Json {
  const required = !z.safeParse(schema, undefined).success;
  // The names of optional fields' schemas are those of what they wrap.
  const json = schemaOf(schema instanceof z.ZodOptional ? schema.unwrap() : schema);
  const isJson = route.queryJson?.includes(name) ?? false;
  return {
    name,
    in: "query",
    required,
    ...(isJson ? { content: { "application/json": { schema: json } } } : { schema: json }),
  };
}

function requestBody(route: Route): Json {
  const content =
    route.json === undefined ? { "application/wasm": {} } : { "application/json": { schema: schemaOf(route.json) } };
  return { required: true, content };
}

function responses(route: Route): Json {
  const answers: Record<string, Json> = {};
  for (const [status, what] of Object.entries(route.answers)) {
    if (what === null) answers[status] = { description: "Done." };
    else if (typeof what === "string") answers[status] = { description: "Done.", content: { [what]: {} } };
    else answers[status] = { description: "Done.", content: { "application/json": { schema: schemaOf(what) } } };
  }
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of failuresOf(route)) {
    const status = errorTable[code].status ?? 500;
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  for (const [status, codes] of byStatus) {
    const content = { "application/json": { schema: schemaOf(errorBody) } };
    answers[status] ??= {
      description: codes.map((code) => `${code}: ${errorTable[code].sentence}`).join("\n"),
      content,
    };
  }
  return answers;
}

/** Every code that a route can answer with, once it is the route that was asked for. */
export function failuresOf(route: Route): readonly ErrorCode[] {
  return [...route.failures, ...(route.auth === "admin" ? adminFailures : []), ...commonFailures];
}

/** A reference for a schema with a name, else the schema itself. */
function schemaOf(schema: z.core.$ZodType): Json {
  const id = schemas.get(schema)?.id;
  if (id !== undefined) return { $ref: reference(id) };
  const { $schema, ...rest } = z.toJSONSchema(schema, { io: "input" });
  return rest;
}

function componentSchemas(): Json {
  const { schemas: made } = z.toJSONSchema(schemas, { uri: reference, io: "input" });
  // `$id` and `$schema` of each would make a reference relative to itself instead of to this document.
  return Object.fromEntries(Object.entries(made).map(([id, { $id, $schema, ...rest }]) => [id, rest]));
}

function reference(id: string): string {
  return `#/components/schemas/${id}`;
}
