// frenezulo up: runs a node until it is told to stop. Signals: the first drains, the second ends at once.
import { watch } from "node:fs";
import { basename, dirname } from "node:path";
import { settingsTable } from "../config/describe.ts";
import { type EffectiveSetting, type LoadedConfig, loadConfig } from "../config/load.ts";
import { asFrenezuloError, FrenezuloError } from "../errors.ts";
import { type Log, openLog } from "../log/log.ts";
import { type Command, columns, textOf } from "./command.ts";

/** A signal to a process group comes twice: from the group, and passed on by `npm start`. That is no second signal. */
const repeatMs = 100;
/** How long a file must be left alone to count as saved. */
const savedMs = 100;
/** How long the last log lines may take to be written. */
const flushMs = 1_000;

const TOO_MANY_ZOMBIES =
  "more threads than limits.zombies could not be ended: the node drains and exits with a failure, to be started again";

export const up: Command = {
  usage: "up [options]",
  summary:
    "Runs a node. SIGTERM or SIGINT drains it: exit code 0, or 1 if a request was cut. A second one ends it at once.",
  options: {
    config: {
      type: "string",
      value: "FILE",
      doc: "the config file (frenezulo.toml, if it is there); or FRENEZULO_CONFIG",
    },
    listen: {
      type: "string",
      value: "ADDR",
      doc: "where services are served: 127.0.0.1:3000, unix:/path; port 0: any",
    },
    "admin-listen": { type: "string", value: "ADDR", doc: "an address of its own for the admin routes" },
    data: { type: "string", value: "DIR", doc: "folder of the store" },
    watch: { type: "boolean", doc: "read the config again whenever its file is saved (as SIGHUP does)" },
    verbose: { type: "boolean", doc: "print all settings in force, also those left at their defaults" },
  },
  details: () => {
    const rows = settingsTable().map((row) => [row.name, row.default, row.env, row.doc]);
    const head =
      "Settings of frenezulo.toml, defaults, variables; a flag goes before a variable, a variable before the file:";
    return `${head}\n\n${columns(rows)}`;
  },
  async run(_given, values) {
    const flags = {
      listen: textOf(values, "listen"),
      "admin-listen": textOf(values, "admin-listen"),
      data: textOf(values, "data"),
    };
    const file = textOf(values, "config");
    const load = (): Promise<LoadedConfig> => loadConfig({ file, flags, env: process.env, cwd: process.cwd() });
    const loaded = await load();
    const { config, effective, warnings } = loaded;
    const log = openLog(config.log);
    for (const text of warnings) log.warn({}, text);
    tellSettings(log, effective, values.verbose === true || config.log.level === "debug");
    if (values.watch === true && loaded.file === null) {
      throw new FrenezuloError("bad_usage", { why: "--watch needs a config file; give one with --config" });
    }
    const code = await serve(loaded, log, loaded.file === null ? null : load, values.watch === true);
    await log.flush(flushMs);
    // What still has a handle (a zombie thread, a stuck pipe) must not keep a node that is done.
    process.exit(code);
  },
};

async function serve(
  loaded: LoadedConfig,
  log: Log,
  reread: (() => Promise<LoadedConfig>) | null,
  isWatching: boolean,
): Promise<number> {
  const { config } = loaded;
  const stops = stopSignals();
  // From now on, since its default ends the process.
  let reload = (): void => log.info({}, "SIGHUP while the node starts: the config has just been read");
  process.on("SIGHUP", () => reload());
  try {
    const { startNode } = await import("../node/node.ts");
    const node = await Promise.race([startNode(loaded, log, reread), stops.first.then(() => undefined)]);
    if (node === undefined) {
      log.warn({}, "stopped while it started");
      return 1;
    }
    reload = () => void node.reload().catch((thrown: unknown) => log.error({}, reloadFailure(thrown)));
    const scheme = config.listen.tls.cert === undefined ? "http" : "https";
    const url = (address: string, of = "http"): string =>
      address.startsWith("unix:") ? address : `${of}://${address}`;
    if (isWatching && loaded.file !== null) watchFile(loaded.file, reload);
    log.info({}, `listening on ${url(node.addresses.listen, scheme)}`);
    if (node.addresses.admin !== null) log.info({}, `admin on ${url(node.addresses.admin)}`);

    const signal = await Promise.race([stops.first, node.failed]);
    if (typeof signal !== "string") log.error({ limit: config.limits.zombies, zombies: signal }, TOO_MANY_ZOMBIES);
    else log.info({ signal }, "draining; a second signal ends the node at once");
    const drained = await Promise.race([node.drain(), stops.second.then(() => undefined)]);
    if (drained === undefined) log.warn({}, "stopped at once");
    else {
      const { cut } = drained;
      const text = cut === 0 ? "drained: every request was answered" : "drained: requests were cut at the deadline";
      log.info({ cut }, text);
    }
    if (node.threadsLeft > 0) await killOneself(node.threadsLeft, log);
    return typeof signal === "string" && drained?.cut === 0 ? 0 : 1;
  } finally {
    await log.flush(flushMs);
  }
}

/** process.exit() waits for every thread, so for one that cannot be ended for ever (M). SIGKILL waits for none. */
async function killOneself(threads: number, log: Log): Promise<void> {
  log.error({ threads }, "threads could not be ended: the node kills itself");
  await log.flush(flushMs);
  process.kill(process.pid, "SIGKILL");
}

function reloadFailure(thrown: unknown): string {
  return `the config was not taken over, nothing has changed: ${asFrenezuloError(thrown).message}`;
}

/** Calls back when a file has been saved, also by a new file in its place. Editors write in several steps: one call. */
function watchFile(path: string, onSaved: () => void): void {
  let timer: NodeJS.Timeout | undefined;
  watch(dirname(path), (_kind, name) => {
    if (name !== null && name !== basename(path)) return;
    clearTimeout(timer);
    timer = setTimeout(onSaved, savedMs);
  });
}

/** The settings that somebody gave, each with its source; all of them if asked for. */
function tellSettings(log: Log, effective: readonly EffectiveSetting[], isAll: boolean): void {
  const told = effective.filter(({ from }) => isAll || from !== "default");
  const settings = Object.fromEntries(told.map(({ name, value, from }) => [name, `${value} (${from})`]));
  log.info(settings, isAll ? "settings in force" : "settings in force (all others are defaults; --verbose tells them)");
}

function stopSignals(): { readonly first: Promise<NodeJS.Signals>; readonly second: Promise<NodeJS.Signals> } {
  let [onFirst, onSecond]: ((signal: NodeJS.Signals) => void)[] = [];
  const first = new Promise<NodeJS.Signals>((resolve) => {
    onFirst = resolve;
  });
  const second = new Promise<NodeJS.Signals>((resolve) => {
    onSecond = resolve;
  });
  let firstMs: number | undefined;
  const take = (signal: NodeJS.Signals): void => {
    if (firstMs === undefined) {
      firstMs = performance.now();
      onFirst?.(signal);
    } else if (performance.now() - firstMs >= repeatMs) onSecond?.(signal);
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, take);
  return { first, second };
}
