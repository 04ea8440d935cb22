#!/bin/sh
# Builds the conformance component, and puts it beside this script.
#
#   build.sh           builds conformance.wasm
#   build.sh --check   builds, and compares with the component that is there
#
# Exit status: 0 built, or the same; 1 different; 2 does not build; 77 no toolchain.
set -eu

cd "$(dirname "$0")"
. ../component.sh

component sandbox_net_conformance.wasm conformance.wasm "${1-}" --package sandbox-net-conformance
