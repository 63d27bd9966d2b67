// What processes ask of the main thread: operations, their payloads, their answers.

/** Operations that processes ask of the main thread. */
export const ASK = {
  /** Names of an environment: u64 pid, then the name. get answers the u64 pid, 0: there is none. */
  name_put: 1,
  name_get: 2,
  name_remove: 3,
  /** As name_get, and if there is none the name is the asker's to put; others wait until then. */
  name_claim: 4,
  /** Gives up what name_claim gave the asker; nothing if the name is not its to put. */
  name_unclaim: 7,
  /** A process that cannot be made in the asking carrier as it is: SpawnSpec as JSON; answers as SPAWNED says. */
  spawn: 5,
  /** Bytes of a module; answers its key. */
  compile: 6,
  /** The next piece of standard input; empty: its end. */
  stdin: 9,
  /** Asked of the carrier it lives in: the u64 pid of a process; answers 1 if it lives, else 0. */
  exists: 8,
} as const;

/** The function that a process begins with, as JSON. Each parameter is its type and its value. */
export interface EntrySpec {
  readonly name: string;
  readonly params: readonly (readonly ["i32" | "i64" | "v128", string])[];
}

/** First byte of the answer to a spawn. made: its u64 pid follows. here: its carrier makes it, of the module named. */
export const SPAWNED = { made: 0, here: 1, failed: 2 } as const;

/** A process that is to be made elsewhere, as JSON. */
export interface SpawnSpec {
  readonly module: string;
  readonly rights: RightsSpec;
  readonly entry: EntrySpec;
  /** Reply pid of the request that it is a part of; 0: none. */
  readonly root: number;
  readonly link: { readonly pid: number; readonly tag: string } | null;
}

/** What a process may do, as JSON (resources.ts, ProcessConfig). */
export interface RightsSpec {
  readonly maxMemory: number;
  readonly maxFuel: string;
  readonly canCompileModules: boolean;
  readonly canCreateConfigs: boolean;
  readonly canSpawnProcesses: boolean;
  readonly args: readonly string[];
  readonly env: readonly (readonly [string, string])[];
  readonly preopens: readonly string[];
}

export const ANSWER = { ok: 0, failed: 1 } as const;
