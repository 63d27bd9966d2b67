// lunatic::networking: names to addresses, and all of its functions together (lunatic-abi.md §1.4). Sockets are the
// main thread's; a process asks for what it wants and waits.
import { ADDRESS_BYTES, NETWORK, PayloadReader, PayloadWriter } from "../../../wire/network.ts";
import { type Host, type HostFunctions, u64 } from "../host.ts";
import { type AddressIterator, askResult, keepAddresses, socketsOf } from "./sockets.ts";
import { tcpFunctions, tlsFunctions } from "./tcp.ts";
import { udpFunctions } from "./udp.ts";

const NAME_BYTES_MAX = 1024;

export function networkingFunctions(host: Host): HostFunctions {
  const iterator = (id: bigint): AddressIterator =>
    socketsOf(host.enter()).iterators.get(u64(id)) ?? host.trap(`there is no DNS iterator ${u64(id)}`);

  return {
    ...tcpFunctions(host),
    ...tlsFunctions(host),
    ...udpFunctions(host),
    resolve: (pointer: number, length: number, timeout: bigint, out: number) => {
      host.enter();
      if (length >>> 0 > NAME_BYTES_MAX) host.trap(`a name of more than ${NAME_BYTES_MAX} bytes`);
      host.text(pointer, length);
      const payload = new PayloadWriter(16 + (length >>> 0)).u64(u64(timeout)).raw(host.slice(pointer, length));
      // On a time-out it writes 0, unlike the other functions; nothing else tells this from a value of before.
      host.writeU64(out, 0n);
      return askResult(host, NETWORK.resolve, payload, out, (answer) =>
        host.writeU64(out, keepAddresses(host, answer.raw())),
      );
    },
    resolve_next: (
      id: bigint,
      typeOut: number,
      octetsOut: number,
      portOut: number,
      flowOut: number,
      scopeOut: number,
    ) => {
      const addresses = iterator(id);
      if (addresses.at >= addresses.bytes.length) return 1;
      const bytes = addresses.bytes.subarray(addresses.at, addresses.at + ADDRESS_BYTES);
      addresses.at += ADDRESS_BYTES;
      const { octets, port, flow, scope } = new PayloadReader(bytes).address();
      host.writeU32(typeOut, octets.length === 4 ? 4 : 6);
      host.slice(octetsOut, octets.length).set(octets);
      host.slice(portOut, 2).writeUInt16LE(port); // the slot has 2 bytes
      if (octets.length === 16) {
        host.writeU32(flowOut, flow);
        host.writeU32(scopeOut, scope);
      }
      return 0;
    },
    drop_dns_iterator: (id: bigint) => {
      iterator(id);
      socketsOf(host.process).iterators.remove(u64(id));
    },
  };
}
