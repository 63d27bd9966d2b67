// How the tests run: few files at a time, since two cores carry the tests and the nodes they start.
import { defineConfig } from "vitest/config";
import { skipsReporter } from "./test/skips.ts";

/** Where the results are written as JSON, besides being printed: .ci/run counts them. */
const report = process.env.TEST_REPORT;

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["**/node_modules/**", "test/guests/**"],
    pool: "forks",
    // As much as a carrier's thread has (src/carriers/carriers.ts): host functions ask for headroom. KiB
    execArgv: ["--stack-size=1856"],
    maxWorkers: 2,
    // Where other work holds a machine up, timing alone must fail nothing. A fault that shows every second time still
    // fails, and what was retried is told.
    retry: process.env.CI ? 1 : 0,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    reporters: ["default", skipsReporter, ...(report ? [["json", { outputFile: report }] as const] : [])],
  },
});
