// A data message as bytes between carriers: tag, resources, data. Pure.
import { Message } from "./mailbox.ts";
import type { MessageResource } from "./resources.ts";

/** u64 tag, u32 bytes of the resources' JSON, 4 bytes; then the JSON, then the data. */
const HEADER = 16;

export function encodeMessage({ tag, bytes, start, length, resources }: Message): Buffer {
  const json = resources === null || resources.length === 0 ? null : Buffer.from(JSON.stringify(resources));
  const jsonBytes = json?.length ?? 0;
  const out = Buffer.allocUnsafe(HEADER + jsonBytes + length);
  out.writeBigUInt64LE(tag, 0);
  out.writeUInt32LE(jsonBytes, 8);
  if (json !== null) out.set(json, HEADER);
  out.set(bytes.subarray(start, start + length), HEADER + jsonBytes);
  return out;
}

/** The message in bytes of its own. */
export function decodeMessage(bytes: Uint8Array, start: number, length: number): Message {
  const from = Buffer.from(bytes.buffer, bytes.byteOffset + start, length);
  const data = HEADER + from.readUInt32LE(8);
  const message = new Message("data", from.readBigUInt64LE(0), new Uint8Array(from.subarray(data)), 0, length - data);
  if (data > HEADER) message.resources = JSON.parse(from.toString("utf8", HEADER, data)) as MessageResource[];
  return message;
}
