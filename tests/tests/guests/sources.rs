//! The components that are checked in are what their sources build.

use std::process::Command;

use crate::host::file;

/// The exit status of a `build.sh` on a machine without a wasm toolchain.
const NO_TOOLCHAIN: i32 = 77;

#[test]
fn each_component_is_what_its_source_builds() {
    for folder in ["rust", "conformance", "c"] {
        let built = Command::new("sh")
            .args(["build.sh", "--check"])
            .current_dir(file(folder))
            .output();
        let built = built.expect("sh");
        let said = String::from_utf8_lossy(&built.stderr);
        match built.status.code() {
            Some(0) => {}
            Some(NO_TOOLCHAIN) => sandbox_net_tests::skip(said.trim()),
            status => panic!("{folder}/build.sh --check ended with {status:?}: {said}"),
        }
    }
}
