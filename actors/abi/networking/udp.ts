// The UDP functions of lunatic::networking (lunatic-abi.md §1.4).
import {
  ADDRESS_BYTES,
  NETWORK,
  OPTION,
  PayloadReader,
  PayloadWriter,
  SLICE_BYTES_MAX,
  STATUS,
} from "../../../wire/network.ts";
import { failure } from "../error.ts";
import type { Host, HostFunctions } from "../host.ts";
import {
  addAddress,
  addressFunction,
  askOrTrap,
  askResult,
  cloneFunction,
  dropFunction,
  handleOf,
  keepAddresses,
  payloadOf,
  udpSockets,
} from "./sockets.ts";
import { askHandle } from "./tcp.ts";

export function udpFunctions(host: Host): HostFunctions {
  /** The bytes of a datagram; longer ones cannot be sent. */
  const datagram = (pointer: number, length: number): Buffer => {
    const bytes = host.slice(pointer, length);
    return bytes.length > SLICE_BYTES_MAX ? bytes.subarray(0, SLICE_BYTES_MAX) : bytes;
  };
  const sent = (out: number) => (answer: PayloadReader) => host.writeU64(out, BigInt(answer.u32()));
  const receive = (
    id: bigint,
    pointer: number,
    length: number,
    out: number,
    from: (address: Buffer) => void,
  ): number => {
    const handle = handleOf(host, udpSockets, id);
    host.range(pointer, length);
    const payload = payloadOf(handle).u32(Math.min(length >>> 0, SLICE_BYTES_MAX));
    return askResult(host, NETWORK.udpReceive, payload, out, (answer) => {
      const address = answer.raw(ADDRESS_BYTES);
      const bytes = answer.raw();
      host.slice(pointer, bytes.length).set(bytes);
      host.writeU64(out, BigInt(bytes.length));
      from(address);
    });
  };
  const setOption = (option: number) => (id: bigint, value: number) => {
    const payload = payloadOf(handleOf(host, udpSockets, id))
      .u32(option)
      .u32(value);
    return askOrTrap(host, NETWORK.setOption, payload, () => undefined);
  };
  const getOption = (option: number) => (id: bigint) => {
    const payload = payloadOf(handleOf(host, udpSockets, id)).u32(option);
    return askOrTrap(host, NETWORK.getOption, payload, (answer) => answer.u32());
  };

  return {
    udp_bind: (type: number, pointer: number, port: number, flow: number, scope: number, out: number) => {
      host.enter();
      const payload = addAddress(host, new PayloadWriter(), [type, pointer, port, flow, scope]);
      return askHandle(host, NETWORK.udpBind, payload, udpSockets, out);
    },
    udp_local_addr: addressFunction(host, NETWORK.localAddress, udpSockets),
    // 1: not connected, 2: another error. For both the id of an error is written.
    udp_peer_addr: (id: bigint, out: number) => {
      const payload = payloadOf(handleOf(host, udpSockets, id));
      host.range(out, 8);
      return host.ask(NETWORK.peerAddress, payload.bytes, (bytes) => {
        const answer = new PayloadReader(bytes as Uint8Array);
        if (answer.u8() !== STATUS.ok) {
          failure(host, out, answer.raw().toString());
          return 2;
        }
        if (answer.remaining === 0) return failure(host, out, "the socket is not connected");
        host.writeU64(out, keepAddresses(host, answer.raw()));
        return 0;
      });
    },
    udp_connect: (
      id: bigint,
      type: number,
      pointer: number,
      port: number,
      flow: number,
      scope: number,
      _timeout: bigint, // it never waits
      out: number,
    ) => {
      const payload = addAddress(host, payloadOf(handleOf(host, udpSockets, id)), [type, pointer, port, flow, scope]);
      return askResult(host, NETWORK.udpConnect, payload, out, () => host.writeU64(out, 0n));
    },
    udp_send: (id: bigint, pointer: number, length: number, out: number) => {
      const handle = handleOf(host, udpSockets, id);
      return askResult(host, NETWORK.udpSend, payloadOf(handle).raw(datagram(pointer, length)), out, sent(out));
    },
    udp_send_to: (
      id: bigint,
      pointer: number,
      length: number,
      type: number,
      addressPointer: number,
      port: number,
      flow: number,
      scope: number,
      out: number,
    ) => {
      const payload = payloadOf(handleOf(host, udpSockets, id));
      addAddress(host, payload, [type, addressPointer, port, flow, scope]).raw(datagram(pointer, length));
      return askResult(host, NETWORK.udpSendTo, payload, out, sent(out));
    },
    udp_receive: (id: bigint, pointer: number, length: number, out: number) =>
      receive(id, pointer, length, out, () => {}),
    udp_receive_from: (id: bigint, pointer: number, length: number, out: number, fromOut: number) =>
      receive(id, pointer, length, out, (address) => host.writeU64(fromOut, keepAddresses(host, address))),
    drop_udp_socket: dropFunction(host, udpSockets),
    clone_udp_socket: cloneFunction(host, udpSockets),
    set_udp_socket_broadcast: setOption(OPTION.broadcast),
    get_udp_socket_broadcast: getOption(OPTION.broadcast),
    set_udp_socket_ttl: setOption(OPTION.ttl),
    get_udp_socket_ttl: getOption(OPTION.ttl),
  };
}
