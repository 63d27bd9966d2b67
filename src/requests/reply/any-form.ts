// Pure: a reply in any legal MessagePack form of its value: a struct as a map, a body as str or as an array of bytes.
//
// Decoded by msgpackr, after a scan has bounded what that will allocate (DECISIONS 3.4).
import { Unpackr } from "msgpackr";
import type { Answer } from "../../acceptor/contract.ts";
import {
  checkStatus,
  fault,
  HeaderCheck,
  quoted,
  type ReplyFault,
  type ReplyLimits,
  tooLarge,
  tooLong,
  wrongTag,
} from "./check.ts";
import { scanMessagePack } from "./scan.ts";

const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: false, int64AsType: "bigint" });

/** As readReply, for what is not in the usual form. */
export function readAny(
  bytes: Buffer,
  start: number,
  length: number,
  tag: number,
  limits: ReplyLimits,
  answer: Answer,
): ReplyFault | null {
  const own = Buffer.from(bytes.subarray(start, start + length));
  const end = scanMessagePack(own);
  if (typeof end === "string") return fault(end);
  if (end < own.length) return tooLong;
  let value: unknown;
  try {
    value = unpackr.unpack(own);
  } catch (error) {
    return fault(`it is not MessagePack: ${error instanceof Error ? error.message : error}`);
  }
  return readValue(value, tag, limits, answer);
}

function readValue(value: unknown, tag: number, limits: ReplyLimits, answer: Answer): ReplyFault | null {
  const reply = value instanceof Map && value.size === 1 ? value.get("CompleteRequest") : undefined;
  const parts = fields(reply, ["request_id", "response"]);
  const id = fields(parts?.[0], ["tag"]);
  const response = fields(parts?.[1], ["metadata", "body"]);
  const metadata = fields(response?.[0], ["status", "version", "headers"]);
  if (id === null || response === null || metadata === null) {
    return fault('it is not {"CompleteRequest": [[tag], [[status, version, headers], body]]}');
  }
  const repliedTag = numberOf(id[0]);
  if (repliedTag !== tag) return wrongTag(repliedTag, tag);
  const status = numberOf(metadata[0]);
  const statusFault = checkStatus(status);
  if (statusFault !== null) return statusFault;
  answer.reset(status);
  if (!(metadata[2] instanceof Map)) return fault("its headers are not a map");
  const check = new HeaderCheck();
  for (const [name, values] of metadata[2]) {
    if (typeof name !== "string") return fault("a header name is not a string");
    if (!Array.isArray(values)) return fault(`the values of header ${quoted(name)} are not an array`);
    for (const each of values) {
      const bytes = asBytes(each);
      if (bytes === null) return fault(`a value of header ${quoted(name)} is not a bin`);
      const wrong = check.add(answer, name, bytes, 0, bytes.length);
      if (wrong !== null) return wrong;
    }
  }
  const body = asBytes(response[1]);
  if (body === null) return fault("its body is not a bin");
  if (body.length > limits.bodyBytesMax) return tooLarge(body.length);
  answer.body = body;
  return null;
}

/** NaN for what MessagePack has no number for: Number("200") and Number([200]) are 200. */
function numberOf(value: unknown): number {
  return typeof value === "number" || typeof value === "bigint" ? Number(value) : Number.NaN;
}

/** The fields of a struct that came as an array or as a map by field names. */
function fields(value: unknown, names: readonly string[]): readonly unknown[] | null {
  if (value instanceof Map) return names.every((name) => value.has(name)) ? names.map((name) => value.get(name)) : null;
  return Array.isArray(value) && value.length === names.length ? value : null;
}

/** bin, str or an array of bytes. */
function asBytes(value: unknown): Buffer | null {
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.length);
  if (typeof value === "string") return Buffer.from(value);
  if (!Array.isArray(value)) return null;
  return value.every((byte) => Number.isInteger(byte) && byte >= 0 && byte <= 255) ? Buffer.from(value) : null;
}
