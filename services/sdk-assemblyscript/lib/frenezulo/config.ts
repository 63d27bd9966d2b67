// What a child process may do and sees: a sandbox that never holds more than its parent's. lunatic-abi.md, section 2.7.
import {
  addArgument,
  addVariable,
  createConfig,
  dropConfig,
  preopenDir,
  setCanCompileModules,
  setCanCreateConfigs,
  setCanSpawnProcesses,
  setMaxFuel,
  setMaxMemory,
} from "./host";

/** A new one allows nothing and holds no variables, arguments and directories; each method adds to it. */
export class Config {
  readonly id: u64;

  /** Aborts where the process may not make configs. */
  constructor() {
    const id = createConfig();
    if (id < 0) abort("this process may not make configs");
    this.id = <u64>id;
  }

  /** Bytes of memory, in pages of 64 KiB. */
  maxMemory(bytes: u64): this {
    setMaxMemory(this.id, bytes);
    return this;
  }

  /** Computing, in units of about 100,000 instructions; 0: no limit. Beyond it the process fails. */
  maxFuel(units: u64): this {
    setMaxFuel(this.id, units);
    return this;
  }

  maySpawn(may: bool = true): this {
    setCanSpawnProcesses(this.id, u32(may));
    return this;
  }

  mayMakeConfigs(may: bool = true): this {
    setCanCreateConfigs(this.id, u32(may));
    return this;
  }

  mayCompile(may: bool = true): this {
    setCanCompileModules(this.id, u32(may));
    return this;
  }

  variable(name: string, value: string): this {
    const key = String.UTF8.encode(name);
    const text = String.UTF8.encode(value);
    addVariable(this.id, changetype<usize>(key), key.byteLength, changetype<usize>(text), text.byteLength);
    return this;
  }

  argument(text: string): this {
    const bytes = String.UTF8.encode(text);
    addArgument(this.id, changetype<usize>(bytes), bytes.byteLength);
    return this;
  }

  /** A directory that this process has, too. */
  directory(path: string): this {
    const bytes = String.UTF8.encode(path);
    preopenDir(this.id, changetype<usize>(bytes), bytes.byteLength);
    return this;
  }

  /** Forgets the config; processes that run with it keep what they have. */
  drop(): void {
    dropConfig(this.id);
  }
}
