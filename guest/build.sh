#!/bin/sh
# Builds the components of this folder as core modules, and puts each into the folder of its crate.
#
#   build.sh           builds them
#   build.sh --check   builds them, and compares with the modules that are there
#
# Exit status: 0 built, or the same; 1 different; 2 does not build; 77 no toolchain.
set -eu

cd "$(dirname "$0")"
. ./toolchain.sh

build std,panic_abort
new="$target/wasm32-unknown-unknown/release"

deliver "$new/sandbox_net_middleware.wasm" middleware/sandbox_net_middleware.wasm "${1-}"
deliver "$new/client.wasm" client/client.wasm "${1-}"
deliver "$new/sandbox_net_provider.wasm" provider/sandbox_net_provider.wasm "${1-}"
deliver "$new/sandbox_net_decider.wasm" decider/sandbox_net_decider.wasm "${1-}"
