// Finds the toolchains that npm does not bring: Rust with a wasm standard library, Go, Zig.
// `.ci/toolchains.sh` installs them.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import process from "node:process";

/** Where .ci/toolchains.sh keeps what it fetches: outside the checkout, so that a fresh clone finds it again. */
export const cacheFolder = process.env.FRENEZULO_TOOLCHAINS ?? join(homedir(), ".cache", "frenezulo");

export const ZIG_VERSION = "0.17.1";

function output(program, args) {
  try {
    return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return null; // not installed, or too old to know the argument
  }
}

/** True if rustc finds rust-lld: rustup's brings its own, Debian's is a link to the package lld. */
function hasLinker(rustc) {
  const host = /^host: (.*)$/m.exec(output(rustc, ["-vV"]) ?? "")?.[1] ?? "";
  const own = join(output(rustc, ["--print", "sysroot"]) ?? "", "lib", "rustlib", host, "bin", "rust-lld");
  return existsSync(own) || output("rust-lld", ["-flavor", "wasm", "--version"]) !== null;
}

/**
 * A rustc that can compile for the target: RUSTC, Debian's, or the first on the PATH.
 * @returns {{rustc: string, version: string} | {missing: string}}
 */
export function findRust(target) {
  for (const rustc of [process.env.RUSTC, "/usr/bin/rustc", "rustc"]) {
    if (rustc === undefined || rustc === "") continue;
    const library = output(rustc, ["--print", "target-libdir", "--target", target]);
    if (library === null || !existsSync(library) || !hasLinker(rustc)) continue;
    return { rustc, version: output(rustc, ["--version"]) ?? "" };
  }
  return {
    missing: `no Rust with the target ${target} (bash .ci/toolchains.sh, or apt-get install rustc libstd-rust-dev-wasm32 lld, or rustup target add ${target})`,
  };
}

/**
 * Go of at least 1.24, the first with go:wasmexport.
 * @returns {{go: string, version: string} | {missing: string}}
 */
export function findGo() {
  const version = output("go", ["env", "GOVERSION"]);
  const [, major, minor] = /^go(\d+)\.(\d+)/.exec(version ?? "") ?? [];
  if (version !== null && (Number(major) > 1 || Number(minor) >= 24)) return { go: "go", version };
  return { missing: `no Go 1.24 or later${version ? `, only ${version}` : ""} (https://go.dev/dl)` };
}

/**
 * Zig of exactly ZIG_VERSION, since its language changes with each release: ZIG, the toolchain cache, or the PATH.
 * @returns {{zig: string, version: string} | {missing: string}}
 */
export function findZig() {
  for (const zig of [process.env.ZIG, join(cacheFolder, `zig-${ZIG_VERSION}`, "ziglang", "zig"), "zig"]) {
    if (zig === undefined || zig === "") continue;
    if (output(zig, ["version"]) === ZIG_VERSION) return { zig, version: ZIG_VERSION };
  }
  return {
    missing: `no Zig ${ZIG_VERSION} (bash .ci/toolchains.sh, or pip install ziglang==${ZIG_VERSION} and ZIG=…/ziglang/zig)`,
  };
}
