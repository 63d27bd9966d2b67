// lunatic::registry: names of processes, which the main thread has for each environment (lunatic-abi.md §1.3, §2.8).
import { ASK } from "../../../wire/asks.ts";
import { type Host, type HostFunctions, u64 } from "../host.ts";
import { pidOf } from "../pid.ts";

const NAME_BYTES_MAX = 1024;

export function registryFunctions(host: Host): HostFunctions {
  /** Looks a name up; 0 and node and pid written, or 1. */
  const look = (op: number) => (pointer: number, length: number, nodeOut: number, pidOut: number) => {
    const name = readName(host, pointer, length);
    host.range(nodeOut, 8);
    host.range(pidOut, 8);
    return host.ask(op, namePayload(0n, name), (answer) => {
      const pid = Buffer.from(answer as Uint8Array).readBigUInt64LE(0);
      if (pid === 0n) return 1;
      host.writeU64(nodeOut, 0n);
      host.writeU64(pidOut, pid);
      return 0;
    });
  };
  return {
    put: (pointer: number, length: number, node: bigint, pid: bigint) => {
      const name = readName(host, pointer, length);
      if (u64(node) !== 0n) host.trap(`there is no node ${u64(node)}: this host is not part of a cluster`);
      return host.ask(ASK.name_put, namePayload(BigInt(pidOf(pid)), name), () => undefined);
    },
    get: look(ASK.name_get),
    // Only in unreleased runtimes: a name that is not there is the caller's to put; who asks meanwhile waits.
    get_or_put_later: look(ASK.name_claim),
    remove: (pointer: number, length: number) =>
      host.ask(ASK.name_remove, namePayload(0n, readName(host, pointer, length)), () => undefined),
  };
}

/** The name at a place in guest memory. Traps where it is too long or not UTF-8. */
export function readName(host: Host, pointer: number, length: number): string {
  host.enter();
  if (length >>> 0 > NAME_BYTES_MAX) host.trap(`a name of more than ${NAME_BYTES_MAX} bytes`);
  return host.text(pointer, length);
}

export function namePayload(pid: bigint, name: string): Buffer {
  const bytes = Buffer.alloc(8 + Buffer.byteLength(name));
  bytes.writeBigUInt64LE(pid, 0);
  bytes.write(name, 8);
  return bytes;
}
