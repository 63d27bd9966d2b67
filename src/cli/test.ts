// frenezulo test: the tests that `#[lunatic::test]` makes of a crate, each in an environment of its own.
import type { Exit } from "../../wire/exits.ts";
import { parseDuration } from "../config/units.ts";
import { FrenezuloError } from "../errors.ts";
import type { Program } from "../processes/program.ts";
import { after, sleep } from "../timer.ts";
import { type Command, textOf } from "./command.ts";
import { openProgram, programOptions } from "./run.ts";

/** A test by its export: `#lunatic_test_`, then `#ignore_` and `#panic_TEXT#` if they apply, then its path. */
const TEST = /^#lunatic_test_(?<ignore>#ignore_)?(?:#panic_(?<panic>(?:\\#|[^#])*)#)?(?<name>[^#].*)$/s;
const TIMEOUT = "60s";
/** On a busy machine the output of a process in another thread comes so much after the end that it brought about. ms */
const OUTPUT_MS = 3000;
const LOOK_MS = 20;

interface Test {
  readonly entry: string;
  readonly name: string;
  readonly isIgnored: boolean;
  /** What its output must contain before it fails; null: it must not fail. */
  readonly panic: string | null;
}

interface Failure {
  readonly name: string;
  readonly why: string;
  readonly output: string;
}

export const test: Command = {
  usage: "test FILE.wasm [FILTER…]",
  summary:
    "Runs the tests of a program for lunatic whose names contain one of the filters, one after the other. Output is shown\n" +
    "of those that fail. Exit code: 0, or 1 if one failed.",
  options: {
    ...programOptions,
    ignored: { type: "boolean", doc: "runs those that are marked #[ignore], and no others" },
    list: { type: "boolean", doc: "prints the names only" },
    nocapture: { type: "boolean", doc: "prints the output of all, as it comes" },
    timeout: { type: "string", value: "TIME", doc: `a test that runs longer has failed (${TIMEOUT})` },
  },
  async run([file = "", ...filters], values) {
    const timeoutMs = duration(textOf(values, "timeout") ?? TIMEOUT);
    const program = await openProgram(file, [], values, null);
    try {
      const all = testsOf(program.exports);
      const chosen = all.filter(({ name }) => filters.length === 0 || filters.some((filter) => name.includes(filter)));
      if (values.list === true) {
        for (const { name } of chosen) process.stdout.write(`${name}: test\n`);
        return 0;
      }
      return await runAll(program, chosen, {
        timeoutMs,
        filtered: all.length - chosen.length,
        isIgnored: values.ignored === true,
        isShown: values.nocapture === true,
      });
    } finally {
      await program.close();
    }
  },
};

/** In the order of their names, as cargo has them. */
function testsOf(exports: readonly string[]): Test[] {
  return exports
    .flatMap((entry) => {
      const { name, panic, ignore } = TEST.exec(entry)?.groups ?? {};
      if (name === undefined) return [];
      return { entry, name, isIgnored: ignore !== undefined, panic: panic?.replaceAll("\\#", "#") ?? null };
    })
    .sort((one, other) => (one.name < other.name ? -1 : 1));
}

interface RunOptions {
  readonly timeoutMs: number;
  readonly filtered: number;
  /** Those that are marked as ignored run, instead of the others. */
  readonly isIgnored: boolean;
  readonly isShown: boolean;
}

/** Prints as cargo test does. @returns the exit code */
async function runAll(program: Program, tests: readonly Test[], options: RunOptions): Promise<number> {
  const { isIgnored, filtered } = options;
  const say = (text: string): void => void process.stdout.write(`${text}\n`);
  const began = performance.now();
  const failures: Failure[] = [];
  let passed = 0;
  let ignored = 0;
  say(`\nrunning ${tests.length} test${tests.length === 1 ? "" : "s"}`);
  for (const one of tests) {
    const title = `test ${one.name}${one.panic === null ? "" : " - should panic"} ...`;
    if (one.isIgnored !== isIgnored) {
      ignored++;
      say(`${title} ignored`);
      continue;
    }
    const failure = await runOne(program, one, options);
    if (failure === null) passed++;
    else failures.push(failure);
    say(`${title} ${failure === null ? "ok" : "FAILED"}`);
  }
  if (failures.length > 0) {
    say("\nfailures:\n");
    for (const { name, why, output } of failures) say(`---- ${name} ----\n${output}${why}\n`);
    say(`\nfailures:\n${failures.map(({ name }) => `    ${name}`).join("\n")}`);
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(2);
  say(
    `\ntest result: ${failures.length === 0 ? "ok" : "FAILED"}. ${passed} passed; ${failures.length} failed; ` +
      `${ignored} ignored; 0 measured; ${filtered} filtered out; finished in ${seconds}s\n`,
  );
  return failures.length === 0 ? 0 : 1;
}

async function runOne(program: Program, { entry, name, panic }: Test, options: RunOptions): Promise<Failure | null> {
  const { timeoutMs, isShown } = options;
  let output = "";
  const take = (text: string): void => {
    output += text;
    if (isShown) process.stdout.write(text);
  };
  const late: Exit = { reason: "deadline", text: `it did not end within ${timeoutMs} ms` };
  let tooLate!: (exit: Exit) => void;
  const stopped = new Promise<Exit>((resolve) => {
    tooLate = resolve;
  });
  const timer = after(timeoutMs, () => tooLate(late));
  const exit = await program.run(
    entry,
    {
      onOutput: (_stream, text) => take(text.toString()),
      onFailure: (pid, failure) => take(`process ${pid}: ${failure.text}\n`),
    },
    stopped,
  );
  timer.cancel();
  const hasFailed = exit.reason !== "normal";
  const why = (text: string): Failure => ({ name, why: text, output: isShown ? "" : output });
  if (exit === late || (hasFailed && panic === null)) return why(`${exit.reason}: ${exit.text}`);
  if (panic === null) return null;
  if (!hasFailed) return why("it should have panicked");
  for (let ms = 0; ms < OUTPUT_MS && !output.includes(panic); ms += LOOK_MS) await sleep(LOOK_MS);
  return output.includes(panic) ? null : why(`it panicked, but its output does not contain ${JSON.stringify(panic)}`);
}

function duration(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined || ms <= 0) throw new FrenezuloError("bad_usage", { why: `--timeout ${text} is not a time` });
  return ms;
}
