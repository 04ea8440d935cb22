#!/bin/sh
# Builds the fuzz targets and runs each for SECONDS, one after the other. Fails where one finds a
# crash, which is then in artifacts/TARGET/. Needs an ordinary Rust toolchain and a C++ compiler.
#
#   run.sh SECONDS [TARGET [LIBFUZZER-OPTION...]]
set -eu

[ $# -ge 1 ] || {
    sed -n '5s/^# *//p' "$0" >&2
    exit 2
}
seconds=$1
shift
cd "$(dirname "$0")"
targets='rule_parser target_parser path_pattern adapter_frames h1_response secret_matcher'
if [ $# -ge 1 ]; then
    targets=$1
    shift
fi

# The flags of cargo-fuzz without its sanitizer. With a target named, they do not reach what cargo
# builds for the build itself.
host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Ccodegen-units=1 \
-Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares"
export CARGO_TARGET_DIR=target
unset CARGO_ENCODED_RUSTFLAGS
cargo build --quiet --release --locked --target "$host" --bins

for target in $targets; do
    echo "== $target: $seconds s"
    mkdir -p "corpus/$target" "artifacts/$target"
    dictionary=
    if [ -f "seeds/$target.dict" ]; then
        dictionary=-dict=seeds/$target.dict
    fi
    "target/$host/release/$target" "corpus/$target" "seeds/$target" $dictionary \
        -max_total_time="$seconds" -artifact_prefix="artifacts/$target/" -timeout=10 \
        -print_final_stats=1 "$@"
done
