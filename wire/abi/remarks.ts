// What a guest should know of host functions beyond their names: where they differ, by design, from lunatic 0.13 or
// from WASI, and how what is bounded is bounded. For docs/reference/host-functions.md. Pure data.
import type { AbiModuleName, abiTable } from "./table.ts";

type Remarks = { readonly [M in AbiModuleName]?: { readonly [F in keyof (typeof abiTable)[M]]?: string } };

const noSockets = "answers 52 (not supported): preview 1 has no way to make a socket; `lunatic::networking` has";
const pieces = "at most 1,024 vectors; of a file at most 8 MiB a call (a short read or write)";
const names = "100 names a service, of at most 128 bytes without control characters; what is refused is counted";

const connects = "addresses that the policy's `network.connect` allows, else result 1";
const listens = "addresses that the policy's `network.listen` allows, else result 1";
const slice = "at most 64 KiB a call";
const writes = "at most 64 KiB and 1,024 vectors a call; after a time-out nothing was sent";
const datagrams = "256 datagrams and 256 KiB wait, further ones are dropped";
const otherNode = "traps for any other node than 0";
const cluster = "traps, as lunatic's does without a cluster";
const inMessage = "a socket that nobody takes from its message within a minute is closed";

/** Functions with a remark differ; the others do what lunatic's documentation and the WASI specification say. */
export const remarks: Remarks = {
  "lunatic::message": {
    create_data: "the capacity is not looked at",
    push_tcp_stream: inMessage,
    push_tls_stream: inMessage,
    push_udp_socket: inMessage,
    write_data: "a message has at most `limits.body_out` and 64 KiB more",
  },
  "lunatic::networking": {
    resolve: "names of the policy's `network.connect` with their port, and localhost; at most 64 addresses",
    tcp_bind: listens,
    tcp_accept: "1,024 connections wait, further ones are closed",
    tcp_connect: connects,
    tcp_read: slice,
    tcp_peek: `never consumes; ${slice}`,
    tcp_write_vectored: writes,
    tls_bind: `${listens}; an RSA key has at most 4,096 bits`,
    tls_accept: "a failed handshake is result 1, not a trap; handshakes run as clients come, for 10 s each",
    tls_connect: `a failed handshake is result 1, not a trap; the time covers it, too; ${connects}`,
    tls_read: slice,
    tls_write_vectored: writes,
    udp_bind: `${listens}; without one port 0, for those that \`network.connect\` allows`,
    udp_connect: connects,
    udp_send_to: `${connects}, or who sent to a socket that listens`,
    udp_receive: datagrams,
    udp_receive_from: datagrams,
  },
  "lunatic::metrics": {
    counter: `adds, as lunatic's does (its documentation says that it sets); ${names}`,
    increment_counter: names,
    gauge: names,
    increment_gauge: names,
    decrement_gauge: names,
    histogram: `buckets from 0.001 to 10,000 whatever the unit, NaN is refused; ${names}`,
  },
  "lunatic::registry": {
    put: "a name ends with its process, and traps for any other node than 0",
    get_or_put_later: "a name that is not there is the caller's to put, until it ends; who asks meanwhile waits",
  },
  "lunatic::distributed": {
    node_id: "0: this node is in no cluster",
    nodes_count: "0",
    get_nodes: "0",
    exec_lookup_nodes: cluster,
    copy_lookup_nodes_results: cluster,
    spawn: otherNode,
    send: otherNode,
    send_receive_skip_search: otherNode,
    test_root_cert: cluster,
    default_server_certificates: cluster,
    sign_node: cluster,
  },
  "lunatic::sqlite": {
    open: "files in the directories of the policy, and memory: 64 MiB for all of a service in a carrier; no URIs, no WAL; needs the optional package @sqlite.org/sqlite-wasm",
    execute:
      "locks never wait: SQLITE_BUSY (5) at once, and a busy time-out has no effect; 2 s a call in a light process",
    query_prepare: "the first statement of the text; an expression has a depth of at most 200",
    bind_value: "null and names work, as they should in lunatic; at most `limits.body_out` and 64 KiB more",
    sqlite3_step: "locks never wait: a busy database traps; 2 s a call in a light process",
    read_row: "at most `limits.body_out` and 64 KiB more",
  },
  wasi_snapshot_preview1: {
    clock_res_get: "1 ms for all four clocks",
    clock_time_get: "whole milliseconds; the clocks of CPU time are the monotonic one",
    fd_advise: "is checked and changes nothing",
    fd_allocate: "sets the size, and reserves no blocks",
    fd_fdstat_set_flags: "append and nonblock of files; the sync flags cannot change",
    fd_filestat_get: "times are whole milliseconds",
    fd_filestat_set_times: "exact to a microsecond",
    fd_pread: pieces,
    fd_pwrite: pieces,
    fd_read: `${pieces}; descriptor 0 of a service is at its end`,
    fd_readdir: "a buffer of more than 256 KiB is refused (28)",
    fd_write: `${pieces}; descriptors 1 and 2 are the log, within \`limits.output_*\``,
    path_filestat_get: "times are whole milliseconds",
    path_filestat_set_times: "exact to a microsecond",
    path_link: "links are not followed (28)",
    path_open:
      "regular files and directories only, others 58; a way out of the directory is 63, writing in a read-only one 69; 1,024 descriptors a process",
    path_symlink: "absolute targets are refused (63)",
    poll_oneoff: "waits for clocks and standard input; files are always ready",
    proc_raise: "answers 52 (not supported)",
    sock_accept: noSockets,
    sock_recv: noSockets,
    sock_send: noSockets,
    sock_shutdown: noSockets,
  },
};
