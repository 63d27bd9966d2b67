// lunatic::error: texts of what failed, by their numbers (lunatic-abi.md §0.1, §1.3).
import { type Host, type HostFunctions, u64 } from "./host.ts";

export function errorFunctions(host: Host): HostFunctions {
  const text = (id: bigint): string => {
    const error = u64(id) === 0n ? "timed out" : host.enter().resources.errors.get(u64(id));
    return error ?? host.trap(`there is no error ${u64(id)}`);
  };
  return {
    string_size: (id: bigint) => Buffer.byteLength(text(id)),
    to_string: (id: bigint, pointer: number) => {
      const bytes = Buffer.from(text(id));
      host.slice(pointer, bytes.length).set(bytes);
    },
    drop: (id: bigint) => {
      if (u64(id) !== 0n && !host.enter().resources.errors.remove(u64(id))) host.trap(`there is no error ${u64(id)}`);
    },
  };
}

/** Keeps an error's text and writes its id. @returns the result code 1 */
export function failure(host: Host, out: number, text: string): 1 {
  const id = host.process.resources.errors.add(text);
  if (id === null) return host.trap("it keeps too many errors");
  host.writeU64(out, id);
  return 1;
}
