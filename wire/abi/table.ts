// THE case table of every host function a guest may import, with its types. Pure data, imports nothing.
//
// Sources: lunatic 0.13.2 and, where a type changed, 0.10 (a guest of either age runs here); WASI preview 1,
// wasi_snapshot_preview1.witx; AssemblyScript's env.abort.

/**
 * A function type: parameters, ">", results. One letter a value: i = i32, I = i64, f = f32, F = f64.
 * "iI>i" is (i32, i64) -> i32, "I>" is (i64) -> ().
 */
export type Signature = string;

/** The functions of one import module. A function with several signatures changed over time; each of them is served. */
export type AbiModule = Readonly<Record<string, readonly Signature[]>>;

const message = {
  create_data: ["II>"],
  write_data: ["ii>i"],
  read_data: ["ii>i"],
  seek_data: ["I>"],
  get_tag: [">I"],
  get_process_id: [">I"],
  data_size: [">I"],
  push_module: ["I>I"],
  take_module: ["I>I"],
  push_tcp_stream: ["I>I"],
  take_tcp_stream: ["I>I"],
  push_tls_stream: ["I>I"],
  take_tls_stream: ["I>I"],
  push_udp_socket: ["I>I"],
  take_udp_socket: ["I>I"],
  send: ["I>i", "I>"],
  send_receive_skip_search: ["III>i", "II>i"],
  receive: ["iiI>i"],
} as const satisfies AbiModule;

const process = {
  compile_module: ["iii>i"],
  drop_module: ["I>"],
  create_config: [">I"],
  drop_config: ["I>"],
  config_set_max_memory: ["II>"],
  config_get_max_memory: ["I>I"],
  config_set_max_fuel: ["II>"],
  config_get_max_fuel: ["I>I"],
  config_can_compile_modules: ["I>i"],
  config_set_can_compile_modules: ["Ii>"],
  config_can_create_configs: ["I>i"],
  config_set_can_create_configs: ["Ii>"],
  config_can_spawn_processes: ["I>i"],
  config_set_can_spawn_processes: ["Ii>"],
  spawn: ["IIIiiiii>i"],
  get_or_spawn: ["iiIIIiiiiii>i"],
  sleep_ms: ["I>"],
  die_when_link_dies: ["i>"],
  process_id: [">I"],
  environment_id: [">I"],
  link: ["II>"],
  unlink: ["I>"],
  monitor: ["I>"],
  stop_monitoring: ["I>"],
  kill: ["I>"],
  exists: ["I>i"],
} as const satisfies AbiModule;

