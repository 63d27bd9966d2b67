// Configs: what a process allows those it spawns (lunatic-abi.md §1.2, §2.7), of lunatic::process and lunatic::wasi.
import { textCost } from "../../../wire/cost.ts";
import { type ProcessConfig, rightsCost } from "../../processes/resources.ts";
import { type Host, type HostFunctions, u64 } from "../host.ts";

const MEMORY_MAX = 2 ** 32 - 1;
/** Strings of a config. */
const ENTRIES_MAX = 1024;
const TEXT_BYTES_MAX = 64 * 1024;
/** Of all configs of a process: they travel with each spawn that another thread sees to. */
const TEXTS_MAX = 256 * 1024;

export function configFunctions(host: Host): HostFunctions {
  const config = (id: bigint): ProcessConfig => configOf(host, id);
  const flag = (name: "canCompileModules" | "canCreateConfigs" | "canSpawnProcesses") => ({
    get: (id: bigint) => (config(id)[name] ? 1 : 0),
    set: (id: bigint, allowed: number) => {
      config(id)[name] = allowed !== 0;
    },
  });
  const compile = flag("canCompileModules");
  const create = flag("canCreateConfigs");
  const spawn = flag("canSpawnProcesses");
  return {
    create_config: () => {
      const process = host.enter();
      if (!host.services.processes.rightsOf(process).canCreateConfigs) return -1n;
      return process.resources.configs.add(noRights()) ?? host.trap("it has too many configs");
    },
    drop_config: (id: bigint) => {
      const config = configOf(host, id);
      const { args, env, preopens } = config;
      const { resources } = host.process;
      for (const text of [...args, ...preopens, ...[...env].flat()]) resources.configText -= text.length;
      host.process.keep(-rightsCost(config));
      resources.configs.remove(u64(id));
    },
    config_set_max_memory: (id: bigint, bytes: bigint) => {
      config(id).maxMemory = Math.min(MEMORY_MAX, Number(u64(bytes)));
    },
    config_get_max_memory: (id: bigint) => BigInt(config(id).maxMemory),
    config_set_max_fuel: (id: bigint, units: bigint) => {
      config(id).maxFuel = u64(units);
    },
    config_get_max_fuel: (id: bigint) => BigInt.asIntN(64, config(id).maxFuel),
    config_can_compile_modules: compile.get,
    config_set_can_compile_modules: compile.set,
    config_can_create_configs: create.get,
    config_set_can_create_configs: create.set,
    config_can_spawn_processes: spawn.get,
    config_set_can_spawn_processes: spawn.set,
  };
}

export function wasiConfigFunctions(host: Host): HostFunctions {
  const text = (pointer: number, length: number): string => {
    if (length >>> 0 > TEXT_BYTES_MAX) host.trap(`a text of more than ${TEXT_BYTES_MAX} bytes in a config`);
    const text = host.text(pointer, length);
    const { resources } = host.process;
    if (resources.configText + text.length > TEXTS_MAX) host.trap(`configs with more than ${TEXTS_MAX} bytes of text`);
    resources.configText += text.length;
    host.process.keep(textCost(text));
    return text;
  };
  const room = (config: ProcessConfig): ProcessConfig => {
    if (config.args.length + config.env.size + config.preopens.length < ENTRIES_MAX) return config;
    return host.trap(`a config with more than ${ENTRIES_MAX} entries`);
  };
  return {
    config_add_environment_variable: (id: bigint, key: number, keyLength: number, value: number, length: number) => {
      const { env } = room(configOf(host, id));
      const [name, given] = [text(key, keyLength), text(value, length)];
      const before = env.get(name);
      if (before !== undefined) {
        host.process.resources.configText -= name.length + before.length;
        host.process.keep(-textCost(name) - textCost(before));
      }
      env.set(name, given);
    },
    config_add_command_line_argument: (id: bigint, pointer: number, length: number) => {
      room(configOf(host, id)).args.push(text(pointer, length));
    },
    config_preopen_dir: (id: bigint, pointer: number, length: number) => {
      room(configOf(host, id)).preopens.push(text(pointer, length));
    },
  };
}

/** A config of the running process. Traps if there is none of that number. */
export function configOf(host: Host, id: bigint): ProcessConfig {
  return host.enter().resources.configs.get(u64(id)) ?? host.trap(`there is no config ${u64(id)}`);
}

/** A new config: everything denied, nothing inherited. */
function noRights(): ProcessConfig {
  return {
    maxMemory: MEMORY_MAX,
    maxFuel: 0n,
    canCompileModules: false,
    canCreateConfigs: false,
    canSpawnProcesses: false,
    args: [],
    env: new Map(),
    preopens: [],
  };
}

/** What a child gets of what its config says: never more than its parent has. */
export function bounded(config: ProcessConfig, parent: ProcessConfig): ProcessConfig {
  return {
    ...config,
    maxMemory: Math.min(config.maxMemory, parent.maxMemory),
    maxFuel: least(config.maxFuel, parent.maxFuel),
    canCompileModules: config.canCompileModules && parent.canCompileModules,
    canCreateConfigs: config.canCreateConfigs && parent.canCreateConfigs,
    canSpawnProcesses: config.canSpawnProcesses && parent.canSpawnProcesses,
    args: [...config.args],
    env: new Map(config.env),
    preopens: [...config.preopens],
  };
}

/** The smaller fuel; 0 is none at all, which means no limit. */
function least(a: bigint, b: bigint): bigint {
  if (a === 0n || b === 0n) return a + b;
  return a < b ? a : b;
}
