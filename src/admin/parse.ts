// Bodies and queries of admin requests: bytes and text to checked values, with errors that say what was expected.
import type * as z from "zod";
import { nearest } from "../config/nearest.ts";
import { FrenezuloError } from "../errors.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** @throws bad_json; the text never repeats a value of the body, which may be a secret */
export function parseJsonBody<T>(schema: z.ZodType<T>, body: Uint8Array): T {
  let text: string;
  try {
    text = utf8.decode(body);
  } catch {
    throw badJson("it is not UTF-8");
  }
  return check(schema, parseJson(text, "it"));
}

/**
 * A query against an object schema; fields named in `jsonFields` hold JSON, the others text.
 * @throws bad_json
 */
export function parseQuery<T>(schema: z.ZodType<T>, jsonFields: readonly string[], query: string): T {
  const fields = new Map<string, unknown>();
  for (const [name, text] of new URLSearchParams(query)) {
    if (fields.has(name)) throw badJson(`the query has ${quote(name)} twice`);
    fields.set(name, jsonFields.includes(name) ? parseJson(text, `the query's ${name}`) : text);
  }
  return check(schema, Object.fromEntries(fields));
}

function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text, (key, value: unknown) => {
      // Such a key would set the prototype of whatever object it is copied to.
      if (key === "__proto__") throw badJson(`${what} has a key __proto__`);
      return value;
    });
  } catch (thrown) {
    if (thrown instanceof FrenezuloError) throw thrown;
    // V8's own message may quote the text.
    const position = thrown instanceof Error ? / at position \d+/.exec(thrown.message)?.[0] : undefined;
    throw badJson(`${what} is not valid JSON${position ?? ""}`);
  }
}

function check<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const told = result.error.issues.slice(0, 3).map((issue) => {
    const where = issue.path.length === 0 ? "it" : quote(issue.path.join("."));
    if (issue.code !== "unrecognized_keys") return `${where}: ${issue.message}`;
    const known = Object.keys((schema as { readonly shape?: Readonly<Record<string, unknown>> }).shape ?? {});
    return issue.keys.map((key) => `${quote(key)} is not known; the nearest is ${nearest(key, known)}`).join(", ");
  });
  throw badJson(told.join("; "));
}

function badJson(why: string): FrenezuloError {
  return new FrenezuloError("bad_json", { why });
}

/** A name that a client chose, short and on one line. */
function quote(name: string): string {
  return JSON.stringify(name.slice(0, 64));
}
