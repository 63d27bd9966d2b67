// One row of the table of admin routes, and how its schemas are tied to its handler.
import type * as z from "zod";
import type { ErrorCode } from "../errors.ts";
import type { Listener } from "./contract.ts";
import { parseJsonBody, parseQuery } from "./parse.ts";
import type { Verbs } from "./verbs.ts";

/** What a handler is given besides its checked input. */
export interface Call {
  readonly verbs: Verbs;
  readonly listener: Listener;
  /** The path's {prefix}, checked; "" where the path has none. A handler that learns it from the body sets it. */
  prefix: string;
  readonly query: string;
  readonly body: Uint8Array;
}

/** A line for the audit log; holds digests and names, never values that may be secret. */
export type Audit = Readonly<Record<string, string | number | boolean | readonly string[]>> & { readonly verb: string };

export interface Outcome {
  readonly status: number;
  /** JSON value (lazy-json.ts), or text or its bytes as they are where `contentType` is set. */
  readonly body?: unknown;
  readonly contentType?: string;
  readonly audit?: Audit;
}

export type BodyKind = "none" | "json" | "wasm";

export interface Route {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** A segment `{prefix}` stands for a service's prefix. GET takes HEAD, too. */
  readonly path: string;
  /** Where the admin listener serves it, too. */
  readonly rootPath?: string;
  readonly id: string;
  readonly summary: string;
  /** none: health, for everyone on every listener. admin: what DECISIONS 7.1 lets in. */
  readonly auth: "none" | "admin";
  readonly body: BodyKind;
  readonly json?: z.ZodType;
  readonly query?: z.ZodObject;
  /** Query fields that hold JSON. */
  readonly queryJson?: readonly string[];
  /** Status → what comes with it: a schema, a content type that is not JSON, or nothing. */
  readonly answers: Readonly<Record<number, z.ZodType | string | null>>;
  /** Failures of its own, besides those of every admin route. */
  readonly failures: readonly ErrorCode[];
  readonly run: (call: Call) => Outcome | Promise<Outcome>;
}

interface Definition<J, Q> extends Omit<Route, "run" | "json" | "query"> {
  readonly json?: z.ZodType<J>;
  readonly query?: z.ZodObject & z.ZodType<Q>;
  readonly handle: (call: Call, json: J, query: Q) => Outcome | Promise<Outcome>;
}

/** Ties a route's schemas to its handler's types: what is documented is what is checked. */
export function route<J = undefined, Q = undefined>({ handle, ...rest }: Definition<J, Q>): Route {
  const { json, query, queryJson = [] } = rest;
  return {
    ...rest,
    run: (call) =>
      handle(
        call,
        json === undefined ? (undefined as J) : parseJsonBody(json, call.body),
        query === undefined ? (undefined as Q) : parseQuery(query, queryJson, call.query),
      ),
  };
}