const error = { string_size: ["I>i"], to_string: ["Ii>"], drop: ["I>"] } as const satisfies AbiModule;
const timer = { send_after: ["II>I"], cancel_timer: ["I>i"] } as const satisfies AbiModule;
const registry = {
  put: ["iiII>"],
  get: ["iiii>i"],
  remove: ["ii>"],
  get_or_put_later: ["iiii>i"], // only in unreleased runtimes of early 2023
} as const satisfies AbiModule;
const trap = { catch: ["ii>i"] } as const satisfies AbiModule;
const version = { major: [">i"], minor: [">i"], patch: [">i"] } as const satisfies AbiModule;
const metrics = {
  counter: ["iiI>"],
  increment_counter: ["ii>"],
  gauge: ["iiF>"],
  increment_gauge: ["iiF>"],
  decrement_gauge: ["iiF>"],
  histogram: ["iiF>"],
} as const satisfies AbiModule;
const lunaticWasi = {
  config_add_environment_variable: ["Iiiii>"],
  config_add_command_line_argument: ["Iii>"],
  config_preopen_dir: ["Iii>"],
} as const satisfies AbiModule;
const networking = {
  resolve: ["iiIi>i"],
  resolve_next: ["Iiiiii>i"],
  drop_dns_iterator: ["I>"],
  tcp_bind: ["iiiiii>i"],
  tcp_local_addr: ["Ii>i"],
  tcp_accept: ["Iii>i"],
  drop_tcp_listener: ["I>"],
  tcp_connect: ["iiiiiIi>i"],
  tcp_peer_addr: ["Ii>i"],
  clone_tcp_stream: ["I>I"],
  drop_tcp_stream: ["I>"],
  tcp_read: ["Iiii>i"],
  tcp_peek: ["Iiii>i"],
  tcp_write_vectored: ["Iiii>i"],
  tcp_flush: ["Ii>i"],
  set_read_timeout: ["II>"],
  set_write_timeout: ["II>"],
  set_peek_timeout: ["II>"],
  get_read_timeout: ["I>I"],
  get_write_timeout: ["I>I"],
  get_peek_timeout: ["I>I"],
  tls_bind: ["iiiiiiiiii>i"],
  tls_local_addr: ["Ii>i"],
  tls_accept: ["Iii>i"],
  drop_tls_listener: ["I>"],
  drop_tls_stream: ["I>"],
  clone_tls_stream: ["I>I"],
  tls_read: ["Iiii>i"],
  tls_write_vectored: ["Iiii>i"],
  tls_flush: ["Ii>i"],
  tls_connect: ["iiiIiii>i"],
  set_tls_read_timeout: ["II>"],
  set_tls_write_timeout: ["II>"],
  get_tls_read_timeout: ["I>I"],
  get_tls_write_timeout: ["I>I"],
  udp_bind: ["iiiiii>i"],
  udp_local_addr: ["Ii>i"],
  udp_peer_addr: ["Ii>i"],
  udp_connect: ["IiiiiiIi>i"],
  udp_send: ["Iiii>i"],
  udp_send_to: ["Iiiiiiiii>i"],
  udp_receive: ["Iiii>i"],
  udp_receive_from: ["Iiiii>i"],
  drop_udp_socket: ["I>"],
  clone_udp_socket: ["I>I"],
  set_udp_socket_broadcast: ["Ii>"],
  get_udp_socket_broadcast: ["I>i"],
  set_udp_socket_ttl: ["Ii>"],
  get_udp_socket_ttl: ["I>i"],
} as const satisfies AbiModule;
const distributed = {
  node_id: [">I"],
  module_id: [">I"],
  nodes_count: [">i"],
  get_nodes: ["ii>i"],
  exec_lookup_nodes: ["iiiii>i"],
  copy_lookup_nodes_results: ["Iiii>i"],
  spawn: ["IIIiiiii>i"],
  send: ["II>i", "II>"],
  send_receive_skip_search: ["IIII>i", "III>i"],
  test_root_cert: ["i>i"],
  default_server_certificates: ["iiiii>i"],
  sign_node: ["iiiiiii>i"],
} as const satisfies AbiModule;
const sqlite = {
  open: ["iii>I"],
  execute: ["Iii>i"],
  query_prepare: ["Iii>I"],
  bind_value: ["Iii>"],
  sqlite3_step: ["I>i"],
  statement_reset: ["I>"],
  sqlite3_finalize: ["I>"],
  sqlite3_changes: ["I>i"],
  column_count: ["I>i"],
  last_error: ["Ii>i"],
  read_row: ["Ii>i"],
  column_names: ["Ii>i"],
  read_column: ["Iii>i"],
  column_name: ["Iii>i"],
} as const satisfies AbiModule;

