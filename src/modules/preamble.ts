// Says whether bytes are a core wasm module, and if not, what they look like. Any thread, pure.
import { FrenezuloError } from "../errors.ts";

/** Bytes of the preamble: "\0asm" and version 1. Core specification, 5.5.16 Modules. */
export const PREAMBLE_BYTES = 8;

const MAGIC = [0x00, 0x61, 0x73, 0x6d];
/** Version 13 in layer 1: the component model's binary format. */
const COMPONENT = [0x0d, 0x00, 0x01, 0x00];

const compressed: readonly (readonly [string, readonly number[]])[] = [
  ["gzip", [0x1f, 0x8b]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
  ["zip", [0x50, 0x4b, 0x03, 0x04]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58]],
];

/**
 * @throws bad_module that names what the bytes are instead
 */
export function checkPreamble(bytes: Uint8Array): void {
  if (startsWith(bytes, MAGIC)) {
    if (startsWith(bytes, [1, 0, 0, 0], 4)) return;
    if (startsWith(bytes, COMPONENT, 4)) {
      refuse("it is a component; core modules are served here: compile for wasm32-unknown-unknown or wasm32-wasip1");
    }
    refuse(bytes.length < PREAMBLE_BYTES ? "it ends within its first 8 bytes" : "its version is not 1");
  }
  if (bytes.length === 0) refuse("it is empty");
  for (const [format, magic] of compressed) {
    if (startsWith(bytes, magic)) refuse(`it is compressed (${format}); send the module itself`);
  }
  if (startsWith(bytes, [0x7f, 0x45, 0x4c, 0x46])) refuse("it is a native ELF program; compile for wasm32");
  const text = Buffer.from(bytes.subarray(0, 512)).toString("latin1").replace(/^ï»¿/, "").trimStart();
  if (text.startsWith("(") || text.startsWith(";;")) refuse("it is WebAssembly text; convert it with wat2wasm first");
  if (/^<(!doctype|html|\?xml|head|body)/i.test(text)) refuse("it is a web page; the address may be wrong");
  if (text.startsWith("{")) refuse("it is JSON; send the module itself as application/wasm");
  refuse("it does not begin with the magic bytes 00 61 73 6d");
}

function startsWith(bytes: Uint8Array, prefix: readonly number[], at = 0): boolean {
  return prefix.every((byte, index) => bytes[at + index] === byte);
}

function refuse(why: string): never {
  throw new FrenezuloError("bad_module", { why });
}
