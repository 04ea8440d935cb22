# Finds the toolchain of the WebAssembly modules, for build.sh here and in adapter/. Sourced by sh.
#
# Sets $cargo and $target, and exports what rustc needs. Ends the script with 77 without the toolchain.

# A module is the same bytes only from the same compiler and linker.
rustc_version='rustc 1.96.0 '
linker_version='LLD 19.1.7'

rustc=${SANDBOX_NET_RUSTC:-/usr/bin/rustc}
cargo=${SANDBOX_NET_CARGO:-/usr/bin/cargo}
linker=${SANDBOX_NET_WASM_LD:-wasm-ld-19}

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

export RUSTC="$rustc"
export RUSTC_BOOTSTRAP=1
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER="$linker"
unset CARGO_ENCODED_RUSTFLAGS RUSTC_WRAPPER RUSTC_WORKSPACE_WRAPPER CARGO_BUILD_TARGET
target=${CARGO_TARGET_DIR:-target}

# build STD FLAGS [ARGUMENT…]: builds the crates of this folder for wasm32, with these crates of the standard library.
build() {
    std=$1 flags=$2
    shift 2
    RUSTFLAGS="-Zunstable-options -Cpanic=immediate-abort -Cstrip=debuginfo $flags" \
        CARGO_TARGET_DIR="$target" "$cargo" build --quiet --release --locked \
        -Zbuild-std="$std" --target wasm32-unknown-unknown "$@" || exit 2
}

# encode MODULE COMPONENT: makes a component, with the toolchain of the repository at $top.
encode() (
    module=$(realpath "$1") out=$(realpath -m "$2")
    unset RUSTC RUSTC_BOOTSTRAP CARGO_TARGET_DIR
    cd "${top:-..}"
    cargo run --quiet --locked --package xtask -- component "$module" "$out" || exit 2
)

# deliver BUILT PLACE MODE: copies a module to its place, or with --check compares.
deliver() {
    if [ "$3" = --check ]; then
        cmp "$1" "$2" || exit 1
    else
        cp "$1" "$2"
    fi
}
