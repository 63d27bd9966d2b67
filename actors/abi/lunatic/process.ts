// lunatic::process: spawning, links, monitors, kill, modules (lunatic-abi.md §1.2, §2). Configs are in config.ts.

import { ASK } from "../../../wire/asks.ts";
import type { EntryCall, Parameter } from "../../instances/entry.ts";
import type { ProcessConfig } from "../../processes/resources.ts";
import { failure } from "../error.ts";
import { type Host, type HostFunctions, u64 } from "../host.ts";
import { pidOf } from "../pid.ts";
import type { SpawnOutcome } from "../processes.ts";
import { bounded, configOf } from "./config.ts";
import { namePayload, readName } from "./registry.ts";

/**
 * Notices of ends are never refused (DECISIONS 9.5): so nobody may ask for more of them than it can hold, unread ones
 * included.
 * @param asked links or monitors that it has
 */
function assertNotices(host: Host, asked: number, text: string): void {
  const { limits, mailbox } = host.process;
  const most = limits.resourcesMax * 16;
  if (asked >= most) host.trap(text);
  if (asked + mailbox.length >= most + limits.messagesMax) host.trap("it has not read of too many ends");
}

/** A parameter of a spawn: one byte of type, and the value in 16 (lunatic-abi.md §2.2). */
const PARAM_BYTES = 17;
const TYPE_I32 = 0x7f;
const TYPE_I64 = 0x7e;
const TYPE_V128 = 0x7b;
const PARAMS_MAX = 1000;
/** Children that have not run yet are kept with it. */
const NAME_BYTES_MAX = 4096;
const INHERIT = 0xffff_ffff_ffff_ffffn;
/** Results of get_or_spawn. */
const SPAWNED = 0;
const FOUND = 2;

