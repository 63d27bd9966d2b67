#!/usr/bin/env bash
# Installs what builds the guests that npm alone cannot build: Rust with wasm targets, Zig, and the crates of the guests in Rust.
# For Debian 12. Quick when all is there. What it fetches lies outside the checkout, in $FRENEZULO_TOOLCHAINS.
#
#   rustc 1.63, cargo, lld   apt: beside rustup's, which has no wasm standard library and cannot fetch one
#   zig                      PyPI, pinned: the language changes with each release
#   crates                   crates.io: vendored by a cargo that knows the sparse index, built by Debian's, which does not
#   go                       must be there (1.24 or later); nothing here installs it
set -euo pipefail

checkout=$(cd "$(dirname "$0")/.." && pwd)
cache=${FRENEZULO_TOOLCHAINS:-$HOME/.cache/frenezulo}
zig_version=$(sed -n 's/^export const ZIG_VERSION = "\(.*\)";$/\1/p' "$checkout/services/toolchains.mjs")
mkdir -p "$cache"

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

has_rust() {
  for target in wasm32-unknown-unknown wasm32-wasi; do
    [ -d "$(/usr/bin/rustc --print target-libdir --target $target 2>/dev/null)" ] || return 1
  done
  [ -x /usr/bin/cargo ] && command -v wasm-ld >/dev/null
}
if ! has_rust; then
  as_root apt-get -o DPkg::Lock::Timeout=300 update -q
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -qy --no-install-recommends \
    rustc cargo libstd-rust-dev-wasm32 lld
  has_rust
fi
echo "rust: $(/usr/bin/rustc --version) with wasm32-unknown-unknown and wasm32-wasi"

zig=$cache/zig-$zig_version/ziglang/zig
if [ "$("$zig" version 2>/dev/null)" != "$zig_version" ]; then
  part=$(mktemp -d "$cache/zig.XXXXXX")
  python3 -m pip install --quiet --root-user-action=ignore --no-deps --target "$part" "ziglang==$zig_version"
  rm -rf "$cache/zig-$zig_version"
  mv "$part" "$cache/zig-$zig_version"
fi
echo "zig: $("$zig" version)"

# A lock file decides which crates; its digest names their folder.
for project in rust-frenezulo rust-lunatic; do
  project=$checkout/test/guests/$project
  vendor=$cache/crates-$(sha256sum "$project/Cargo.lock" | cut -c1-16)
  if [ ! -d "$vendor" ]; then
    part=$(mktemp -d "$cache/crates.XXXXXX")
    cargo vendor --quiet --locked --versioned-dirs --manifest-path "$project/Cargo.toml" "$part" >/dev/null
    mv "$part" "$vendor"
  fi
  echo "crates: $(find "$vendor" -mindepth 1 -maxdepth 1 | wc -l) in $vendor"
done

go version
