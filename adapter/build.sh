#!/bin/sh
# Builds the adapter, checks what an adapter must be, and puts it beside this script.
#
#   build.sh           builds sandbox_net_preview1.wasm
#   build.sh --check   builds, and compares with the module that is there
#
# Exit status: 0 built, or the same; 1 different, or not fit; 2 does not build; 77 no toolchain.
set -eu

cd "$(dirname "$0")"
. ../guest/toolchain.sh
built=sandbox_net_preview1.wasm

# -Cpanic, -Cjump-tables: messages and tables would be data segments.
# --import-memory: the guest's. -zstack-size=0: wit-component allocates the stack.
# Names stay: wit-component finds the stack pointer by its name.
build core,alloc "-Cjump-tables=no \
-Clink-arg=--import-memory -Clink-arg=--no-entry -Clink-arg=-zstack-size=0"
new="$target/wasm32-unknown-unknown/release/$built"

python3 check_module.py "$new" || exit 1
deliver "$new" "$built" "${1-}"
