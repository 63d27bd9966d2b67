// Versions of the example service hello that can be told apart by what they answer.
import { createHash } from "node:crypto";
import { service } from "../guests/guests.ts";

const said = "Hello World!";
const hello = service("hello");
const at = Buffer.from(hello).indexOf(Buffer.from(said, "utf16le"));

/** hello with another text of at most twelve ASCII characters: a module with a digest of its own. */
export function helloSaying(text: string): Uint8Array<ArrayBuffer> {
  if (at < 0) throw new Error(`hello.wasm does not hold ${JSON.stringify(said)} as UTF-16`);
  const module = new Uint8Array(hello);
  module.set(Buffer.from(text.padEnd(said.length).slice(0, said.length), "utf16le"), at);
  return module;
}

export const digestOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
