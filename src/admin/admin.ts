// The admin routes behind /services: decides on the head alone, then runs the route. Never throws.
import { asFrenezuloError, errorTable, FrenezuloError } from "../errors.ts";
import { assertPrefix } from "../services/router.ts";
import { renderInSlices } from "../slices.ts";
import { type AuthOptions, Door, TooManyAttempts } from "./auth.ts";
import type { AdminDecision, AdminHead, AdminLog, AdminRequest, AdminResponse } from "./contract.ts";
import { isLazy, jsonText, jsonTexts } from "./lazy-json.ts";
import type { BodyKind, Outcome, Route } from "./route.ts";
import { match } from "./routes.ts";
import type { Verbs } from "./verbs.ts";

/** Body limit of the routes that take JSON: a policy and an environment, not a module. */
export const JSON_BODY_BYTES_MAX = 256 * 1024;

export interface AdminOptions {
  readonly verbs: Verbs;
  readonly auth: AuthOptions;
  readonly log: AdminLog;
  /** Body limit of PUT /services/{prefix}. */
  readonly moduleBytesMax: number;
  /** Milliseconds of a monotonic clock. */
  readonly now?: () => number;
}

export class Admin {
  readonly #verbs: Verbs;
  readonly #log: AdminLog;
  readonly #door: Door;
  readonly #bodyBytesMax: Readonly<Record<BodyKind, number>>;

  /** @throws token_needed (see assertAdminAddress) */
  constructor({ verbs, auth, log, moduleBytesMax, now = () => performance.now() }: AdminOptions) {
    this.#verbs = verbs;
    this.#log = log;
    this.#door = new Door(auth, log, now);
    this.#bodyBytesMax = { none: 0, json: JSON_BODY_BYTES_MAX, wasm: moduleBytesMax };
  }

  /**
   * Decides before any of the body is read: reachability, authentication, path, method, prefix, content type. A limit
   * of 0 means that the route takes no body; a request that has one is answered with 413.
   */
  route(head: AdminHead): AdminDecision {
    try {
      const { route } = this.#decide(head);
      return { refused: false, bodyBytesMax: this.#bodyBytesMax[route.body] };
    } catch (thrown) {
      const response = this.#failure(thrown, head, "");
      const closes = thrown instanceof TooManyAttempts;
      return { refused: true, response, delayMs: closes ? thrown.delayMs : 0, closes };
    }
  }

  /** Runs the route. It decides on the head again, so that nothing depends on `route` having been asked. */
  async handle(request: AdminRequest): Promise<AdminResponse> {
    let prefix = "";
    try {
      const { route, prefix: inPath } = this.#decide(request);
      prefix = inPath;
      const limit = this.#bodyBytesMax[route.body];
      if (request.body.length > limit) {
        throw new FrenezuloError("body_too_large", { limit, service: "this route" });
      }
      const call = { verbs: this.#verbs, listener: request.listener, prefix, query: request.query, body: request.body };
      try {
        const outcome = await route.run(call);
        if (outcome.audit !== undefined) {
          const { remoteAddress, listener, requestId } = request;
          this.#log.info({ ...outcome.audit, remoteAddress, listener, requestId }, `admin: ${outcome.audit.verb}`);
        }
        return response(isLazy(outcome.body) ? await rendered(outcome) : outcome);
      } finally {
        prefix = call.prefix;
      }
    } catch (thrown) {
      return this.#failure(thrown, request, prefix);
    }
  }

  /** @throws the refusal */
  #decide(head: AdminHead): { route: Route; prefix: string } {
    const found = match(head.listener, head.method, head.path);
    const auth = found.kind === "route" ? found.route.auth : found.kind === "method" ? found.auth : "admin";
    if (auth === "admin") {
      if (!this.#door.isOpenOn(head.listener)) throw new FrenezuloError("not_found", { why: "nothing is served here" });
      this.#door.admit(head);
    }
    if (found.kind === "none") throw new FrenezuloError("not_found", { why: "see /services/-/openapi.json" });
    if (found.kind === "method") {
      const allowed = found.allowed.join(", ");
      throw new FrenezuloError("method_not_allowed", { method: head.method.slice(0, 32), allowed });
    }
    if (found.route.path.includes("{prefix}")) assertPrefix(found.prefix);
    assertContentType(found.route.body, head.headers.get("content-type") ?? []);
    return found;
  }

  #failure(thrown: unknown, head: AdminHead, prefix: string): AdminResponse {
    const error = asFrenezuloError(thrown);
    const { code, message } = error;
    const service = prefix === "" ? null : prefix;
    // The door has logged those that it wants logged, at most 10 a second for each source.
    if (code !== "unauthorized" && code !== "too_many_attempts") {
      const { requestId, remoteAddress } = head;
      const cause = error.cause === undefined ? {} : { err: error.cause };
      this.#log[errorTable[code].level]({ code, service, requestId, remoteAddress, ...cause }, `admin: ${message}`);
    }
    const headers: [string, string][] = [];
    if (error.status === 401) headers.push(["www-authenticate", 'Bearer realm="frenezulo"']);
    if (code === "method_not_allowed") headers.push(["allow", String(error.details.allowed)]);
    if (error.retryAfterSeconds !== undefined) headers.push(["retry-after", String(error.retryAfterSeconds)]);
    return response({
      status: error.status,
      body: { error: { code, message, service, requestId: head.requestId } },
      headers,
    });
  }
}

/** What may be long is written in slices, from what is there when its turn comes. */
async function rendered(outcome: Outcome): Promise<Outcome> {
  return { ...outcome, body: await renderInSlices(jsonTexts(outcome.body)), contentType: "application/json" };
}

function response({
  status,
  body,
  contentType,
  headers = [],
}: Outcome & Partial<Pick<AdminResponse, "headers">>): AdminResponse {
  const always: [string, string][] = [["cache-control", "no-store"]];
  if (body === undefined) return { status, headers: [...always, ...headers], body: "" };
  const text = contentType === undefined ? jsonText(body) : body instanceof Uint8Array ? body : String(body);
  return { status, headers: [["content-type", contentType ?? "application/json"], ...always, ...headers], body: text };
}

const MEDIA_TYPES: Readonly<Record<BodyKind, { readonly expected: string; readonly pattern: RegExp } | null>> = {
  none: null,
  json: { expected: "application/json", pattern: /^application\/(?:[\w.+-]+\+)?json$/i },
  wasm: { expected: "application/wasm", pattern: /^application\/wasm$/i },
};

/** Parameters such as charset are of no matter: JSON is UTF-8. @throws unsupported_media_type */
function assertContentType(kind: BodyKind, values: readonly string[]): void {
  const wanted = MEDIA_TYPES[kind];
  if (wanted === null) return;
  const given = (values[0] ?? "").split(";", 1)[0]?.trim() ?? "";
  if (values.length === 1 && wanted.pattern.test(given)) return;
  const actual = values.length > 1 ? "several content types" : given === "" ? "no content type" : given.slice(0, 64);
  throw new FrenezuloError("unsupported_media_type", { expected: wanted.expected, actual });
}
