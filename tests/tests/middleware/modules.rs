//! The modules that are checked in: that their sources build them.

use std::path::Path;
use std::process::Command;

/// The exit status of `build.sh` on a machine without a wasm toolchain.
const NO_TOOLCHAIN: i32 = 77;

#[test]
fn the_modules_of_guest_are_what_their_sources_build() {
    let built = Command::new("sh")
        .arg("build.sh")
        .arg("--check")
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest"))
        .output();
    let built = built.expect("sh");
    let said = String::from_utf8_lossy(&built.stderr);
    match built.status.code() {
        Some(0) => {}
        Some(NO_TOOLCHAIN) => sandbox_net_tests::skip(said.trim()),
        status => panic!("build.sh --check ended with {status:?}: {said}"),
    }
}
