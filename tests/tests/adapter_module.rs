//! The adapter that is checked in: its contents, and that its source builds it.

use std::path::{Path, PathBuf};
use std::process::Command;

use wasmparser::{Parser, Payload};

/// The exit status of `build.sh` on a machine without a wasm toolchain.
const NO_TOOLCHAIN: i32 = 77;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../adapter")
}

#[test]
fn the_adapter_is_small_and_has_no_data_and_no_elements() {
    let module = std::fs::read(folder().join("sandbox_net_preview1.wasm")).expect("the module");
    assert!(module.len() < 64 * 1024, "{} bytes", module.len());
    for payload in Parser::new(0).parse_all(&module) {
        match payload.expect("a valid module") {
            Payload::DataSection(_) => panic!("a data section"),
            Payload::ElementSection(_) => panic!("an element section"),
            _ => {}
        }
    }
}

#[test]
fn the_adapter_is_what_its_source_builds() {
    let built = Command::new("sh")
        .arg("build.sh")
        .arg("--check")
        .current_dir(folder())
        .output();
    let built = built.expect("sh");
    let said = String::from_utf8_lossy(&built.stderr);
    match built.status.code() {
        Some(0) => {}
        Some(NO_TOOLCHAIN) => sandbox_net_tests::skip(said.trim()),
        status => panic!("build.sh --check ended with {status:?}: {said}"),
    }
}
