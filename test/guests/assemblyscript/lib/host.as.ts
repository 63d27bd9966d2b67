// lunatic's host functions of processes, messages and the node itself. lunatic-abi.md §1.1–1.3, §1.5. What the SDK calls
// is declared there.
export {
  addArgument,
  addVariable,
  cancelTimer,
  createConfig,
  createData,
  dataSize,
  dieWhenLinkDies,
  dropConfig,
  errorDrop,
  errorSize,
  errorText,
  getProcessId,
  getTag,
  killProcess as kill,
  linkProcess as link,
  monitorProcess as monitor,
  preopenDir,
  processExists as exists,
  processId,
  readData,
  receive,
  registryGet,
  registryPut,
  registryRemove,
  send,
  sendAfter,
  sendToNode,
  setCanCompileModules,
  setCanCreateConfigs,
  setCanSpawnProcesses,
  setMaxFuel,
  setMaxMemory,
  sleepMs,
  spawnProcess as spawn,
  stopMonitoring,
  unlinkProcess as unlink,
  writeData,
} from "frenezulo/host";

@external("lunatic::message", "seek_data")
export declare function seekData(position: u64): void;

@external("lunatic::message", "push_module")
export declare function pushModule(module: u64): u64;

@external("lunatic::message", "take_module")
export declare function takeModule(index: u64): u64;

@external("lunatic::message", "send_receive_skip_search")
export declare function sendReceive(process: u64, tag: i64, timeoutMs: u64): u32;

@external("lunatic::message", "push_tcp_stream")
export declare function pushTcpStream(stream: u64): u64;

@external("lunatic::message", "take_tcp_stream")
export declare function takeTcpStream(index: u64): u64;

@external("lunatic::message", "push_tls_stream")
export declare function pushTlsStream(stream: u64): u64;

@external("lunatic::message", "take_tls_stream")
export declare function takeTlsStream(index: u64): u64;

@external("lunatic::message", "push_udp_socket")
export declare function pushUdpSocket(socket: u64): u64;

@external("lunatic::message", "take_udp_socket")
export declare function takeUdpSocket(index: u64): u64;

@external("lunatic::process", "compile_module")
export declare function compileModule(bytes: usize, length: u32, id: usize): i32;

@external("lunatic::process", "drop_module")
export declare function dropModule(module: u64): void;

@external("lunatic::process", "config_get_max_memory")
export declare function getMaxMemory(config: u64): u64;

@external("lunatic::process", "config_get_max_fuel")
export declare function getMaxFuel(config: u64): u64;

@external("lunatic::process", "config_can_compile_modules")
export declare function canCompileModules(config: u64): u32;

@external("lunatic::process", "config_can_create_configs")
export declare function canCreateConfigs(config: u64): u32;

@external("lunatic::process", "config_can_spawn_processes")
export declare function canSpawnProcesses(config: u64): u32;

@external("lunatic::process", "get_or_spawn")
export declare function getOrSpawn(
  name: usize,
  nameLength: u32,
  link: i64,
  config: u64,
  module: u64,
  entry: usize,
  length: u32,
  params: usize,
  paramsLength: u32,
  node: usize,
  id: usize,
): u32;

@external("lunatic::process", "environment_id")
export declare function environmentId(): u64;

@external("lunatic::registry", "get_or_put_later")
export declare function registryGetOrPutLater(name: usize, length: u32, node: usize, process: usize): u32;

@external("lunatic::trap", "catch")
export declare function catchTrap(name: i32, argument: i32): i32;

@external("lunatic::version", "major")
export declare function versionMajor(): u32;

@external("lunatic::version", "minor")
export declare function versionMinor(): u32;

@external("lunatic::version", "patch")
export declare function versionPatch(): u32;

@external("lunatic::metrics", "counter")
export declare function metricCounter(name: usize, length: u32, value: u64): void;

@external("lunatic::metrics", "increment_counter")
export declare function metricIncrementCounter(name: usize, length: u32): void;

@external("lunatic::metrics", "gauge")
export declare function metricGauge(name: usize, length: u32, value: f64): void;

@external("lunatic::metrics", "increment_gauge")
export declare function metricIncrementGauge(name: usize, length: u32, value: f64): void;

@external("lunatic::metrics", "decrement_gauge")
export declare function metricDecrementGauge(name: usize, length: u32, value: f64): void;

@external("lunatic::metrics", "histogram")
export declare function metricHistogram(name: usize, length: u32, value: f64): void;

@external("lunatic::distributed", "node_id")
export declare function nodeId(): u64;

@external("lunatic::distributed", "module_id")
export declare function moduleId(): u64;

@external("lunatic::distributed", "nodes_count")
export declare function nodesCount(): u32;

@external("lunatic::distributed", "get_nodes")
export declare function getNodes(to: usize, max: u32): u32;

@external("lunatic::distributed", "spawn")
export declare function spawnOnNode(
  node: u64,
  config: u64,
  module: u64,
  name: usize,
  length: u32,
  params: usize,
  paramsLength: u32,
  id: usize,
): u32;

@external("lunatic::distributed", "send_receive_skip_search")
export declare function sendReceiveOnNode(node: u64, process: u64, tag: i64, timeoutMs: u64): u32;

@external("lunatic::distributed", "exec_lookup_nodes")
export declare function lookupNodes(query: usize, length: u32, id: usize, count: usize, error: usize): u32;

@external("lunatic::distributed", "copy_lookup_nodes_results")
export declare function copyNodes(id: u64, to: usize, max: u32, error: usize): i32;

@external("lunatic::distributed", "test_root_cert")
export declare function testRootCert(length: usize): usize;

@external("lunatic::distributed", "default_server_certificates")
export declare function serverCertificates(
  certificate: usize,
  certificateLength: u32,
  key: usize,
  keyLength: u32,
  length: usize,
): usize;

@external("lunatic::distributed", "sign_node")
export declare function signNode(
  certificate: usize,
  certificateLength: u32,
  key: usize,
  keyLength: u32,
  request: usize,
  requestLength: u32,
  length: usize,
): usize;
