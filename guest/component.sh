# Builds a component in Rust, for the build.sh of its folder. Sourced by sh, from a folder beside it.

. ../toolchain.sh

# component BUILT PLACE MODE CARGO_ARGUMENTS…: builds a core module, makes it a component, and copies that to
# its place, or with --check compares.
component() {
    built=$1 place=$2 mode=$3
    shift 3
    # Paths of this machine would be in the module.
    RUSTFLAGS="-Zunstable-options -Cpanic=immediate-abort -Cstrip=debuginfo \
--remap-path-prefix=$sources=std --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo \
--remap-path-prefix=$(cd ../.. && pwd)=sandbox-net" \
        CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-../target}" "$cargo" build --quiet --release --locked \
        -Zbuild-std=std,panic_abort --target wasm32-unknown-unknown "$@" || exit 2
    built=${CARGO_TARGET_DIR:-../target}/wasm32-unknown-unknown/release/$built
    encode "$built" "$built.component" || exit 2
    deliver "$built.component" "$place" "$mode"
}

# encode MODULE COMPONENT: with the toolchain of the repository, not the one of the modules.
encode() {
    module=$(realpath "$1")
    (
        out=$(realpath -m "$2")
        unset RUSTC RUSTC_BOOTSTRAP CARGO_TARGET_DIR
        cd ../..
        cargo run --quiet --locked --package xtask -- component "$module" "$out"
    )
}
