// Reporter for vitest: says at the end which tests were skipped and why, so that a missing toolchain is never silent.
import type { Reporter, TestModule } from "vitest/node";

export const skipsReporter: Reporter = {
  onTestRunEnd(modules: readonly TestModule[]): void {
    // With a name pattern (-t) every other test counts as skipped: nothing to tell.
    if (modules[0]?.project.config.testNamePattern !== undefined) return;
    for (const module of modules) {
      for (const test of module.children.allTests("skipped")) {
        const result = test.result();
        const why = result.state === "skipped" && result.note ? `: ${result.note}` : "";
        console.log(`skipped ${module.relativeModuleId} > ${test.fullName}${why}`);
      }
    }
  },
};