const wasiPreview1 = {
  args_get: ["ii>i"],
  args_sizes_get: ["ii>i"],
  environ_get: ["ii>i"],
  environ_sizes_get: ["ii>i"],
  clock_res_get: ["ii>i"],
  clock_time_get: ["iIi>i"],
  fd_advise: ["iIIi>i"],
  fd_allocate: ["iII>i"],
  fd_close: ["i>i"],
  fd_datasync: ["i>i"],
  fd_fdstat_get: ["ii>i"],
  fd_fdstat_set_flags: ["ii>i"],
  fd_fdstat_set_rights: ["iII>i"],
  fd_filestat_get: ["ii>i"],
  fd_filestat_set_size: ["iI>i"],
  fd_filestat_set_times: ["iIIi>i"],
  fd_pread: ["iiiIi>i"],
  fd_prestat_get: ["ii>i"],
  fd_prestat_dir_name: ["iii>i"],
  fd_pwrite: ["iiiIi>i"],
  fd_read: ["iiii>i"],
  fd_readdir: ["iiiIi>i"],
  fd_renumber: ["ii>i"],
  fd_seek: ["iIii>i"],
  fd_sync: ["i>i"],
  fd_tell: ["ii>i"],
  fd_write: ["iiii>i"],
  path_create_directory: ["iii>i"],
  path_filestat_get: ["iiiii>i"],
  path_filestat_set_times: ["iiiiIIi>i"],
  path_link: ["iiiiiii>i"],
  path_open: ["iiiiiIIii>i"],
  path_readlink: ["iiiiii>i"],
  path_remove_directory: ["iii>i"],
  path_rename: ["iiiiii>i"],
  path_symlink: ["iiiii>i"],
  path_unlink_file: ["iii>i"],
  poll_oneoff: ["iiii>i"],
  proc_exit: ["i>"],
  proc_raise: ["i>i"],
  sched_yield: [">i"],
  random_get: ["ii>i"],
  sock_accept: ["iii>i"],
  sock_recv: ["iiiiii>i"],
  sock_send: ["iiiii>i"],
  sock_shutdown: ["ii>i"],
} as const satisfies AbiModule;

/** Import module → function → its signatures. Nothing else can be imported, and only functions. */
export const abiTable = {
  "lunatic::message": message,
  "lunatic::process": process,
  "lunatic::error": error,
  "lunatic::timer": timer,
  "lunatic::registry": registry,
  "lunatic::trap": trap,
  "lunatic::version": version,
  "lunatic::metrics": metrics,
  "lunatic::wasi": lunaticWasi,
  "lunatic::networking": networking,
  "lunatic::distributed": distributed,
  "lunatic::sqlite": sqlite,
  wasi_snapshot_preview1: wasiPreview1,
  env: { abort: ["iiii>"] },
} as const satisfies Readonly<Record<string, AbiModule>>;

export type AbiModuleName = keyof typeof abiTable;

/**
 * The functions that work. All others of the table are stubs: they can be imported, and trap when called with
 * `not supported yet: lunatic::process.spawn`.
 */
export const workingFunctions: { readonly [M in AbiModuleName]: readonly (keyof (typeof abiTable)[M])[] } = {
  "lunatic::message": Object.keys(message) as (keyof typeof message)[],
  "lunatic::process": Object.keys(process) as (keyof typeof process)[],
  "lunatic::error": ["string_size", "to_string", "drop"],
  "lunatic::timer": ["send_after", "cancel_timer"],
  "lunatic::registry": ["put", "get", "remove", "get_or_put_later"],
  "lunatic::trap": ["catch"],
  "lunatic::version": ["major", "minor", "patch"],
  "lunatic::metrics": ["counter", "increment_counter", "gauge", "increment_gauge", "decrement_gauge", "histogram"],
  "lunatic::wasi": Object.keys(lunaticWasi) as (keyof typeof lunaticWasi)[],
  "lunatic::networking": Object.keys(networking) as (keyof typeof networking)[],
  "lunatic::distributed": Object.keys(distributed) as (keyof typeof distributed)[],
  "lunatic::sqlite": Object.keys(sqlite) as (keyof typeof sqlite)[],
  // All of it: what makes no sense without files answers with WASI's own error numbers.
  wasi_snapshot_preview1: Object.keys(wasiPreview1) as (keyof typeof wasiPreview1)[],
  env: ["abort"],
};
