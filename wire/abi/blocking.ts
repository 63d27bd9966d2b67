// Which host functions may make a process wait: in a light process its stack unwinds there. Pure data.
//
// Each name makes more of a module's functions such that Asyncify must take them apart: all that can reach it. In real
// modules nearly all of those can reach an indirect call anyway, which counts as one that may unwind: leaving out
// message.send saves the Rust service of the tests 0.05 % of its size (M), so it is in.
import type { AbiModuleName, abiTable } from "./table.ts";

type Names = { readonly [M in AbiModuleName]?: readonly (keyof (typeof abiTable)[M])[] };

/** All that can call `host.wait`: they wait for a message, for room in a mailbox, for a time or for the main thread. */
export const blockingFunctions = {
  "lunatic::message": [
    "send",
    "receive",
    "send_receive_skip_search",
    "push_tcp_stream",
    "take_tcp_stream",
    "push_tls_stream",
    "take_tls_stream",
    "push_udp_socket",
    "take_udp_socket",
  ],
  "lunatic::distributed": ["spawn", "send", "send_receive_skip_search"],
  "lunatic::process": ["compile_module", "spawn", "get_or_spawn", "sleep_ms", "exists"],
  "lunatic::registry": ["put", "get", "remove", "get_or_put_later"],
  "lunatic::networking": [
    "resolve",
    "tcp_bind",
    "tcp_local_addr",
    "tcp_accept",
    "drop_tcp_listener",
    "tcp_connect",
    "tcp_peer_addr",
    "clone_tcp_stream",
    "drop_tcp_stream",
    "tcp_read",
    "tcp_peek",
    "tcp_write_vectored",
    "tcp_flush",
    "set_read_timeout",
    "set_write_timeout",
    "set_peek_timeout",
    "get_read_timeout",
    "get_write_timeout",
    "get_peek_timeout",
    "tls_bind",
    "tls_local_addr",
    "tls_accept",
    "drop_tls_listener",
    "drop_tls_stream",
    "clone_tls_stream",
    "tls_connect",
    "tls_read",
    "tls_write_vectored",
    "tls_flush",
    "set_tls_read_timeout",
    "set_tls_write_timeout",
    "get_tls_read_timeout",
    "get_tls_write_timeout",
    "udp_bind",
    "udp_local_addr",
    "udp_peer_addr",
    "udp_connect",
    "udp_send",
    "udp_send_to",
    "udp_receive",
    "udp_receive_from",
    "drop_udp_socket",
    "clone_udp_socket",
    "set_udp_socket_broadcast",
    "get_udp_socket_broadcast",
    "set_udp_socket_ttl",
    "get_udp_socket_ttl",
  ],
  "lunatic::sqlite": ["open"],
  wasi_snapshot_preview1: ["fd_read", "poll_oneoff", "sched_yield"],
} as const satisfies Names;

/** They call back into the guest, which may wait there: Asyncify must know them, but they do not wait themselves. */
export const callingBack = { "lunatic::trap": ["catch"] } as const satisfies Names;
