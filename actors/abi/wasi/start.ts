// What a guest is born with, and its end: arguments, environment, randomness, proc_exit.
import { randomFillSync } from "node:crypto";
import { ERRNO } from "../../files/errno.ts";
import type { Host, HostFunctions } from "../host.ts";

export function startFunctions(host: Host): HostFunctions {
  /** Both lists have one form: an array of pointers, and the strings with a NUL after each. */
  const sizes = (texts: readonly string[], countOut: number, bytesOut: number): number => {
    host.writeU32(countOut, texts.length);
    host.writeU32(
      bytesOut,
      texts.reduce((sum, text) => sum + Buffer.byteLength(text) + 1, 0),
    );
    return ERRNO.success;
  };
  const list = (texts: readonly string[], pointers: number, bytes: number): number => {
    let at = bytes >>> 0;
    for (const [i, text] of texts.entries()) {
      const encoded = Buffer.from(`${text}\0`);
      host.writeU32((pointers >>> 0) + i * 4, at);
      host.slice(at, encoded.length).set(encoded);
      at += encoded.length;
    }
    return ERRNO.success;
  };
  const environ = (): string[] => Object.entries(host.guest.env).map(([name, value]) => `${name}=${value}`);
  return {
    args_sizes_get: (count: number, bytes: number) => {
      host.enter();
      return sizes(host.guest.args, count, bytes);
    },
    args_get: (pointers: number, bytes: number) => {
      host.enter();
      return list(host.guest.args, pointers, bytes);
    },
    environ_sizes_get: (count: number, bytes: number) => {
      host.enter();
      return sizes(environ(), count, bytes);
    },
    environ_get: (pointers: number, bytes: number) => {
      host.enter();
      return list(environ(), pointers, bytes);
    },
    random_get: (pointer: number, length: number) => {
      host.enter();
      host.entropyAsked = true;
      randomFillSync(host.slice(pointer, length));
      return ERRNO.success;
    },
    proc_exit: (code: number) => {
      host.enter();
      return host.die(code === 0 ? { reason: "normal", text: "" } : { reason: "exit", text: String(code >>> 0) });
    },
    proc_raise: () => ERRNO.nosys,
  };
}
