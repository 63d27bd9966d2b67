// Entry of the program `frenezulo`: picks the verb and prints what went wrong on one line.
import "./engine.ts"; // first: its flags hold for what is compiled after them

import { type Command, columns, runCommand } from "./cli/command.ts";
import { nearest } from "./config/nearest.ts";
import { assertEngine } from "./engine.ts";
import { asFrenezuloError, FrenezuloError } from "./errors.ts";

/** Loaded when they are used: `ls` needs no store and no compiler. */
const verbs: Readonly<Record<string, { readonly summary: string; readonly load: () => Promise<Command> }>> = {
  up: { summary: "run a node", load: async () => (await import("./cli/up.ts")).up },
  add: { summary: "add or replace a service", load: async () => (await import("./cli/add.ts")).add },
  ls: { summary: "list the services", load: async () => (await import("./cli/ls.ts")).ls },
  rm: { summary: "remove a service", load: async () => (await import("./cli/rm.ts")).rm },
  rollback: { summary: "serve an earlier version", load: async () => (await import("./cli/rollback.ts")).rollback },
  tree: { summary: "show the supervision tree", load: async () => (await import("./cli/tree.ts")).tree },
  reload: { summary: "read the config again", load: async () => (await import("./cli/reload.ts")).reload },
  run: { summary: "run a program for lunatic", load: async () => (await import("./cli/run.ts")).run },
  test: { summary: "run the tests of a program for lunatic", load: async () => (await import("./cli/test.ts")).test },
  check: { summary: "validate config and modules", load: async () => (await import("./cli/check.ts")).check },
};

async function main([verb, ...args]: readonly string[]): Promise<number> {
  assertEngine();
  if (verb === undefined || verb === "--help" || verb === "help") {
    const rows = Object.entries(verbs).map(([name, { summary }]) => [name, summary]);
    const text = `Usage: frenezulo VERB [options]\n\n${columns(rows)}\n\nfrenezulo VERB --help says more.\n`;
    (verb === undefined ? process.stderr : process.stdout).write(text);
    return verb === undefined ? 2 : 0;
  }
  if (!Object.hasOwn(verbs, verb)) {
    const guess = nearest(verb, Object.keys(verbs), 2);
    const names = guess === "" ? `there are ${Object.keys(verbs).join(", ")}.` : `did you mean "${guess}"?`;
    throw new FrenezuloError("bad_usage", {
      why: `There is no verb ${JSON.stringify(verb)}; ${names} See frenezulo --help`,
    });
  }
  const { load } = verbs[verb] as { load: () => Promise<Command> };
  return runCommand(await load(), args);
}

/** One line, or one JSON object where a script reads it. */
function tell(error: unknown, isJson: boolean): number {
  const isOurs = error instanceof Error && "code" in error && typeof error.code === "string";
  const failure = isOurs ? (error as Error & { code: string }) : asFrenezuloError(error);
  const cause = failure.code === "internal" && failure.cause instanceof Error ? ` (${failure.cause.message})` : "";
  const message = `${failure.message}${cause}`.replace(/\s+/g, " ");
  const text = isJson ? JSON.stringify({ error: { code: failure.code, message } }) : `frenezulo: ${message}`;
  process.stderr.write(`${text}\n`);
  return failure.code === "bad_usage" ? 2 : 1;
}

/** What a shell says of a program that SIGPIPE has ended. Node ignores that signal. */
const READER_GONE = 128 + 13;

/** Whoever read our output has gone, as in `frenezulo run FILE | head`: that ends us, without a word. */
function endWithReader(): void {
  for (const stream of [process.stdout, process.stderr])
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") process.exit(READER_GONE);
      if (stream === process.stdout) tell(error, false);
      process.exit(1);
    });
}

const args = process.argv.slice(2);
if (args[0] !== "up") endWithReader(); // a node's log does without its reader (log/destination.ts)
process.exitCode = await main(args).catch((error: unknown) => tell(error, args.includes("--json")));
