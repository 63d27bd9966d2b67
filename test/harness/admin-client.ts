// Speaks to the admin routes of a node under test.

import type { AddResult, ServiceDetail, ServiceView } from "../../src/admin/verbs.ts";
import type { ErrorCode } from "../../src/errors.ts";

/** The body of every failure. */
export interface ErrorBody {
  readonly code: ErrorCode;
  readonly message: string;
  readonly service: string | null;
  readonly requestId: string;
}

/** What an admin route answers, whichever it is. */
export type AdminBody = Partial<AddResult> &
  Partial<ServiceDetail> & { readonly services?: readonly ServiceView[]; readonly error?: ErrorBody };

export interface AdminAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** Empty where the answer has no JSON. */
  readonly body: AdminBody;
}

/** What goes with a module, in the query or beside the source. */
export interface With {
  readonly policy?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly sha256?: string;
}

export class AdminClient {
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;

  /** @param url "http://127.0.0.1:PORT" */
  constructor(url: string, token?: string) {
    this.#url = url;
    this.#headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  }

  async ask(method: string, path: string, body?: Uint8Array | object): Promise<AdminAnswer> {
    const isModule = body instanceof Uint8Array;
    const response = await fetch(this.#url + path, {
      method,
      headers: {
        ...this.#headers,
        ...(body === undefined ? {} : { "content-type": isModule ? "application/wasm" : "application/json" }),
      },
      ...(body === undefined ? {} : { body: isModule ? Buffer.from(body) : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get("content-type") === "application/json";
    return { status: response.status, headers: response.headers, body: isJson ? (JSON.parse(text) as AdminBody) : {} };
  }

  /** The module itself is the body. */
  put(prefix: string, module: Uint8Array, { policy, env, sha256 }: With = {}): Promise<AdminAnswer> {
    const query = new URLSearchParams({
      ...(policy === undefined ? {} : { policy: JSON.stringify(policy) }),
      ...(env === undefined ? {} : { env: JSON.stringify(env) }),
      ...(sha256 === undefined ? {} : { sha256 }),
    });
    return this.ask("PUT", `/services/${prefix}${query.size === 0 ? "" : `?${query}`}`, module);
  }

  /** The node reads the module from a URL, as the Rust frenezulo did. */
  add(prefix: string, source: string, more: With = {}): Promise<AdminAnswer> {
    return this.ask("POST", "/services/add", { prefix, source, ...more });
  }

  rollback(prefix: string, version: number): Promise<AdminAnswer> {
    return this.ask("POST", `/services/${prefix}/rollback`, { version });
  }

  remove(prefix: string): Promise<AdminAnswer> {
    return this.ask("DELETE", `/services/${prefix}`);
  }

  /** @throws if there is no such service */
  async describe(prefix: string): Promise<ServiceDetail> {
    const { status, body } = await this.ask("GET", `/services/${prefix}`);
    if (status !== 200) throw new Error(`GET /services/${prefix} answered ${status}: ${body.error?.message}`);
    return body as ServiceDetail;
  }

  async list(): Promise<readonly ServiceView[]> {
    return (await this.ask("GET", "/services")).body.services ?? [];
  }
}
