// Reporter for vitest: a line for each file that fails or is slow, and at the end five: what passed, what was skipped
// and why (a line a reason), how long it took, and what to run again. What npm test begins with is in build.mjs.
import { availableParallelism, loadavg } from "node:os";
import { DefaultReporter, type TestModule, type TestSpecification } from "vitest/node";

/** A file that takes longer gets a line. ms */
const SLOW_MS = 60_000;
/** With fewer files each gets a line. */
const FEW = 10;
const PROGRESS_EVERY = 10;
const UNTOLD = "the condition of a skipIf; what was not built, and why, is said above the tests";

export class Summary extends DefaultReporter {
  #modules: readonly TestModule[] = [];
  #wanted = 0;
  #ended = 0;

  constructor() {
    super({ summary: false });
  }

  override onTestRunStart(specifications: readonly TestSpecification[]): void {
    super.onTestRunStart(specifications);
    this.#wanted = specifications.length;
    this.#ended = 0;
    this.log(`${this.#wanted} test ${this.#wanted === 1 ? "file" : "files"}`);
  }

  override onTestRunEnd(...args: Parameters<DefaultReporter["onTestRunEnd"]>): void {
    this.#modules = args[0];
    super.onTestRunEnd(...args);
  }

  override printTestModule(module: TestModule): void {
    this.#ended++;
    const { duration } = module.diagnostic();
    const tests = [...module.children.allTests()];
    const failed = tests.filter((test) => test.result().state === "failed");
    const counts = failed.length === 0 ? `${tests.length} tests` : `${failed.length} of ${tests.length} tests`;
    const told = `${module.relativeModuleId}: ${counts}, ${timeOf(duration)}`;
    if (!module.ok()) this.log(`failed  ${told}`);
    else if (this.#wanted < FEW) this.log(`passed  ${told}`);
    else if (duration > SLOW_MS) this.log(`slow    ${told}`);
    for (const test of failed) {
      this.log(`        ${test.fullName}: ${(test.result().errors?.[0]?.message ?? "").split("\n", 1)[0]}`);
    }
    if (this.#ended % PROGRESS_EVERY === 0) {
      this.log(`        ${this.#ended} of ${this.#wanted} files after ${timeOf(performance.now() - this.start)}`);
    }
  }

  override reportTestSummary(_files: unknown, errors: readonly unknown[]): void {
    const tests = this.#modules.flatMap((module) => [...module.children.allTests()]);
    const failed = this.#modules.filter((module) => !module.ok());
    const beside = errors.length === 0 ? "" : `; ${errors.length} errors outside of tests`;
    const of = (state: string): number => tests.filter((test) => test.result().state === state).length;
    const lines = [
      `files   ${this.#modules.length - failed.length} passed, ${failed.length} failed`,
      `tests   ${of("passed")} passed, ${of("failed")} failed${beside}`,
      ...this.#skips(),
      `took    ${timeOf(this.end - this.start)}; load average ${loads()} on ${availableParallelism()} cores`,
      failed.length === 0
        ? "next    npm run check"
        : `again   npm run test:unit -- ${failed.map(({ relativeModuleId }) => relativeModuleId).join(" ")}`,
    ];
    this.log(`\n${lines.join("\n")}`);
  }

  /** A line a reason. What a name pattern (-t) leaves out counts as skipped for vitest: nothing to tell. */
  #skips(): string[] {
    if (this.#modules[0]?.project.config.testNamePattern !== undefined) return ["skips   those that -t leaves out"];
    const reasons = new Map<string, { tests: number; readonly files: Set<string> }>();
    for (const module of this.#modules) {
      for (const test of module.children.allTests("skipped")) {
        const result = test.result();
        const reason = (result.state === "skipped" && result.note) || UNTOLD;
        const told = reasons.get(reason) ?? { tests: 0, files: new Set() };
        reasons.set(reason, told);
        told.tests++;
        told.files.add(module.relativeModuleId);
      }
    }
    const lines = [...reasons].map(
      ([reason, { tests, files }]) => `skipped ${tests} in ${[...files].join(", ")}: ${reason}`,
    );
    return lines.length === 0 ? ["skips   none"] : lines;
  }
}

function timeOf(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${(ms / 1000).toFixed(1)} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

function loads(): string {
  return loadavg()
    .map((load) => load.toFixed(1))
    .join(" ");
}
