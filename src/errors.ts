// THE table of failures: code, HTTP status, log level, sentence. Every failure a user can see is a row here.

export type LogLevel = "debug" | "info" | "warn" | "error";

interface Row {
  /** HTTP status of the answer; null for a failure that no request can see (start-up, command line). */
  readonly status: number | null;
  readonly level: LogLevel;
  /** What went wrong and what would be right; `{name}` places are filled from the error's details. */
  readonly sentence: string;
}

const row = (status: number | null, level: LogLevel, sentence: string): Row => ({ status, level, sentence });

export const errorTable = {
  // The request's head and body (gate, acceptor)
  bad_request_line: row(400, "debug", "The request line is malformed: {why}."),
  bad_path: row(400, "debug", "The path is not acceptable: {why}."),
  bad_header: row(400, "debug", "A header is malformed: {why}."),
  bad_host: row(400, "debug", "Exactly one well-formed Host header is needed: {why}."),
  bad_framing: row(400, "debug", "The message framing is not acceptable: {why}."),
  request_timeout: row(408, "debug", "The request did not arrive in time."),
  body_too_large: row(413, "debug", "The body is larger than the {limit} bytes that {service} accepts."),
  headers_too_large: row(431, "debug", "The request head is too large: {why}."),
  method_not_implemented: row(
    501,
    "debug",
    "Method {method} is not implemented; services take OPTIONS, GET, POST, PUT, DELETE, HEAD and PATCH.",
  ),
  version_not_supported: row(505, "debug", "Only HTTP/1.1 is served here."),
  // Routing and admission
  unknown_service: row(404, "debug", "No service has the prefix {service}; GET /services lists those there are."),
  service_busy: row(
    429,
    "debug",
    "Service {service} is at its limit of {limit} requests at once and its queue is full.",
  ),
  node_busy: row(503, "warn", "The node is at its limit: {why}."),
  draining: row(503, "debug", "The node is shutting down and takes no new requests."),
  breaker_open: row(503, "debug", "Service {service} is failing and takes no requests until its next trial."),
  supervisor_down: row(
    503,
    "info",
    "Supervisor {supervisor} gave up and is tried again in a while; until then it takes no new service.",
  ),
  cannot_start: row(503, "warn", "Service {service} could not be started: {why}."),
  queue_timeout: row(
    503,
    "debug",
    "The request waited {ms} ms for an actor of service {service} and none became free.",
  ),
  // What a guest did with the request
  trap: row(502, "warn", "Service {service} trapped: {why}."),
  memory_limit: row(502, "warn", "Service {service} ran out of its memory limit of {limit} bytes: {why}."),
  exited: row(502, "warn", "Service {service} called proc_exit({why}) before it replied."),
  no_reply: row(502, "warn", "Service {service} returned without a reply."),
  invalid_reply: row(502, "warn", "Service {service} sent a reply that is not acceptable: {why}."),
  reply_too_large: row(502, "warn", "Service {service} sent a reply body above its limit of {limit} bytes."),
  hogged: row(
    503,
    "warn",
    "Service {service} kept others waiting in the thread that it shared ({why}): it gets its own, so try again.",
  ),
  displaced: row(
    503,
    "warn",
    "The thread that the request of service {service} shared had to end ({why}), which is no fault of it: try again.",
  ),
  carrier_lost: row(502, "error", "The thread that ran the request of service {service} ended: {why}."),
  deadline: row(504, "warn", "Service {service} did not answer within its deadline of {ms} ms."),
  // Modules and their sources
  module_too_large: row(413, "info", "The module has more than the {limit} bytes that are allowed."),
  bad_module: row(422, "info", "This is not a module that can be served: {why}."),
  unknown_import: row(422, "info", "The module imports {name}, which this host does not have: {why}."),
  missing_entry: row(
    422,
    "info",
    "The module exports no entry: frenezulo_main, _start or main must be a function of type () -> (); {why}.",
  ),
  module_limits: row(422, "info", "The module asks for more than its policy allows: {why}."),
  not_light: row(422, "info", "The module's processes cannot be light, each takes a thread of its own: {why}."),
  compile_timeout: row(422, "info", "The module did not compile within {ms} ms."),
  first_start_failed: row(422, "info", "The module compiled but its first instance did not start: {why}."),
  digest_mismatch: row(422, "info", "The module's sha256 is {actual}, not the {expected} that was asked for."),
  source_refused: row(403, "info", "The source is not allowed: {why}."),
  source_failed: row(502, "info", "The source could not be read: {why}."),
  // Administration
  unauthorized: row(401, "info", "This route needs the header Authorization: Bearer TOKEN."),
  too_many_attempts: row(
    429,
    "warn",
    "Too many wrong tokens came from this address; the right one is taken at any time.",
  ),
  forbidden_origin: row(
    403,
    "warn",
    "Without a token the admin routes take only requests to a loopback Host and without an Origin: {why}.",
  ),
  not_found: row(404, "debug", "There is no such route: {why}."),
  method_not_allowed: row(405, "debug", "This route does not take {method}; it takes {allowed}."),
  unsupported_media_type: row(415, "debug", "This route takes {expected}, not {actual}."),
  bad_json: row(400, "debug", "The body is not the JSON that is expected: {why}."),
  bad_prefix: row(
    400,
    "debug",
    "A prefix is 1 to 64 of a-z 0-9 . _ - and begins with a letter or digit, not {prefix}.",
  ),
  reserved_prefix: row(400, "debug", "The prefix {prefix} is reserved."),
  bad_policy: row(400, "debug", "The policy is not acceptable: {why}."),
  config_origin: row(409, "info", "Service {service} is declared in {where}; change it there."),
  unknown_version: row(
    404,
    "debug",
    "Service {service} has no version {version}; GET /services/{service} lists those there are.",
  ),
  store_full: row(507, "error", "The store is full: {why}. Nothing was changed."),
  store_failed: row(500, "error", "The store failed: {why}. Nothing was changed."),
  internal: row(500, "error", "Something went wrong inside the node; the log has it under this request id."),
  // Start-up and command line
  bad_config: row(422, "error", "{where}: {why}"),
  nothing_to_reload: row(409, "info", "The node was started without a config file."),
  data_locked: row(
    null,
    "error",
    "The data folder {folder} is in use by the node with pid {pid}; stop it or give another --data.",
  ),
  cannot_listen: row(null, "error", "Cannot listen on {address}: {why}."),
  token_needed: row(null, "error", "{why}"),
  bad_platform: row(null, "error", "This platform is not supported: {why}."),
  bad_flags: row(null, "error", "{why}"),
  bad_usage: row(null, "error", "{why}"),
  node_unreachable: row(null, "error", "No node answers at {address}: {why}. Is frenezulo up?"),
} as const satisfies Record<string, Row>;

