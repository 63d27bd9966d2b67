// How the tests run: few files at a time, since two cores carry the tests and the nodes they start.
import { defineConfig } from "vitest/config";
import { PATIENCE_MS } from "./test/harness/patience.ts";
import { Summary } from "./test/summary.ts";

/** Where the results are written as JSON, besides being printed: .ci/run counts them. */
const report = process.env.TEST_REPORT;
/** A test that takes longer hangs. */
const WATCHDOG_MS = (process.env.TEST_LONG === "1" ? 6 : 2) * PATIENCE_MS;

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["**/node_modules/**", "test/guests/**"],
    pool: "forks",
    // As much as a carrier's thread has (src/carriers/carriers.ts): host functions ask for headroom. KiB
    execArgv: ["--stack-size=1856"],
    maxWorkers: 2,
    // No test depends on the speed of the machine: these end what hangs, and nothing is tried twice.
    testTimeout: WATCHDOG_MS,
    hookTimeout: WATCHDOG_MS,
    teardownTimeout: WATCHDOG_MS,
    expect: { poll: { timeout: PATIENCE_MS, interval: 20 } },
    reporters: [new Summary(), ...(report ? [["json", { outputFile: report }] as const] : [])],
  },
});
