// Covers src/engine.ts: the flags hold here and in threads; wrong machines and flags are refused with the reason.
import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import { assertEngine, type Engine, memoryPagesMax, tableElementsMax } from "../../../src/engine.ts";

const good: Engine = { nodeVersion: "v20.18.0", platform: "linux", arch: "x64", execArgv: [], nodeOptions: "" };

test.each([
  { nodeVersion: "v20.18.0" },
  { nodeVersion: "v22.1.0" },
  { nodeVersion: "v24.0.0" },
  { arch: "arm64" },
  { execArgv: ["--enable-source-maps"] },
  { nodeOptions: "--max-http-header-size=1000" },
])("%j is taken", (change) => expect(() => assertEngine({ ...good, ...change })).not.toThrow());

test.each([
  [{ nodeVersion: "v20.17.9" }, /Node v20\.17\.9; supported are Linux on x64 and arm64 with Node 20 \(from 20\.18\)/],
  [{ nodeVersion: "v18.20.0" }, /supported are/],
  [{ platform: "darwin" }, /this is darwin on x64; supported are/],
  [{ platform: "win32" }, /supported are/],
  [{ arch: "ia32" }, /supported are/],
])("the platform of %j is refused, and what is supported is said", (change, message) => {
  expect(() => assertEngine({ ...good, ...change })).toThrow(
    expect.objectContaining({ code: "bad_platform", message: expect.stringMatching(message) }),
  );
});

test.each([
  "--max-old-space-size=4096",
  "--max_old_space_size=4096",
  "--max-old-space-size",
  "--max-semi-space-size=16",
  "--wasm-dynamic-tiering",
  "--wasm_max_mem_pages=65536",
  "--jitless",
])("the flag %s is refused with the reason, on the command line and in NODE_OPTIONS", (flag) => {
  const refused = expect.objectContaining({ code: "bad_flags", message: expect.stringContaining(`${flag} (or`) });
  expect(() => assertEngine({ ...good, execArgv: ["--enable-source-maps", flag] })).toThrow(refused);
  expect(() => assertEngine({ ...good, nodeOptions: `--no-warnings ${flag}` })).toThrow(refused);
});

describe("the limits", () => {
  test("hold in this thread at their very edge", () => {
    expect(() => new WebAssembly.Table({ element: "anyfunc", initial: tableElementsMax })).not.toThrow();
    expect(() => new WebAssembly.Table({ element: "anyfunc", initial: tableElementsMax + 1 })).toThrow();
    expect(() => new WebAssembly.Memory({ initial: memoryPagesMax })).not.toThrow();
    expect(() => new WebAssembly.Memory({ initial: memoryPagesMax + 1 })).toThrow();
  });

  test("hold in a thread that is started after", async () => {
    const code = `const { parentPort } = require("node:worker_threads");
      const made = (make) => { try { make(); return true; } catch { return false; } };
      parentPort.postMessage([
        made(() => new WebAssembly.Table({ element: "anyfunc", initial: ${tableElementsMax} })),
        made(() => new WebAssembly.Table({ element: "anyfunc", initial: ${tableElementsMax + 1} })),
        made(() => new WebAssembly.Memory({ initial: ${memoryPagesMax + 1} })),
      ]);`;
    const worker = new Worker(code, { eval: true });
    expect(await new Promise((resolve) => worker.once("message", resolve))).toEqual([true, false, false]);
    await worker.terminate();
  });
});
