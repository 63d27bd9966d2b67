// THE table of admin routes: method, path, who may, what goes in and out, handler. OpenAPI and tests come from it.
import { createHash } from "node:crypto";
import type { ErrorCode } from "../errors.ts";
import { assertPrefix } from "../services/router.ts";
import type { Listener } from "./contract.ts";
import { openApi } from "./openapi.ts";
import { type Audit, type Call, type Outcome, type Route, route } from "./route.ts";
import * as schemas from "./schemas.ts";
import type { AddOptions } from "./verbs.ts";

/** The text format that Prometheus reads. */
export const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

const changeFailures: readonly ErrorCode[] = ["config_origin", "store_full", "store_failed", "draining", "node_busy"];
const moduleFailures: readonly ErrorCode[] = [
  "bad_json",
  "bad_prefix",
  "reserved_prefix",
  "bad_policy",
  "body_too_large",
  "module_too_large",
  "bad_module",
  "unknown_import",
  "missing_entry",
  "module_limits",
  "compile_timeout",
  "first_start_failed",
  "supervisor_down",
  "digest_mismatch",
  "unsupported_media_type",
  ...changeFailures,
];

export const routes: readonly Route[] = [
  route({
    method: "GET",
    path: "/services/-/healthz",
    rootPath: "/healthz",
    id: "live",
    summary: "The node's process answers.",
    auth: "none",
    body: "none",
    answers: { 200: schemas.health },
    failures: [],
    handle: () => ({ status: 200, body: { status: "live" } }),
  }),
  route({
    method: "GET",
    path: "/services/-/readyz",
    rootPath: "/readyz",
    id: "ready",
    summary: "The node takes requests: it is not draining, and a carrier is warm or can be made.",
    auth: "none",
    body: "none",
    answers: { 200: schemas.health, 503: schemas.health },
    failures: [],
    handle: ({ verbs }) =>
      verbs.isReady() ? { status: 200, body: { status: "ready" } } : { status: 503, body: { status: "not ready" } },
  }),
  route({
    method: "GET",
    path: "/services/-/metrics",
    rootPath: "/metrics",
    id: "metrics",
    summary: "Metrics in Prometheus' text format.",
    auth: "admin",
    body: "none",
    answers: { 200: METRICS_TYPE },
    failures: [],
    handle: async ({ verbs }) => ({ status: 200, body: await verbs.metrics(), contentType: METRICS_TYPE }),
  }),
  route({
    method: "GET",
    path: "/services/-/openapi.json",
    rootPath: "/openapi.json",
    id: "openapi",
    summary: "This document.",
    auth: "admin",
    body: "none",
    answers: { 200: schemas.openApiDocument },
    failures: [],
    handle: ({ listener }) => ({ status: 200, body: openApi(routes, listener) }),
  }),
  route({
    method: "GET",
    path: "/services/-/tree",
    id: "tree",
    summary: "The supervision tree: supervisors and actors with state, restarts and last exit.",
    auth: "admin",
    body: "none",
    answers: { 200: schemas.treeView },
    failures: [],
    handle: ({ verbs }) => ({ status: 200, body: verbs.tree() }),
  }),
  route({
    method: "POST",
    path: "/services/-/reload",
    id: "reload",
    summary: "Reads the config file again and applies what changed; an invalid file changes nothing.",
    auth: "admin",
    body: "none",
    answers: { 200: schemas.reloadResult },
    failures: ["bad_config", "nothing_to_reload", "draining"],
    handle: async ({ verbs }) => {
      const result = await verbs.reload();
      return { status: 200, body: result, audit: { verb: "reload", ...result } };
    },
  }),
  route({
    method: "GET",
    path: "/services",
    id: "listServices",
    summary: "All services, or a page of them, with state and counts.",
    auth: "admin",
    body: "none",
    query: schemas.listQuery,
    answers: { 200: schemas.serviceList },
    failures: ["bad_json"],
    handle: ({ verbs }, _json, { limit, cursor }) => ({
      status: 200,
      body: verbs.list({ limit: limit === undefined ? undefined : Number(limit), cursor }),
    }),
  }),
  route({
    method: "POST",
    path: "/services/add",
    id: "addService",
    summary: "Adds or replaces a service with a module from a URL. Answers when its first instance has run.",
    auth: "admin",
    body: "json",
    json: schemas.addRequest,
    answers: { 200: schemas.addResult },
    failures: [...moduleFailures, "source_refused", "source_failed"],
    handle: (call, { source, ...rest }) => {
      assertPrefix(rest.prefix);
      call.prefix = rest.prefix;
      return add(call, { kind: "url", url: source }, rest);
    },
  }),
  route({
    method: "GET",
    path: "/services/{prefix}",
    id: "describeService",
    summary: "One service: versions, policy, actors, counts.",
    auth: "admin",
    body: "none",
    answers: { 200: schemas.serviceDetail },
    failures: ["unknown_service", "bad_prefix", "reserved_prefix"],
    handle: ({ verbs, prefix }) => ({ status: 200, body: verbs.describe(prefix) }),
  }),
  route({
    method: "PUT",
    path: "/services/{prefix}",
    id: "putService",
    summary: "Adds or replaces a service; the body is the module. Answers when its first instance has run.",
    auth: "admin",
    body: "wasm",
    query: schemas.putQuery,
    queryJson: ["policy", "env"],
    answers: { 200: schemas.addResult },
    failures: moduleFailures,
    handle: (call, _json, query) => add(call, { kind: "bytes", bytes: call.body }, query),
  }),
  route({
    method: "DELETE",
    path: "/services/{prefix}",
    id: "removeService",
    summary: "Removes a service with all its versions.",
    auth: "admin",
    body: "none",
    answers: { 204: null },
    failures: ["unknown_service", "bad_prefix", "reserved_prefix", ...changeFailures],
    handle: async ({ verbs, prefix }) => {
      await verbs.remove(prefix);
      return { status: 204, audit: { verb: "remove", prefix } };
    },
  }),
  route({
    method: "POST",
    path: "/services/{prefix}/rollback",
    id: "rollbackService",
    summary: "Serves an earlier version of a service again.",
    auth: "admin",
    body: "json",
    json: schemas.rollbackRequest,
    answers: { 200: schemas.addResult },
    failures: [
      "unknown_service",
      "unknown_version",
      "bad_prefix",
      "reserved_prefix",
      "bad_json",
      "body_too_large",
      "unsupported_media_type",
      "first_start_failed",
      "supervisor_down",
      ...changeFailures,
    ],
    handle: async ({ verbs, prefix }, { version }) => {
      const result = await verbs.rollback(prefix, version);
      return { status: 200, body: result, audit: { verb: "rollback", ...result } };
    },
  }),
];

