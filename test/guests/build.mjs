// Builds the test guests into test/guests/build: C and text always, from npm alone; Rust where its toolchain is.
//
//   node test/guests/build.mjs     builds what changed; build/skipped.json lists what could not be built and why
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { clangArgs, versionOf } from "../../services/build.mjs";
import { runSteps } from "../../services/steps.mjs";
import { cacheFolder, findRust } from "../../services/toolchains.mjs";

const here = import.meta.dirname;
const build = join(here, "build");
const shared = new Set(["protocol.wat", "state.wat"]);

/** With the C library of WASI: a program, or a service where it has guest.h. */
const libraryArgs = ["-O2", "-Wall", "-Werror", "-Wl,--strip-all", "-Wl,-z,stack-size=65536"];

function c(file) {
  const files = [join(here, file), join(here, "guest.h")];
  const source = readFileSync(join(here, file), "utf8");
  const model = source.includes("guest.h") ? ["-mexec-model=reactor"] : [];
  const args = source.includes("#include <stdio.h>") ? [...libraryArgs, ...model] : clangArgs;
  return {
    name: `test/guests/${file}`,
    out: join(build, file.replace(/\.c$/, ".wasm")),
    inputs: files,
    salt: versionOf("@yowasp/clang"),
    // The header's functions that a guest does not use are dropped, with their imports.
    job: { compiler: "clang", args: [...args, "-Wno-unused-function", file], files },
  };
}

/** A program for `frenezulo run`, in text. */
function textProgram(file) {
  return {
    name: `test/guests/lunatic/${file}`,
    out: join(build, file.replace(/^(.*)\.wat$/, "lunatic-$1.wasm")),
    inputs: [join(here, "lunatic", file)],
    salt: versionOf("wabt"),
    job: { compiler: "wat", args: [], files: [join(here, "lunatic", file)] },
  };
}

/** A program for `frenezulo run`: tests of lunatic's functions, a topic a file. Its names stay in, for backtraces. */
function program(file) {
  const folder = join(here, "lunatic");
  const files = [file, "lunatic.h", "tap.h"].map((name) => join(folder, name));
  const args = clangArgs.filter((argument) => argument !== "-Wl,--strip-all");
  args.push("-Wl,--strip-debug", "-Wno-unused-function", file);
  return {
    name: `test/guests/lunatic/${file}`,
    out: join(build, file.replace(/^(.*)\.c$/, "lunatic-$1.wasm")),
    inputs: files,
    salt: versionOf("@yowasp/clang"),
    job: { compiler: "clang", args, files },
  };
}

/** A guest in AssemblyScript, with the SDK of services/. */
function assemblyScript(file) {
  const source = join(here, "assemblyscript", file);
  const sdk = join(here, "../../services/sdk-assemblyscript");
  const config = join(sdk, "asconfig.json");
  return {
    name: `test/guests/assemblyscript/${file}`,
    out: join(build, `as-${file.replace(".as.ts", ".wasm")}`),
    inputs: [source, join(here, "assemblyscript/lib"), join(sdk, "lib"), config],
    salt: versionOf("assemblyscript"),
    job: { compiler: "asc", args: [source, "--config", config] },
  };
}

/** A text guest, with what it shares with others before it; its second line may name proposals. */
function text(file) {
  const source = readFileSync(join(here, file), "utf8");
  const files = [join(here, file)];
  if (file.startsWith("state-")) files.unshift(join(here, "state.wat"));
  if (file.startsWith("state-") || source.includes("$take_request")) files.unshift(join(here, "protocol.wat"));
  const features = /^;; features: (.*)$/m.exec(source)?.[1]?.split(" ") ?? [];
  return {
    name: `test/guests/${file}`,
    out: join(build, file.replace(/\.wat$/, ".wasm")),
    inputs: files,
    salt: versionOf("wabt"),
    job: { compiler: "wat", args: features, files },
  };
}

/**
 * The programs of a Cargo project. The published crates want Rust 1.63's wasm32-wasi and Debian's cargo, and are
 * vendored by .ci/toolchains.sh. Cargo itself builds one after the other.
 */
function rust(folder, programs) {
  const project = join(here, folder);
  const lock = join(project, "Cargo.lock");
  const crates = join(
    cacheFolder,
    `crates-${createHash("sha256").update(readFileSync(lock)).digest("hex").slice(0, 16)}`,
  );
  const { rustc, version, missing } = findRust("wasm32-wasi");
  const cargo = "/usr/bin/cargo";
  const noCrates = "its crates or Debian's cargo are not there (bash .ci/toolchains.sh)";
  const skipped = missing ?? (existsSync(crates) && existsSync(cargo) ? undefined : noCrates);
  const target = `${crates}-built`; // outside the checkout, so that a fresh clone compiles only the programs themselves
  const sources = ["crates-io.replace-with='vendored'", `vendored.directory='${crates}'`];
  const args = ["build", "--offline", "--locked", "--release", "--target=wasm32-wasi"];
  args.push("--manifest-path", join(project, "Cargo.toml"), "--target-dir", target);
  for (const source of sources) args.push("--config", `source.${source}`);
  const inputs = readdirSync(project).map((name) => join(project, name));
  return programs.map((program) => {
    const name = program === folder ? folder : `rust-${program}`;
    const step = { name: `test/guests/${name}`, out: join(build, `${name}.wasm`) };
    if (skipped !== undefined) return { ...step, skipped };
    const env = { ...process.env, RUSTC: rustc, LUNATIC_CRATES: crates };
    return {
      ...step,
      inputs,
      salt: version,
      command: [cargo, [...args, "--bin", program], { env }],
      made: join(target, "wasm32-wasi", "release", `${program}.wasm`),
    };
  });
}

const rustPrograms = [
  "program",
  "matrix",
  "echo",
  "fan-out",
  "bench",
  "sqlite",
  "crate-tests-14",
  "crate-tests-12",
  "crate-tests-11",
];

/** A program of Rust's standard library alone. */
function rustProgram(file, name) {
  const source = join(here, file);
  const out = join(build, `${name}.wasm`);
  const { rustc, version, missing } = findRust("wasm32-wasi");
  if (missing !== undefined) return { name: `test/guests/${name}`, out, skipped: missing };
  const options = ["-Copt-level=s", "-Cpanic=abort", "-Cstrip=symbols", "-Clink-args=-z stack-size=65536"];
  const command = [rustc, ["--edition=2021", "--target=wasm32-wasi", ...options, "-o", out, source]];
  return { name: `test/guests/${name}`, out, inputs: [source], salt: version, command };
}

/** Builds all guests that can be built here. @returns what was skipped: [{name, why}] */
export function buildGuests(say) {
  const files = readdirSync(here).sort();
  const programs = readdirSync(join(here, "lunatic")).sort();
  return runSteps(
    build,
    [
      ...files.filter((file) => file.endsWith(".c")).map(c),
      ...programs.filter((file) => file.endsWith(".c")).map(program),
      ...programs.filter((file) => file.endsWith(".wat")).map(textProgram),
      ...files.filter((file) => file.endsWith(".wat") && !shared.has(file)).map(text),
      ...readdirSync(join(here, "assemblyscript"))
        .filter((file) => file.endsWith(".as.ts"))
        .sort()
        .map(assemblyScript),
      ...rust("rust-frenezulo", ["rust-frenezulo"]),
      ...rust("rust-lunatic", rustPrograms),
      rustProgram("files.rs", "files-rust"),
    ],
    say,
  );
}

if (process.argv[1] === import.meta.filename) {
  try {
    await buildGuests();
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}
