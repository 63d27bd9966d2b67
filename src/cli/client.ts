// Speaks HTTP to the admin routes of a running node, for the verbs that change or list its services.
import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { name } from "../config/forms.ts";
import { readTokenFile } from "../config/token-file.ts";
import { FrenezuloError, reasonOf } from "../errors.ts";
import { type Option, textOf, type Values } from "./command.ts";

/** The options that every such verb takes. */
export const clientOptions: Readonly<Record<string, Option>> = {
  node: {
    type: "string",
    value: "ADDR",
    doc: "the node: http://127.0.0.1:3000 (default), https://…, unix:/path; or FRENEZULO_NODE",
  },
  "token-file": { type: "string", value: "FILE", doc: "file with the admin token; or FRENEZULO_ADMIN_TOKEN" },
};

const defaultNode = "http://127.0.0.1:3000";
/** Without a byte for this long the node counts as gone: it may download and compile meanwhile. */
const idleMs = 120_000;

/** What the node answered instead of doing what was asked. */
export class Refusal extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export interface Call {
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  /** A module, or a value to send as JSON. */
  readonly body?: Uint8Array | object;
}

/**
 * One request.
 * @returns the answer's JSON, undefined where it has none
 * @throws Refusal with the node's own words; node_unreachable, bad_usage, token_needed
 */
export async function call(values: Values, { method, path, query = {}, body }: Call): Promise<unknown> {
  const address = textOf(values, "node") ?? (process.env.FRENEZULO_NODE || defaultNode);
  const target = targetOf(address);
  const tokenFile = textOf(values, "token-file");
  const token = tokenFile === undefined ? process.env.FRENEZULO_ADMIN_TOKEN : await readTokenFile(tokenFile);
  const fields = Object.entries(query).filter((field): field is [string, string] => field[1] !== undefined);
  const search = fields.length === 0 ? "" : `?${new URLSearchParams(fields)}`;
  const isModule = body instanceof Uint8Array;
  const bytes = isModule || body === undefined ? body : Buffer.from(JSON.stringify(body));
  const headers: Record<string, string | number> = { accept: "application/json" };
  if (token) headers.authorization = `Bearer ${token}`;
  if (bytes !== undefined) {
    headers["content-type"] = isModule ? "application/wasm" : "application/json";
    headers["content-length"] = bytes.length;
  }

  const { status, text } = await new Promise<{ status: number; text: string }>((resolve, reject) => {
    const send = target.protocol === "https:" ? requestHttps : requestHttp;
    const request = send({ ...target, method, path: path + search, headers, timeout: idleMs }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
    });
    request.on("timeout", () => request.destroy(new Error(`no answer within ${idleMs / 1000} s`)));
    // A node that refuses a body early answers and closes: the answer counts, not the broken pipe after it.
    request.on("error", (error) => setImmediate(reject, error));
    request.end(bytes);
  }).catch((error: unknown) => {
    const why = reasonOf(error) || "the connection failed";
    const hint = /certificate/i.test(why) ? " (NODE_EXTRA_CA_CERTS=FILE trusts the certificates in that file)" : "";
    throw new FrenezuloError("node_unreachable", { address, why: why + hint });
  });
  const answer = parseAnswer(text);
  if (status >= 200 && status < 300) return answer;
  const { code, message } = (answer as { error?: { code?: unknown; message?: unknown } } | undefined)?.error ?? {};
  throw typeof code === "string" && typeof message === "string"
    ? new Refusal(code, message)
    : new Refusal(
        "not_a_node",
        `${address} answered ${status}, not as a frenezulo node does. Is it the right address?`,
      );
}

/** The path of a service's route. @throws bad_prefix */
export function servicePath(prefix: string | undefined, below = ""): string {
  if (prefix === undefined || !name.pattern.test(prefix))
    throw new FrenezuloError("bad_prefix", { prefix: JSON.stringify(prefix?.slice(0, 80)) });
  return `/services/${prefix}${below}`;
}

interface Target {
  readonly protocol: "http:" | "https:";
  readonly host?: string;
  readonly port?: string;
  readonly socketPath?: string;
}

/** @throws bad_usage */
function targetOf(address: string): Target {
  if (address.startsWith("unix:")) return { protocol: "http:", socketPath: address.slice("unix:".length) };
  const text = /^https?:\/\//.test(address) ? address : `http://${address}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.pathname !== "/" || url.search !== "" || url.username !== "")
    throw new FrenezuloError("bad_usage", {
      why: `${JSON.stringify(address)} is not the address of a node; write one like ${defaultNode} or unix:/run/x.sock`,
    });
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const isTls = url.protocol === "https:";
  return { protocol: isTls ? "https:" : "http:", host, port: url.port || (isTls ? "443" : "80") };
}

function parseAnswer(text: string): unknown {
  try {
    return text === "" ? undefined : (JSON.parse(text) as unknown);
  } catch {
    return undefined;
  }
}
