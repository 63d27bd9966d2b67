// Fetches a module over https or http from a host that is allowed, and from nowhere else.
import { lookup as systemLookup } from "node:dns";
import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import type { LookupFunction } from "node:net";
import { FrenezuloError, reasonOf } from "../errors.ts";
import { isForbiddenAddress } from "./address.ts";
import type { Allowed, AllowList } from "./allow.ts";

export interface DownloadOptions {
  readonly allow: AllowList;
  /** Bytes of the body. */
  readonly bytesMax: number;
  /** Milliseconds from the first name lookup to the last byte, redirects included. */
  readonly timeoutMs: number;
  /** Resolves names; dns.lookup unless a test brings its own. */
  readonly lookup: LookupFunction;
}

export const defaultLookup: LookupFunction = systemLookup;

const REDIRECTS_MAX = 3;
const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/**
 * @throws source_refused, source_failed, module_too_large
 */
export async function download(text: string, options: DownloadOptions): Promise<Uint8Array> {
  const signal = AbortSignal.timeout(options.timeoutMs);
  let target = options.allow.check(text);
  try {
    for (let hops = 0; ; hops++) {
      const response = await get(target, options.lookup, signal);
      try {
        const { statusCode = 0 } = response;
        if (!redirects.has(statusCode)) return await readBody(response, options.bytesMax);
        if (hops === REDIRECTS_MAX)
          throw new FrenezuloError("source_failed", { why: `more than ${REDIRECTS_MAX} redirects` });
        target = options.allow.check(response.headers.location ?? "", target.url);
      } finally {
        response.destroy();
      }
    }
  } catch (thrown) {
    if (thrown instanceof FrenezuloError) throw thrown;
    if (signal.aborted)
      throw new FrenezuloError("source_failed", { why: `it did not arrive within ${options.timeoutMs} ms` });
    throw new FrenezuloError("source_failed", { why: reasonOf(thrown) }, { cause: thrown });
  }
}

/** One request, on a connection of its own, to an address that was checked. Resolves with the response's head. */
function get(target: Allowed, lookup: LookupFunction, signal: AbortSignal): Promise<IncomingMessage> {
  const { url, isNamedAddress } = target;
  const request = url.protocol === "https:" ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    const outgoing = request(url, {
      // The socket connects to what this lookup returns, so a second answer of the resolver (rebinding) is never asked
      // for. It is not called for literal addresses: those are only reached when the operator named them.
      lookup: isNamedAddress ? refuseLookup : guardedLookup(lookup),
      agent: false,
      signal,
      headers: { accept: "application/wasm", "accept-encoding": "identity", "user-agent": "frenezulo" },
    });
    outgoing.once("response", resolve);
    outgoing.once("error", reject);
    outgoing.end();
  });
}

/** Resolves a name, once, and refuses it if any of its addresses is forbidden. */
export function guardedLookup(lookup: LookupFunction): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      if (error !== null) return callback(error, []);
      const addresses = typeof found === "string" ? [] : found;
      const forbidden = addresses.find(({ address }) => isForbiddenAddress(address));
      const first = addresses[0];
      if (forbidden !== undefined || first === undefined) {
        const why =
          forbidden === undefined
            ? `${hostname} has no address`
            : `${hostname} resolves to ${forbidden.address}, which is not a public address`;
        return callback(new FrenezuloError("source_refused", { why }), []);
      }
      if (options.all === true) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}

const refuseLookup: LookupFunction = (hostname, _options, callback) => {
  callback(new FrenezuloError("source_refused", { why: `${hostname} is not an address` }), []);
};

async function readBody(response: IncomingMessage, bytesMax: number): Promise<Uint8Array> {
  const { statusCode, headers } = response;
  if (statusCode !== 200) throw new FrenezuloError("source_failed", { why: `the status is ${statusCode}, not 200` });
  const encoding = headers["content-encoding"] ?? "identity";
  if (encoding !== "identity") {
    throw new FrenezuloError("source_refused", {
      why: `its content-encoding is ${JSON.stringify(encoding)}; send it as it is`,
    });
  }
  const tooLarge = new FrenezuloError("module_too_large", { limit: bytesMax });
  if (Number(headers["content-length"] ?? 0) > bytesMax) throw tooLarge;
  // Copied into one growing buffer: a body of many tiny chunks must not cost an object for each.
  let buffer = Buffer.allocUnsafeSlow(Math.min(bytesMax, 64 * 1024));
  let used = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    if (used + chunk.length > bytesMax) throw tooLarge;
    if (used + chunk.length > buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.min(bytesMax, Math.max(2 * buffer.length, used + chunk.length)));
      buffer.copy(larger, 0, 0, used);
      buffer = larger;
    }
    chunk.copy(buffer, used);
    used += chunk.length;
  }
  return new Uint8Array(buffer.subarray(0, used));
}
