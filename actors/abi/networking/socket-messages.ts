// lunatic::message's functions that put streams and UDP sockets into messages and take them out (lunatic-abi.md §3.2).

import { NETWORK } from "../../../wire/network.ts";
import type { Message } from "../../processes/mailbox.ts";
import type { SocketResource } from "../../processes/resources.ts";
import { type Host, type HostFunctions, u64 } from "../host.ts";
import { handleOf, keep, payloadOf, type SocketTable, tcpStreams, tlsStreams, udpSockets } from "./sockets.ts";

export function socketMessageFunctions(host: Host): HostFunctions {
  const message = (name: string): Message => {
    const { scratch } = host.enter();
    if (scratch === null) return host.trap(`lunatic::message.${name} without a message`);
    return scratch.kind === "data" ? scratch : host.trap(`lunatic::message.${name} on a ${scratch.kind} message`);
  };

  /** The socket leaves the process: in the message it is nobody's, and closed if nobody takes it within a minute. */
  const push = (name: string, table: SocketTable, kind: SocketResource["kind"]) => (id: bigint) => {
    const to = message(name);
    const handle = handleOf(host, table, id);
    to.resources ??= [];
    const { resources } = to;
    if (resources.length >= host.process.limits.resourcesMax) host.trap("a message with too many resources");
    return host.ask(NETWORK.give, payloadOf(handle).bytes, () => {
      table.of(host.process).remove(u64(id));
      const index = resources.push({ kind, handle }) - 1;
      host.process.scratch = to; // it costs more
      return BigInt(index);
    });
  };

  /** A socket that was closed meanwhile gets an id, too: what is done with it fails and says so. */
  const take = (name: string, table: SocketTable, kind: SocketResource["kind"]) => (index: bigint) => {
    const { resources } = message(name);
    const at = Number(u64(index));
    const resource = resources?.[at];
    if (resources == null || resource?.kind !== kind) return host.trap(`the message has no ${table.what} at ${at}`);
    const { handle } = resource;
    resources[at] = null;
    return host.ask(NETWORK.take, payloadOf(handle).bytes, () => keep(host, table, handle));
  };

  return {
    push_tcp_stream: push("push_tcp_stream", tcpStreams, "tcp_stream"),
    take_tcp_stream: take("take_tcp_stream", tcpStreams, "tcp_stream"),
    push_tls_stream: push("push_tls_stream", tlsStreams, "tls_stream"),
    take_tls_stream: take("take_tls_stream", tlsStreams, "tls_stream"),
    push_udp_socket: push("push_udp_socket", udpSockets, "udp_socket"),
    take_udp_socket: take("take_udp_socket", udpSockets, "udp_socket"),
  };
}