export function processFunctions(host: Host): HostFunctions {
  const tell = (): ReturnType<typeof host.services.processes.tell> => host.services.processes.tell(host.process);

  /** Everything of a spawn that can be wrong traps here, before anything happens. */
  const request = (
    link: bigint,
    config: bigint,
    module: bigint,
    name: [pointer: number, length: number],
    params: [pointer: number, length: number],
  ) => {
    const process = host.enter();
    if (host.instance === null || process.isStarting) host.trap("a spawn while the module starts");
    const rights = host.services.processes.rightsOf(process);
    if (!rights.canSpawnProcesses) host.trap("it may not spawn processes");
    const key =
      u64(module) === INHERIT
        ? null
        : (process.resources.modules.get(u64(module))?.key ?? host.trap(`there is no module ${u64(module)}`));
    const given = u64(config) === INHERIT ? null : bounded(configOf(host, config), rights);
    checkPreopens(host, given, rights);
    if (link !== 0n) assertNotices(host, process.links.size, "it has too many links");
    if (name[1] >>> 0 > NAME_BYTES_MAX) host.trap(`a function's name of more than ${NAME_BYTES_MAX} bytes`);
    const entry: EntryCall = { name: host.text(...name), params: readParams(host, ...params) };
    return { module: key, config: given, entry, link: u64(link) };
  };

  const spawn = (wanted: ReturnType<typeof request>, done: (outcome: SpawnOutcome) => number): number => {
    const outcome = host.services.processes.spawn(host.process, wanted);
    return host.wait(outcome, Number.POSITIVE_INFINITY, (value) => done(value as SpawnOutcome));
  };

  return {
    process_id: () => {
      host.pidAsked = true;
      return BigInt(host.enter().pid);
    },
    environment_id: () => BigInt(host.enter().environment),
    sleep_ms: (ms: bigint) => {
      host.enter();
      return host.wait(
        () => undefined,
        Number(u64(ms)),
        () => undefined,
      );
    },
    spawn: (
      link: bigint,
      config: bigint,
      module: bigint,
      name: number,
      nameLength: number,
      params: number,
      paramsLength: number,
      out: number,
    ) => {
      host.enter();
      host.range(out, 8);
      return spawn(request(link, config, module, [name, nameLength], [params, paramsLength]), (outcome) => {
        if ("error" in outcome) return failure(host, out, outcome.error);
        host.writeU64(out, BigInt(outcome.pid));
        return SPAWNED;
      });
    },
    get_or_spawn: (
      namePointer: number,
      nameLength: number,
      link: bigint,
      config: bigint,
      module: bigint,
      entry: number,
      entryLength: number,
      params: number,
      paramsLength: number,
      nodeOut: number,
      out: number,
    ) => {
      const name = readName(host, namePointer, nameLength);
      host.range(nodeOut, 8);
      host.range(out, 8);
      host.process.reserved = name; // until it is found or put: a trap that is caught gives it up
      return host.ask(ASK.name_claim, namePayload(0n, name), (answer) => {
        const found = Buffer.from(answer as Uint8Array).readBigUInt64LE(0);
        const { process } = host;
        const write = (result: number, pid: bigint): number => {
          process.reserved = null;
          host.writeU64(nodeOut, 0n);
          host.writeU64(out, pid);
          return result;
        };
        if (found !== 0n) return write(FOUND, found);
        const wanted = request(link, config, module, [entry, entryLength], [params, paramsLength]);
        return spawn(wanted, (outcome) => {
          if ("error" in outcome) {
            const { error } = outcome;
            return host.ask(ASK.name_unclaim, namePayload(0n, name), () => {
              process.reserved = null;
              return failure(host, out, error);
            });
          }
          const born = BigInt(outcome.pid);
          return host.ask(ASK.name_put, namePayload(born, name), () => write(SPAWNED, born));
        });
      });
    },
    die_when_link_dies: (dies: number) => {
      host.enter().diesWithLinks = dies !== 0;
    },
    link: (tag: bigint, other: bigint) => {
      const process = host.enter();
      assertNotices(host, process.links.size, "it has too many links");
      process.link(pidOf(other), u64(tag), tell());
      host.enter(); // there may be no such process, which ends this one
    },
    unlink: (other: bigint) => host.enter().unlink(pidOf(other), tell()),
    monitor: (other: bigint) => {
      const process = host.enter();
      assertNotices(host, process.watched.size, "it monitors too many processes");
      process.monitor(pidOf(other), tell());
    },
    stop_monitoring: (other: bigint) => host.enter().stopMonitoring(pidOf(other), tell()),
    kill: (other: bigint) => {
      host.services.processes.kill(host.enter(), pidOf(other));
      host.enter(); // it may have been itself, or linked
    },
    exists: (other: bigint) =>
      host.wait(host.services.processes.exists(host.enter(), pidOf(other)), Number.POSITIVE_INFINITY, (isThere) =>
        isThere ? 1 : 0,
      ),
    compile_module: (pointer: number, length: number, out: number) => {
      const process = host.enter();
      if (!host.services.processes.rightsOf(process).canCompileModules) return -1;
      host.range(out, 8);
      return host.ask(ASK.compile, host.slice(pointer, length), (answer) => {
        const [status, ...rest] = answer as Uint8Array;
        const text = Buffer.from(rest).toString("utf8");
        if (status !== 0) return failure(host, out, text);
        const id = process.resources.modules.add({ kind: "module", key: text });
        if (id === null) return host.trap("it has too many modules");
        host.writeU64(out, id);
        return 0;
      });
    },
    drop_module: (id: bigint) => {
      if (!host.enter().resources.modules.remove(u64(id))) host.trap(`there is no module ${u64(id)}`);
    },
  };
}

function readParams(host: Host, pointer: number, length: number): Parameter[] {
  const bytes = host.slice(pointer, length);
  const count = bytes.length / PARAM_BYTES;
  if (!Number.isInteger(count) || count > PARAMS_MAX) {
    return host.trap(`${bytes.length} bytes are no list of parameters of ${PARAM_BYTES} bytes each`);
  }
  return Array.from({ length: count }, (_, i) => {
    const at = i * PARAM_BYTES;
    switch (bytes[at]) {
      case TYPE_I32:
        return bytes.readInt32LE(at + 1);
      case TYPE_I64:
        return bytes.readBigInt64LE(at + 1);
      case TYPE_V128:
        return { v128: bytes.toString("hex", at + 1, at + PARAM_BYTES) };
      default:
        return host.trap(`a parameter of type 0x${bytes[at]?.toString(16)}, which is neither i32, i64 nor v128`);
    }
  });
}

/** A child's directories must be its parent's. */
function checkPreopens(host: Host, config: ProcessConfig | null, parent: ProcessConfig): void {
  const foreign = config?.preopens.find((path) => !parent.preopens.includes(path));
  if (foreign !== undefined) host.trap(`the directory ${foreign} is not among those it has itself`);
}
