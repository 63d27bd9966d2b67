// Builds the example services into services/build: AssemblyScript and C always, Rust, Go and Zig where they are
// installed.
//
//   node services/build.mjs        builds what changed; build/skipped.json lists what could not be built and why
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import process from "node:process";
import { runSteps } from "./steps.mjs";
import { findGo, findRust, findZig } from "./toolchains.mjs";

const here = import.meta.dirname;
const build = join(here, "build");
const require = createRequire(import.meta.url);

/** Version of an npm package, so that an update builds anew. */
export function versionOf(name) {
  const path = require.resolve.paths(name).map((folder) => join(folder, name, "package.json"));
  for (const candidate of path) {
    try {
      return JSON.parse(readFileSync(candidate, "utf8")).version;
    } catch {
      // not in this node_modules folder
    }
  }
  throw new Error(`${name} is not installed: run npm ci`);
}

/** Arguments for a module without a C library: nothing but what the source says. */
export const clangArgs = [
  "--target=wasm32",
  "-O2",
  "-nostdlib",
  "-ffreestanding",
  "-Wall",
  "-Werror",
  "-Wl,--no-entry",
  "-Wl,--strip-all",
  "-Wl,-z,stack-size=16384",
];

function assemblyScript(name) {
  const source = join(here, "examples", `${name}.ts`);
  const sdk = join(here, "sdk-assemblyscript");
  return {
    name: `services/examples/${name}`,
    out: join(build, `${name}.wasm`),
    inputs: [source, join(sdk, "lib"), join(sdk, "asconfig.json")],
    salt: versionOf("assemblyscript"),
    job: { compiler: "asc", args: [source, "--config", join(sdk, "asconfig.json")] },
  };
}

function c(name) {
  const source = join(here, name, "hello.c");
  return {
    name: `services/${name}`,
    out: join(build, `${name}.wasm`),
    inputs: [source],
    salt: versionOf("@yowasp/clang"),
    job: { compiler: "clang", args: [...clangArgs, "hello.c"], files: [source] },
  };
}

function withTool(name, file, tool, command) {
  const source = join(here, name, file);
  const out = join(build, `${name}.wasm`);
  if (tool.missing !== undefined) return { name: `services/${name}`, out, skipped: tool.missing };
  return { name: `services/${name}`, out, inputs: [source], salt: tool.version, command: command(source, out) };
}

const rust = (source, out, { rustc }) => [
  rustc,
  [
    "--edition=2021",
    "--target=wasm32-unknown-unknown",
    "--crate-type=cdylib",
    "-Copt-level=s",
    "-Cpanic=abort",
    "-Cstrip=symbols",
    "-Clink-args=-z stack-size=32768", // 1 MiB otherwise, in each instance
    "-o",
    out,
    source,
  ],
];
const go = (source, out, tool) => [
  tool.go,
  ["build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", out, source],
  { env: { ...process.env, GOOS: "wasip1", GOARCH: "wasm", GOTOOLCHAIN: "local" } },
];
const zig = (source, out, tool) => [
  tool.zig,
  [
    "build-exe",
    source,
    "-target",
    "wasm32-freestanding",
    "-O",
    "ReleaseSmall",
    "-fno-entry",
    "-rdynamic",
    "--stack",
    "16384",
    `-femit-bin=${out}`,
  ],
];

/** Builds all services that can be built here. @returns what was skipped: [{name, why}] */
export function buildServices(say) {
  const [rustTool, goTool, zigTool] = [findRust("wasm32-unknown-unknown"), findGo(), findZig()];
  return runSteps(
    build,
    [
      ...["hello", "echo", "counter", "fan-out", "supervisor", "ring"].map(assemblyScript),
      c("hello-c"),
      withTool("hello-rust", "hello.rs", rustTool, (source, out) => rust(source, out, rustTool)),
      withTool("hello-go", "hello.go", goTool, (source, out) => go(source, out, goTool)),
      withTool("hello-zig", "hello.zig", zigTool, (source, out) => zig(source, out, zigTool)),
    ],
    say,
  );
}

if (process.argv[1] === import.meta.filename) {
  try {
    await buildServices();
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}