export type ErrorCode = keyof typeof errorTable;

/** Values for the `{places}` of a row's sentence. */
export type ErrorDetails = Readonly<Record<string, string | number>>;

/** The one error class. Its code says everything; codes cross threads and sockets, stacks do not. */
export class FrenezuloError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;
  /** Seconds for a Retry-After header, where trying again makes sense. */
  readonly retryAfterSeconds: number | undefined;

  constructor(
    code: ErrorCode,
    details: ErrorDetails = {},
    options: { retryAfterSeconds?: number; cause?: unknown } = {},
  ) {
    super(sentence(code, details), { cause: options.cause });
    this.name = "FrenezuloError";
    this.code = code;
    this.details = details;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }

  /** HTTP status; 500 for a row that no request should see. */
  get status(): number {
    return errorTable[this.code].status ?? 500;
  }
}

/**
 * The row's sentence with its places filled. A place without a value stays visible, so that a test can find it. A
 * value that ends a sentence itself takes no second full stop.
 */
export function sentence(code: ErrorCode, details: ErrorDetails): string {
  return errorTable[code].sentence.replace(/\{(\w+)\}(\.?)/g, (place, name: string, stop: string) => {
    const value = details[name];
    if (value === undefined) return place;
    return /[.?!]$/.test(String(value)) ? String(value) : `${value}${stop}`;
  });
}

/** Any thrown value as a FrenezuloError: itself, or `internal` with the original as its cause. */
export function asFrenezuloError(thrown: unknown): FrenezuloError {
  return thrown instanceof FrenezuloError ? thrown : new FrenezuloError("internal", {}, { cause: thrown });
}

/** Text of any thrown value, one line, for a `{why}`. */
export function reasonOf(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return text.replace(/[\s\p{Cc}]+/gu, " ").trim();
}
