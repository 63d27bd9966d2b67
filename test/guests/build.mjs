// Builds the test guests into test/guests/build: C and text always, from npm alone; the Rust service of 2022 where its
// toolchain is.
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

function c(file) {
  const files = [join(here, file), join(here, "guest.h")];
  return {
    name: `test/guests/${file}`,
    out: join(build, file.replace(/\.c$/, ".wasm")),
    inputs: files,
    salt: versionOf("@yowasp/clang"),
    // The header's functions that a guest does not use are dropped, with their imports.
    job: { compiler: "clang", args: [...clangArgs, "-Wno-unused-function", file], files },
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
 * The published crates of 2022 want Rust 1.63's wasm32-wasi and Debian's cargo, and are vendored by .ci/toolchains.sh.
 */
function rustFrenezulo() {
  const project = join(here, "rust-frenezulo");
  const lock = join(project, "Cargo.lock");
  const crates = join(
    cacheFolder,
    `crates-${createHash("sha256").update(readFileSync(lock)).digest("hex").slice(0, 16)}`,
  );
  const step = { name: "test/guests/rust-frenezulo", out: join(build, "rust-frenezulo.wasm") };
  const { rustc, version, missing } = findRust("wasm32-wasi");
  if (missing !== undefined) return { ...step, skipped: missing };
  const cargo = "/usr/bin/cargo";
  if (!existsSync(crates) || !existsSync(cargo)) {
    return { ...step, skipped: "its crates of 2022 or Debian's cargo are not there (bash .ci/toolchains.sh)" };
  }
  const target = `${crates}-built`; // outside the checkout, so that a fresh clone compiles only the service itself
  const sources = ["crates-io.replace-with='vendored'", `vendored.directory='${crates}'`];
  const args = ["build", "--offline", "--locked", "--release", "--target=wasm32-wasi"];
  args.push("--manifest-path", join(project, "Cargo.toml"), "--target-dir", target);
  for (const source of sources) args.push("--config", `source.${source}`);
  return {
    ...step,
    inputs: [join(project, "Cargo.toml"), lock, join(project, "src")],
    salt: version,
    command: [cargo, args, { env: { ...process.env, RUSTC: rustc } }],
    made: join(target, "wasm32-wasi", "release", "rust-frenezulo.wasm"),
  };
}

/** Builds all guests that can be built here. @returns what was skipped: [{name, why}] */
export function buildGuests(say) {
  const files = readdirSync(here).sort();
  return runSteps(
    build,
    [
      ...files.filter((file) => file.endsWith(".c")).map(c),
      ...files.filter((file) => file.endsWith(".wat") && !shared.has(file)).map(text),
      rustFrenezulo(),
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