interface AddInput {
  readonly sha256?: string | undefined;
  readonly policy?: Record<string, unknown> | undefined;
  readonly env?: Record<string, string> | undefined;
}

async function add(call: Call, source: AddOptions["source"], { sha256, policy, env }: AddInput): Promise<Outcome> {
  const result = await call.verbs.add({
    prefix: call.prefix,
    source,
    ...(sha256 !== undefined && { sha256 }),
    ...(policy !== undefined && { policy }),
    ...(env !== undefined && { env }),
  });
  const audit: Audit = {
    verb: "add",
    ...result,
    ...(policy !== undefined && { policySha256: createHash("sha256").update(JSON.stringify(policy)).digest("hex") }),
    ...(env !== undefined && { envNames: Object.keys(env) }),
  };
  return { status: 200, body: result, audit };
}

/** What a method and path lead to. `allowed` are the methods of the path that was found, for a 405. */
export type Match =
  | { readonly kind: "route"; readonly route: Route; readonly prefix: string }
  | { readonly kind: "method"; readonly auth: Route["auth"]; readonly allowed: readonly string[] }
  | { readonly kind: "none" };

/** Finds the route of a raw path; a path spelled out in the table goes before one with a {prefix}. */
export function match(listener: Listener, method: string, path: string): Match {
  const spelledOut = routes.filter((each) => each.path === path || (listener === "admin" && each.rootPath === path));
  const segments = path.split("/");
  const found = spelledOut.length > 0 ? spelledOut : routes.filter((each) => hasShape(each.path.split("/"), segments));
  const [first] = found;
  if (first === undefined) return { kind: "none" };
  const wanted = method === "HEAD" ? "GET" : method;
  const hit = found.find((each) => each.method === wanted);
  if (hit !== undefined)
    return { kind: "route", route: hit, prefix: hit.path.includes("{") ? (segments[2] ?? "") : "" };
  const allowed = found.flatMap((each) => (each.method === "GET" ? ["GET", "HEAD"] : [each.method]));
  return { kind: "method", auth: first.auth, allowed };
}

function hasShape(pattern: readonly string[], segments: readonly string[]): boolean {
  return (
    pattern.length === segments.length &&
    pattern.every(
      (each, i) => each === segments[i] || (each === "{prefix}" && segments[i] !== "-" && segments[i] !== ""),
    )
  );
}
