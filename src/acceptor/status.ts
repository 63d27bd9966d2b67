// What an answer's status says on the wire: its reason phrase, and whether a body follows.
import { STATUS_CODES } from "node:http";

const lines: string[] = [];

/** "200 OK". A status without a standard phrase is "299 Unknown"; nobody reads it (RFC 9112 §4). */
export function statusLine(status: number): string {
  const line = lines[status];
  if (line !== undefined) return line;
  const made = `${status} ${reasonPhrase(status)}`;
  lines[status] = made;
  return made;
}

export const reasonPhrase = (status: number): string => STATUS_CODES[status] ?? "Unknown";

/** RFC 9110 §6.4.1: these statuses never have a body. */
export const isBodiless = (status: number): boolean => status === 204 || status === 304;

/** True for the name of the Date header, which the acceptors write themselves, so that there is one. */
export function isDate(name: string | Uint8Array): boolean {
  if (name.length !== 4) return false;
  return (typeof name === "string" ? name : Buffer.from(name).toString("latin1")).toLowerCase() === "date";
}
