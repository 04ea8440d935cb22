#!/bin/sh
# Builds the guest in C as a component, and puts it beside this script.
#
#   build.sh           builds fetch.wasm
#   build.sh --check   builds, and compares with the component that is there
#
# Exit status: 0 built, or the same; 1 different; 2 does not build; 77 no toolchain.
set -eu

cd "$(dirname "$0")"
top=../..
. ../toolchain.sh

# The component is the same bytes only from the same compiler.
compiler=${SANDBOX_NET_CLANG:-clang-19}
version=$("$compiler" --version 2>/dev/null) || missing "no $compiler: install Debian's clang-19"
case $version in
*'clang version 19.1.7'*) ;;
*) missing "$compiler is another version than 19.1.7" ;;
esac

target=${CARGO_TARGET_DIR:-../target}/c
mkdir -p "$target"
target=$(realpath "$target")
bindings() {
    (
        unset RUSTC RUSTC_BOOTSTRAP
        CARGO_TARGET_DIR=$target cargo run --quiet --locked --manifest-path bindings/Cargo.toml -- "$@"
    )
}
bindings "$target" ../../wit ../rust/examples/wit || exit 2
for source in fetch.c library.c "$target/network_command.c"; do
    "$compiler" --target=wasm32-unknown-unknown -c -Oz -Wall -Wextra -Werror -ffreestanding -fno-builtin \
        -Iinclude -I"$target" "$source" -o "$target/$(basename "$source" .c).o" || exit 2
done
"$linker" --no-entry --strip-debug "$target/fetch.o" "$target/library.o" "$target/network_command.o" \
    "$target/network_command_component_type.o" -o "$target/fetch.wasm" || exit 2
encode "$target/fetch.wasm" "$target/fetch.component.wasm" || exit 2
deliver "$target/fetch.component.wasm" fetch.wasm "${1-}"
