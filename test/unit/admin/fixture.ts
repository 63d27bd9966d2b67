// What the tests of src/admin/ share: a small node in memory, and requests to it.
import { createHash } from "node:crypto";
import { Admin } from "../../../src/admin/admin.ts";
import type { AuthOptions } from "../../../src/admin/auth.ts";
import type { AdminLog, AdminRequest, AdminResponse } from "../../../src/admin/contract.ts";
import type { Route } from "../../../src/admin/route.ts";
import type {
  AddOptions,
  AddResult,
  PageOptions,
  ReloadResult,
  ServiceDetail,
  ServicePage,
  ServiceView,
  TreeView,
  Verbs,
} from "../../../src/admin/verbs.ts";
import type { Policy } from "../../../src/config/config.ts";
import { FrenezuloError } from "../../../src/errors.ts";

export const TOKEN = "correct-horse-battery-staple-0123456789";
export const MODULE_BYTES_MAX = 4_096;

const policy: Policy = {
  state: "fresh",
  supervisor: "default",
  restart: "permanent",
  shutdown: 5_000,
  max_restarts: 5,
  max_seconds: 30,
  backoff: { min: 100, max: 1_000, factor: 2, jitter: 0.1 },
  count_traps: false,
  snapshot_entropy: false,
  dirs: [],
  retry: "never",
  limits: {
    memory: 1,
    table: 1,
    deadline: 1,
    start_deadline: 1,
    queue_timeout: 1,
    body_in: 1,
    body_out: 1,
    concurrency: 1,
    queue: 1,
    output_request: 1,
    output_second: 1,
    output_request_lines: 1,
    output_second_lines: 1,
  },
  scale: { min: 0, max: 1, idle_timeout: Number.POSITIVE_INFINITY, window: 1000, pressure: { depth: 1, wait: 1 } },
  placement: "auto",
  significant: false,
  light: "auto",
  processes: {
    max: 100,
    memory: 1 << 20,
    mailbox: 100,
    mailbox_bytes: 1 << 20,
    send_timeout: 5_000,
    compile: false,
  },
  breaker: { failures: 10, ratio: 0.5, window: 1 },
  env: {},
  network: { connect: [], listen: [], sockets: 1, handshakes: 1 },
};

/** Services kept in a Map; knows no wasm. Its one service is "hello", in two versions. */
export class MemoryNode implements Verbs {
  readonly versions = new Map<string, string[]>([["hello", ["1".repeat(64), "2".repeat(64)]]]);
  readonly added: AddOptions[] = [];
  ready = true;
  /** Thrown by the next verb. */
  failure: unknown;

  async add(options: AddOptions): Promise<AddResult> {
    this.#fail();
    this.added.push(options);
    const bytes = options.source.kind === "bytes" ? options.source.bytes : Buffer.from(options.source.url);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    const versions = this.versions.get(options.prefix) ?? [];
    const changed = versions.at(-1) !== sha256;
    if (changed) versions.push(sha256);
    this.versions.set(options.prefix, versions);
    return { prefix: options.prefix, version: versions.length, sha256, changed };
  }

  async remove(prefix: string): Promise<void> {
    this.#fail();
    this.describe(prefix);
    this.versions.delete(prefix);
  }

  async rollback(prefix: string, version: number): Promise<AddResult> {
    this.#fail();
    const sha256 = this.describe(prefix).versions[version - 1]?.sha256;
    if (sha256 === undefined) throw new FrenezuloError("unknown_version", { service: prefix, version });
    return { prefix, version, sha256, changed: true };
  }

  /** Its cursors are numbers. */
  list({ limit, cursor }: PageOptions): ServicePage {
    this.#fail();
    const prefixes = [...this.versions.keys()];
    const from = Number(cursor ?? 0);
    const to = limit === undefined ? prefixes.length : from + limit;
    const services = prefixes.slice(from, to).map((prefix): ServiceView => {
      const { versions: _versions, policy: _policy, ...view } = this.describe(prefix);
      return view;
    });
    const next = to < prefixes.length ? String(to) : null;
    return { services: new Set(services), ...(limit !== undefined && { next }) };
  }

  describe(prefix: string): ServiceDetail {
    this.#fail();
    const versions = this.versions.get(prefix);
    if (versions === undefined) throw new FrenezuloError("unknown_service", { service: prefix });
    return {
      prefix,
      origin: "api",
      version: versions.length,
      sha256: versions.at(-1) ?? "",
      status: "warm",
      inFlight: 0,
      queued: 0,
      actors: [{ pid: 1, version: versions.length, carrier: 0, state: "idle", requests: 3 }],
      counts: { requests: 3, failures: 0, restarts: 0 },
      versions: versions.map((sha256, i) => ({
        version: i + 1,
        sha256,
        bytes: 8,
        addedAt: "2024-05-01T10:00:00.000Z",
        current: i === versions.length - 1,
      })),
      policy,
    };
  }

