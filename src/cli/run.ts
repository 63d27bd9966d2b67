// frenezulo run: a program for lunatic, by itself: `_start` is its first process.
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import type { Exit } from "../../wire/exits.ts";
import { preopensOf } from "../config/dirs.ts";
import { networkProblems } from "../config/network.ts";
import { parseSize } from "../config/units.ts";
import { FrenezuloError, reasonOf } from "../errors.ts";
import { LightFiles } from "../modules/light-cache.ts";
import { HANDSHAKES_MAX, NODE_SOCKETS_MAX } from "../networking/limits.ts";
import type { NetworkSettings } from "../networking/policy.ts";
import { Program } from "../processes/program.ts";
import { type Command, textOf, textsOf } from "./command.ts";

export const programOptions: Command["options"] = {
  listen: { type: "string", multiple: true, value: "A", doc: "what it may listen on, as 127.0.0.1:8080 or 0.0.0.0:*" },
  connect: { type: "string", multiple: true, value: "A", doc: "what it may connect to, as api.example.com:443" },
  env: { type: "string", multiple: true, value: "K=V", doc: "an environment variable of its processes" },
  dir: {
    type: "string",
    multiple: true,
    value: "D[:ro]",
    doc: "a directory that its processes may use, or HOST::GUEST[:ro]",
  },
  "max-memory": { type: "string", value: "M", doc: "memory of a process at most, as 64MiB (the default is 256MiB)" },
};

const MEMORY_MAX = "256MiB";

export const run: Command = {
  usage: "run FILE.wasm [ARGS…]",
  summary:
    "Runs a program for lunatic: _start is its first process. Output of all its processes goes to the terminal.\n" +
    "Exit code: 0, that of proc_exit, or 1 after a trap. Arguments after -- are the program's, whatever they look like.",
  options: programOptions,
  async run([file = "", ...args], values) {
    const program = await openProgram(file, args, values, process.stdin);
    try {
      if (!program.exports.includes("_start")) {
        const why = program.exports.includes("frenezulo_main")
          ? "it is a service, and `frenezulo add` adds it to a node"
          : "its first process would run that";
        throw new FrenezuloError("bad_usage", {
          why: `${basename(file)} exports no _start, so it cannot be run: ${why}`,
        });
      }
      const exit = await program.run("_start", {
        onOutput: (stream, text) => void (stream === 1 ? process.stdout : process.stderr).write(Buffer.from(text)),
        onFailure: (pid, failure) => void process.stderr.write(`process ${pid}: ${failure.text}\n`),
      });
      if (exit.reason !== "normal" && exit.reason !== "exit") process.stderr.write(`${failureText(file, exit)}\n`);
      return exitCode(exit);
    } finally {
      await program.close();
    }
  },
};

/** @throws bad_usage, and as intake */
export async function openProgram(
  file: string,
  args: readonly string[],
  values: Parameters<Command["run"]>[1],
  stdin: NodeJS.ReadableStream | null,
): Promise<Program> {
  const bytes = await readFile(file).catch((thrown: unknown) => {
    throw new FrenezuloError("bad_usage", { why: `${file} cannot be read: ${reasonOf(thrown)}` });
  });
  return Program.open({
    name: basename(file),
    bytes,
    args: [file, ...args],
    stdin,
    env: Object.fromEntries(textsOf(values, "env").map(variable)),
    preopens: preopensOf(textsOf(values, "dir"), process.cwd()),
    network: network(textsOf(values, "connect"), textsOf(values, "listen")),
    memoryBytesMax: memory(textOf(values, "max-memory") ?? MEMORY_MAX),
    cache: new LightFiles(join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "frenezulo", "light")),
  });
}

function memory(text: string): number {
  const bytes = parseSize(text);
  if (bytes === undefined || bytes < 65_536 || bytes > 2 ** 28) {
    throw new FrenezuloError("bad_usage", { why: `--max-memory ${text} is not a size from 64KiB to 256MiB` });
  }
  return bytes;
}

function network(connect: readonly string[], listen: readonly string[]): NetworkSettings {
  const [problem] = networkProblems({ connect, listen });
  if (problem !== undefined) throw new FrenezuloError("bad_usage", { why: problem.text.replace("network.", "--") });
  return { connect, listen, sockets: NODE_SOCKETS_MAX, handshakes: HANDSHAKES_MAX };
}

function variable(text: string): [string, string] {
  const at = text.indexOf("=");
  if (at < 1) throw new FrenezuloError("bad_usage", { why: `--env ${text} is not of the form NAME=VALUE` });
  return [text.slice(0, at), text.slice(at + 1)];
}

export function failureText(file: string, exit: Exit): string {
  return `frenezulo: ${basename(file)} ended: ${exit.reason}: ${exit.text}`;
}

/** 0; the code of proc_exit; 1 after everything else. */
export function exitCode({ reason, text }: Exit): number {
  if (reason === "normal") return 0;
  return reason === "exit" ? Number(text) & 0xff : 1;
}
