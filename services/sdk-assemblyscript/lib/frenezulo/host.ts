// The host functions that the SDK calls: lunatic and WASI's fd_write. lunatic-abi.md, section 1.

@external("lunatic::message", "receive")
export declare function receive(tags: usize, tagCount: u32, timeoutMs: i64): u32;

@external("lunatic::message", "data_size")
export declare function dataSize(): u64;

@external("lunatic::message", "read_data")
export declare function readData(to: usize, length: u32): u32;

@external("lunatic::message", "create_data")
export declare function createData(tag: i64, capacity: u64): void;

@external("lunatic::message", "write_data")
export declare function writeData(from: usize, length: u32): u32;

@external("lunatic::message", "send")
export declare function send(process: u64): u32;

@external("lunatic::distributed", "send")
export declare function sendToNode(node: u64, process: u64): u32;

@external("wasi_snapshot_preview1", "fd_write")
export declare function fdWrite(fd: u32, vectors: usize, vectorCount: u32, written: usize): u32;

@external("lunatic::message", "get_tag")
export declare function getTag(): i64;

@external("lunatic::message", "get_process_id")
export declare function getProcessId(): u64;

@external("lunatic::process", "spawn")
export declare function spawnProcess(
  link: i64,
  config: u64,
  module: u64,
  name: usize,
  nameLength: u32,
  parameters: usize,
  parametersLength: u32,
  idOut: usize,
): u32;

@external("lunatic::process", "process_id")
export declare function processId(): u64;

@external("lunatic::process", "sleep_ms")
export declare function sleepMs(ms: u64): void;

@external("lunatic::process", "die_when_link_dies")
export declare function dieWhenLinkDies(die: u32): void;

@external("lunatic::process", "link")
export declare function linkProcess(tag: i64, process: u64): void;

@external("lunatic::process", "unlink")
export declare function unlinkProcess(process: u64): void;

@external("lunatic::process", "monitor")
export declare function monitorProcess(process: u64): void;

@external("lunatic::process", "stop_monitoring")
export declare function stopMonitoring(process: u64): void;

@external("lunatic::process", "kill")
export declare function killProcess(process: u64): void;

@external("lunatic::process", "exists")
export declare function processExists(process: u64): u32;

@external("lunatic::process", "create_config")
export declare function createConfig(): i64;

@external("lunatic::process", "drop_config")
export declare function dropConfig(config: u64): void;

@external("lunatic::process", "config_set_max_memory")
export declare function setMaxMemory(config: u64, bytes: u64): void;

@external("lunatic::process", "config_set_max_fuel")
export declare function setMaxFuel(config: u64, units: u64): void;

@external("lunatic::process", "config_set_can_compile_modules")
export declare function setCanCompileModules(config: u64, can: u32): void;

@external("lunatic::process", "config_set_can_create_configs")
export declare function setCanCreateConfigs(config: u64, can: u32): void;

@external("lunatic::process", "config_set_can_spawn_processes")
export declare function setCanSpawnProcesses(config: u64, can: u32): void;

@external("lunatic::wasi", "config_add_environment_variable")
export declare function addVariable(config: u64, key: usize, keyLength: u32, value: usize, valueLength: u32): void;

@external("lunatic::wasi", "config_add_command_line_argument")
export declare function addArgument(config: u64, text: usize, length: u32): void;

@external("lunatic::wasi", "config_preopen_dir")
export declare function preopenDir(config: u64, path: usize, length: u32): void;

@external("lunatic::registry", "put")
export declare function registryPut(name: usize, nameLength: u32, node: u64, process: u64): void;

@external("lunatic::registry", "get")
export declare function registryGet(name: usize, nameLength: u32, nodeOut: usize, processOut: usize): u32;

@external("lunatic::registry", "remove")
export declare function registryRemove(name: usize, nameLength: u32): void;

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