  isReady(): boolean {
    return this.ready;
  }

  tree(): TreeView {
    this.#fail();
    const actor = { pid: 1, carrier: 1, depth: 0 };
    const child = { type: "worker", restart: "permanent", state: "running", restarts: 0, last_exit: null } as const;
    return {
      id: "node",
      strategy: "one_for_one",
      phase: "running",
      service: null,
      recent_restarts: 0,
      max_restarts: null,
      max_seconds: 5,
      children: [{ ...child, id: "hello#1.1/1", actor, supervisor: null }],
    };
  }

  async reload(): Promise<ReloadResult> {
    this.#fail();
    return { added: [], changed: ["hello"], removed: [], supervisors: [], restart_needed: [] };
  }

  async metrics(): Promise<string> {
    this.#fail();
    return "# TYPE frenezulo_services gauge\nfrenezulo_services 1\n";
  }

  #fail(): void {
    const { failure } = this;
    this.failure = undefined;
    if (failure !== undefined) throw failure;
  }
}

export interface Line {
  readonly level: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly text: string;
}

/** A log that keeps its lines. */
export function keepingLog(): { log: AdminLog; lines: Line[] } {
  const lines: Line[] = [];
  const at = (level: string) => (fields: Readonly<Record<string, unknown>>, text: string) =>
    void lines.push({ level, fields, text });
  return { log: { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") }, lines };
}

export const LOOPBACK = { address: "127.0.0.1:3000" };
export const EVERYWHERE = { address: "0.0.0.0:3000" };
export const local: AuthOptions = { token: undefined, listen: LOOPBACK, isPublic: false };

export function makeAdmin(auth: AuthOptions = local, now: () => number = () => 0) {
  const node = new MemoryNode();
  const { log, lines } = keepingLog();
  const admin = new Admin({ verbs: node, auth, log, moduleBytesMax: MODULE_BYTES_MAX, now });
  return { admin, node, lines };
}

/** Name and value of headers, repeated names allowed. */
export type HeaderList = readonly (readonly [name: string, value: string])[];

export function request(
  parts: Partial<Omit<AdminRequest, "headers" | "body">> & { headers?: HeaderList; body?: string | Uint8Array },
): AdminRequest {
  const headers = new Map<string, string[]>();
  for (const [name, value] of parts.headers ?? [["host", "127.0.0.1:3000"]]) {
    headers.set(name, [...(headers.get(name) ?? []), value]);
  }
  return {
    method: "GET",
    path: "/services",
    query: "",
    remoteAddress: "127.0.0.1",
    listener: "public",
    requestId: "r-1",
    ...parts,
    headers,
    body: Buffer.from(parts.body ?? ""),
  };
}

export const bearer = (token: string): HeaderList => [
  ["host", "127.0.0.1:3000"],
  ["authorization", `Bearer ${token}`],
];

const CONTENT_TYPES = {
  none: [],
  json: [["content-type", "application/json"]],
  wasm: [["content-type", "application/wasm"]],
} as const;

/** A body that each route with a body accepts. A new route without one here fails the tests made of the table. */
const bodies: Readonly<Record<string, string>> = {
  addService: JSON.stringify({ prefix: "hello", source: "https://example.org/hello.wasm" }),
  putService: "\0asm",
  rollbackService: JSON.stringify({ version: 1 }),
};

/** A request that the route accepts, but for what `headers` say. */
export function requestFor(
  route: Route,
  parts: { path?: string; listener?: "public" | "admin"; headers?: HeaderList } = {},
): AdminRequest {
  const body = route.body === "none" ? "" : bodies[route.id];
  if (body === undefined) throw new Error(`the tests have no body for route ${route.id}`);
  return request({
    method: route.method,
    path: (parts.path ?? route.path).replace("{prefix}", "hello"),
    listener: parts.listener ?? "public",
    headers: [...(parts.headers ?? [["host", "127.0.0.1:3000"]]), ...CONTENT_TYPES[route.body]],
    body,
  });
}

/** As the front does: asks on the head, and only if that is let in hands over the body. */
export async function send(admin: Admin, sent: AdminRequest): Promise<AdminResponse> {
  const decision = admin.route(sent);
  return decision.refused ? decision.response : admin.handle(sent);
}

export function errorOf(response: AdminResponse): {
  code: string;
  message: string;
  service: string | null;
  requestId: string;
} {
  return (
    JSON.parse(String(response.body)) as { error: { code: string; message: string; service: null; requestId: string } }
  ).error;
}

export function header(response: AdminResponse, name: string): string | undefined {
  return response.headers.find(([each]) => each === name)?.[1];
}
