// Programs built with the published lunatic crate, run by the built node: the crate's own tests of three eras, tests of
// ours, a supervisor, TCP, SQLite by the crate's client, and what `frenezulo run` gives a program.
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { whySkipped } from "../guests/guests.ts";
import { frenezulo, type ProgramEnd } from "../harness/frenezulo-run.ts";
import { PATIENCE_MS } from "../harness/patience.ts";

const here = import.meta.dirname;
const build = join(here, "../guests/build");
const missing = whySkipped("rust-program");
const module = (name: string): string => join(build, `rust-${name}.wasm`);

/** On a busy machine 10 ms are often not enough. */
const TRIES = 10;
const crateTests = [14, 12, 11] as const;

/** Names of the tests among a module's exports (`#[lunatic::test]`): "#lunatic_test_#panic_TEXT#crate::name". */
function testsOf(name: string): string[] {
  if (missing !== undefined) return [];
  return WebAssembly.Module.exports(new WebAssembly.Module(readFileSync(module(name)))).flatMap(
    ({ name: entry }) => /^#lunatic_test_(?:#panic_(?:\\#|[^#])*#)?([^#]+)$/.exec(entry)?.[1] ?? [],
  );
}

/** Tests of the crate that cannot show anything here, by the end of their names, and why. */
const notShown: readonly [RegExp, string][] = [
  [/_1[12]::config::config_with_memory_limit$/, "its 80 kB fit into the memory that a release build leaves"],
  [/_1[12]::config::config_with_compute_limit$/, "a release build computes its loop when it is compiled"],
  [
    /::supervisor::(one|two|four)_failing_process|::env_var_config$/,
    "gives 10 ms for a restart: see program supervise",
  ],
  [/::request_timeout$/, "gives 10 ms for an answer"],
];

describe.skipIf(missing !== undefined)("programs", () => {
  const run = (...args: string[]): Promise<ProgramEnd> => frenezulo(["run", module("program"), ...args]);

  it("get their arguments and variables", async () => {
    const { stdout, code } = await frenezulo([
      "run",
      "--env",
      "A=1",
      "--env",
      "B=x=y",
      module("program"),
      "args",
      "two",
      "",
    ]);
    expect(stdout).toBe("argument args\nargument two\nargument \nvariable A=1\nvariable B=x=y\n");
    expect(code).toBe(0);
  });

  it("end with their first process, whatever others do", async () => {
    expect(await run("ok")).toEqual({
      code: 0,
      signal: null,
      stdout: "from the child\nfrom the first process\n",
      stderr: "from the child's standard error\n",
    });
  });

  it("end with the code they exit with", async () => {
    expect((await run("exit", "0")).code).toBe(0);
    expect((await run("exit", "3")).code).toBe(3);
  });

  it("end with 1 after a panic, with its message and the names of its functions", async () => {
    const { code, stdout, stderr } = await run("panic");
    expect(code).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).toContain("the program's own panic");
    expect(stderr).toContain("function_with_a_name");
  });

  it("end with 1 when a linked process panics", async () => {
    const { code, stderr } = await run("link");
    expect(code).toBe(1);
    expect(stderr).toContain("the child's panic");
  });

  it("are supervised by lunatic-rs: a child that panics is there again", async () => {
    const { code, stdout } = await run("supervise");
    expect(stdout).toBe("restarted 1\nrestarted 2\nrestarted 3\nshut down\n");
    expect(code).toBe(0);
  });

  it("serve TCP with a process for each connection", async () => {
    const allowed = ["--listen", "127.0.0.1:*", "--connect", "127.0.0.1:*"];
    const { code, stdout, stderr } = await frenezulo(["run", ...allowed, module("echo"), "both", "127.0.0.1:0", "20"]);
    expect(stdout, stderr).toMatch(/^listening on 127\.0\.0\.1:\d+\n20 clients were answered\n$/);
    expect(code).toBe(0);
    expect((await frenezulo(["run", module("echo"), "serve", "127.0.0.1:0"])).stdout).toMatch(/^error: not allowed/);
  });

  it.each([
    ["spawn", "200"],
    ["alive", "100", "100"],
    ["ping", "2000"],
    ["ring", "100", "20"],
    ["idle", "500", "0"],
    ["skynet", "1000"],
  ])("measure themselves: bench %s", async (...args) => {
    const { code, stdout, stderr } = await frenezulo(["run", module("bench"), ...args]);
    expect(stderr).toBe("");
    expect(stdout).toContain(`{"name":"${args[0]}`);
    expect(code).toBe(0);
  });
});

describe.skipIf(missing !== undefined)("frenezulo test", () => {
  it("prints as cargo test does", async () => {
    const { code, stdout } = await frenezulo(["test", module("matrix"), "panic", "ignored"]);
    expect(stdout.replace(/ \d+\.\d\ds/, " 0.00s")).toBe(
      "\nrunning 3 tests\n" +
        "test matrix::an_ignored_test ... ignored\n" +
        "test matrix::catch_panic_of_a_process_that_waits ... ok\n" +
        "test matrix::the_message_of_a_panic_is_seen - should panic ... ok\n\n" +
        "test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 11 filtered out; finished in 0.00s\n\n",
    );
    expect(code).toBe(0);
  });

  it("shows the output of a test that fails, and ends with 1", async () => {
    const { code, stdout } = await frenezulo(["test", "--ignored", module("matrix"), "an_ignored_test"]);
    expect(stdout).toContain("test matrix::an_ignored_test ... FAILED\n");
    expect(stdout).toContain("---- matrix::an_ignored_test ----\nthread '<unnamed>' panicked at 'it must not run'");
    expect(stdout).toContain("test result: FAILED. 0 passed; 1 failed; 0 ignored;");
    expect(code).toBe(1);
  });

  it("lists names", async () => {
    const { stdout } = await frenezulo(["test", "--list", module("matrix")]);
    expect(stdout.split("\n").filter((line) => line !== "")).toEqual(
      [...testsOf("matrix"), "matrix::an_ignored_test"].sort().map((name) => `${name}: test`),
    );
  });
});

describe.skipIf(missing !== undefined).each(["matrix", "sqlite", ...crateTests.map((era) => `crate-tests-${era}`)])(
  "%s",
  (name) => {
    const outcomes = new Map<string, string>();
    let last: ProgramEnd;
    let folder: string;
    const allowed = ["--dir", ".", "--listen", "127.0.0.1:*", "--connect", "127.0.0.1:*"];
    // The crate's tests sleep 10 ms where something must have happened: what fails is tried again by itself.
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), "frenezulo-rust-"));
      let filters: string[] = [];
      for (let tries = 0; tries < TRIES; tries++) {
        const files = join(folder, String(tries));
        mkdirSync(files);
        const options = ["--timeout", "5m", ...allowed, "--dir", `${files}::/db`];
        last = await frenezulo(["test", ...options, module(name), ...filters], 2 * PATIENCE_MS);
        for (const [, test, outcome] of last.stdout.matchAll(/^test (\S+)(?: - should panic)? \.\.\. (\w+)$/gm)) {
          outcomes.set(test!, outcome!);
        }
        filters = [...outcomes].flatMap(([test, outcome]) => (outcome === "FAILED" ? test : []));
        if (filters.length === 0) return;
      }
    });

    afterAll(() => rmSync(folder, { recursive: true }));

    it.each(testsOf(name).filter((test) => !notShown.some(([pattern]) => pattern.test(test))))("%s", (test) => {
      expect(outcomes.get(test), `${last.stdout}\n${last.stderr}`).toBe("ok");
    });
  },
);
