#!/bin/sh
# Builds the components of this folder, and puts each into the folder of its crate: core modules for those
# that host/compose makes components of, components for those that others run.
#
#   build.sh           builds them
#   build.sh --check   builds them, and compares with those that are there
#
# Exit status: 0 built, or the same; 1 different; 2 does not build; 77 no toolchain.
set -eu

cd "$(dirname "$0")"
. ./toolchain.sh
mode=${1-}

build std,panic_abort ""
build std,panic_abort "" --package sandbox-net-guest --example fetch
new="$target/wasm32-unknown-unknown/release"

# The folder of a crate, by the name of its module.
folder() {
    echo "$1" | tr _ -
}

for name in client client_p2; do
    deliver "$new/$name.wasm" "$(folder "$name")/$name.wasm" "$mode"
done
for name in decider middleware middleware_p2 provider; do
    deliver "$new/sandbox_net_$name.wasm" "$(folder "$name")/sandbox_net_$name.wasm" "$mode"
done
encode "$new/sandbox_net_conformance.wasm" "$new/conformance.component"
deliver "$new/conformance.component" conformance/conformance.wasm "$mode"
encode "$new/examples/fetch.wasm" "$new/fetch.component"
deliver "$new/fetch.component" rust/fetch.wasm "$mode"
c/build.sh "$mode"
