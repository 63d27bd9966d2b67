// Which host functions may make a process wait: in a light process its stack unwinds there. Pure data.
//
// Each name makes more of a module's functions such that Asyncify must take them apart: all that can reach it. In real
// modules nearly all of those can reach an indirect call anyway, which counts as one that may unwind: leaving out
// message.send saves the Rust service of the tests 0.05 % of its size (M), so it is in.
import type { AbiModuleName, abiTable } from "./table.ts";

type Names = { readonly [M in AbiModuleName]?: readonly (keyof (typeof abiTable)[M])[] };

/** All that can call `host.wait`: they wait for a message, for room in a mailbox, for a time or for the main thread. */
export const blockingFunctions = {
  "lunatic::message": ["send", "receive", "send_receive_skip_search"],
  "lunatic::distributed": ["spawn", "send", "send_receive_skip_search"],
  "lunatic::process": ["compile_module", "spawn", "get_or_spawn", "sleep_ms", "exists"],
  "lunatic::registry": ["put", "get", "remove", "get_or_put_later"],
  "lunatic::networking": [
    "resolve",
    "tcp_bind",
    "tcp_local_addr",
    "tcp_accept",
    "tcp_connect",
    "tcp_peer_addr",
    "tcp_read",
    "tcp_peek",
    "tcp_write_vectored",
    "tcp_flush",
    "tls_bind",
    "tls_local_addr",
    "tls_accept",
    "tls_connect",
    "tls_read",
    "tls_write_vectored",
    "tls_flush",
    "udp_bind",
    "udp_local_addr",
    "udp_peer_addr",
    "udp_connect",
    "udp_send",
    "udp_send_to",
    "udp_receive",
    "udp_receive_from",
    "set_udp_socket_broadcast",
    "get_udp_socket_broadcast",
    "set_udp_socket_ttl",
    "get_udp_socket_ttl",
  ],
  wasi_snapshot_preview1: ["fd_read", "poll_oneoff", "sched_yield"],
} as const satisfies Names;

/** They call back into the guest, which may wait there: Asyncify must know them, but they do not wait themselves. */
export const callingBack = { "lunatic::trap": ["catch"] } as const satisfies Names;
