#!/bin/sh
# Builds the example as a component, and puts it beside this script.
#
#   build.sh           builds fetch.wasm
#   build.sh --check   builds, and compares with the component that is there
#
# Exit status: 0 built, or the same; 1 different; 2 does not build; 77 no toolchain.
set -eu

cd "$(dirname "$0")"
. ../component.sh

component examples/fetch.wasm fetch.wasm "${1-}" --package sandbox-net-guest --example fetch
