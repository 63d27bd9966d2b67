// lunatic's host functions of processes, messages and the node itself. lunatic-abi.md §1.1–1.3, §1.5.

@external("lunatic::message", "create_data")
export declare function createData(tag: i64, capacity: u64): void;

@external("lunatic::message", "write_data")
export declare function writeData(from: usize, length: u32): u32;

@external("lunatic::message", "read_data")
export declare function readData(to: usize, length: u32): u32;

@external("lunatic::message", "seek_data")
export declare function seekData(position: u64): void;

@external("lunatic::message", "get_tag")
export declare function getTag(): i64;

@external("lunatic::message", "get_process_id")
export declare function getProcessId(): u64;

@external("lunatic::message", "data_size")
export declare function dataSize(): u64;

@external("lunatic::message", "push_module")
export declare function pushModule(module: u64): u64;

@external("lunatic::message", "take_module")
export declare function takeModule(index: u64): u64;

@external("lunatic::message", "send")
export declare function send(process: u64): u32;

@external("lunatic::message", "send_receive_skip_search")
export declare function sendReceive(process: u64, tag: i64, timeoutMs: u64): u32;

@external("lunatic::message", "receive")
export declare function receive(tags: usize, count: u32, timeoutMs: u64): u32;

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

@external("lunatic::process", "create_config")
export declare function createConfig(): i64;

@external("lunatic::process", "drop_config")
export declare function dropConfig(config: u64): void;

@external("lunatic::process", "config_set_max_memory")
export declare function setMaxMemory(config: u64, bytes: u64): void;

@external("lunatic::process", "config_get_max_memory")
export declare function getMaxMemory(config: u64): u64;

@external("lunatic::process", "config_set_max_fuel")
export declare function setMaxFuel(config: u64, units: u64): void;

@external("lunatic::process", "config_get_max_fuel")
export declare function getMaxFuel(config: u64): u64;

@external("lunatic::process", "config_can_compile_modules")
export declare function canCompileModules(config: u64): u32;

@external("lunatic::process", "config_set_can_compile_modules")
export declare function setCanCompileModules(config: u64, can: u32): void;

@external("lunatic::process", "config_can_create_configs")
export declare function canCreateConfigs(config: u64): u32;

@external("lunatic::process", "config_set_can_create_configs")
export declare function setCanCreateConfigs(config: u64, can: u32): void;

@external("lunatic::process", "config_can_spawn_processes")
export declare function canSpawnProcesses(config: u64): u32;

@external("lunatic::process", "config_set_can_spawn_processes")
export declare function setCanSpawnProcesses(config: u64, can: u32): void;

@external("lunatic::process", "spawn")
export declare function spawn(
  link: i64,
  config: u64,
  module: u64,
  name: usize,
  length: u32,
  params: usize,
  paramsLength: u32,
  id: usize,
): u32;

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

@external("lunatic::process", "sleep_ms")
export declare function sleepMs(ms: u64): void;

@external("lunatic::process", "die_when_link_dies")
export declare function dieWhenLinkDies(die: u32): void;

@external("lunatic::process", "process_id")
export declare function processId(): u64;

@external("lunatic::process", "environment_id")
export declare function environmentId(): u64;

@external("lunatic::process", "link")
export declare function link(tag: i64, process: u64): void;

@external("lunatic::process", "unlink")
export declare function unlink(process: u64): void;

@external("lunatic::process", "monitor")
export declare function monitor(process: u64): void;

@external("lunatic::process", "stop_monitoring")
export declare function stopMonitoring(process: u64): void;

@external("lunatic::process", "kill")
export declare function kill(process: u64): void;

@external("lunatic::process", "exists")
export declare function exists(process: u64): u32;

@external("lunatic::registry", "put")
export declare function registryPut(name: usize, length: u32, node: u64, process: u64): void;

@external("lunatic::registry", "get")
export declare function registryGet(name: usize, length: u32, node: usize, process: usize): u32;

@external("lunatic::registry", "remove")
export declare function registryRemove(name: usize, length: u32): void;

@external("lunatic::registry", "get_or_put_later")
export declare function registryGetOrPutLater(name: usize, length: u32, node: usize, process: usize): u32;

@external("lunatic::timer", "send_after")
export declare function sendAfter(process: u64, ms: u64): u64;

@external("lunatic::timer", "cancel_timer")
export declare function cancelTimer(timer: u64): u32;

@external("lunatic::error", "string_size")
export declare function errorSize(error: u64): u32;

@external("lunatic::error", "to_string")
export declare function errorText(error: u64, to: usize): void;

@external("lunatic::error", "drop")
export declare function errorDrop(error: u64): void;

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

@external("lunatic::wasi", "config_add_environment_variable")
export declare function addVariable(config: u64, key: usize, keyLength: u32, value: usize, valueLength: u32): void;

@external("lunatic::wasi", "config_add_command_line_argument")
export declare function addArgument(config: u64, text: usize, length: u32): void;

@external("lunatic::wasi", "config_preopen_dir")
export declare function preopenDir(config: u64, path: usize, length: u32): void;

@external("lunatic::distributed", "node_id")
export declare function nodeId(): u64;

@external("lunatic::distributed", "module_id")
export declare function moduleId(): u64;

@external("lunatic::distributed", "nodes_count")
export declare function nodesCount(): u32;

@external("lunatic::distributed", "get_nodes")
export declare function getNodes(to: usize, max: u32): u32;

@external("lunatic::distributed", "send")
export declare function sendToNode(node: u64, process: u64): u32;

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
