#!/bin/sh
# Builds the adapter, checks what an adapter must be, and puts it beside this script.
#
#   build.sh           builds sandbox_net_preview1.wasm
#   build.sh --check   builds, and compares with the module that is there
#
# Exit status: 0 built, or the same; 1 different, or not fit; 2 does not build; 77 no toolchain.
set -eu

# The module is the same bytes only from the same compiler and linker.
rustc_version='rustc 1.96.0 '
linker_version='LLD 19.1.7'

cd "$(dirname "$0")"
rustc=${SANDBOX_NET_RUSTC:-/usr/bin/rustc}
cargo=${SANDBOX_NET_CARGO:-/usr/bin/cargo}
linker=${SANDBOX_NET_WASM_LD:-wasm-ld-19}
built=sandbox_net_preview1.wasm

missing() {
    echo "build.sh: $1" >&2
    echo "build.sh: install Debian's rustc-web, cargo-web, rust-web-src (1.96) and lld-19" >&2
    exit 77
}

version=$("$rustc" --version 2>/dev/null) || missing "no $rustc"
case $version in
"$rustc_version"*) ;;
*) missing "$rustc is $version, not $rustc_version" ;;
esac
"$cargo" --version >/dev/null 2>&1 || missing "no $cargo"
version=$("$linker" --version 2>/dev/null) || missing "no $linker"
case $version in
*"$linker_version"*) ;;
*) missing "$linker is $version, not $linker_version" ;;
esac
sources=$("$rustc" --print sysroot)/lib/rustlib/src/rust/library
[ -f "$sources/core/Cargo.toml" ] || missing "no sources of the standard library in $sources"

# -Cpanic, -Cjump-tables: messages and tables would be data segments.
# --import-memory: the guest's. -zstack-size=0: wit-component allocates the stack.
# Names stay: wit-component finds the stack pointer by its name.
export RUSTC="$rustc"
export RUSTC_BOOTSTRAP=1
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER="$linker"
export RUSTFLAGS="-Zunstable-options -Cpanic=immediate-abort -Cjump-tables=no -Cstrip=debuginfo \
-Clink-arg=--import-memory -Clink-arg=--no-entry -Clink-arg=-zstack-size=0"
unset CARGO_ENCODED_RUSTFLAGS RUSTC_WRAPPER RUSTC_WORKSPACE_WRAPPER CARGO_BUILD_TARGET
target=${CARGO_TARGET_DIR:-target}
CARGO_TARGET_DIR="$target" "$cargo" build --quiet --release --locked \
    -Zbuild-std=core,alloc --target wasm32-unknown-unknown || exit 2
new="$target/wasm32-unknown-unknown/release/$built"

python3 check_module.py "$new" || exit 1
if [ "${1-}" = --check ]; then
    cmp "$new" "$built" || exit 1
else
    cp "$new" "$built"
fi
