//! Loads compiled code from the cache.

use std::io::Read;
use std::path::{Path, PathBuf};

use sandbox_net_python::{BuildError, private_dir};
use wasmtime::component::Component;

/// Loads what the cache's builder compiled for this engine.
pub(super) fn load(engine: &wasmtime::Engine, code: &Path) -> Result<Component, BuildError> {
    let mut file = private_dir::open(code)?;
    // Names the open file itself, even if its own name now leads elsewhere.
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd;
        let opened = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        if opened.exists() {
            return load_file(engine, &opened).map_err(BuildError::compile);
        }
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    load_bytes(engine, &bytes).map_err(BuildError::compile)
}

/// Maps compiled code.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "compiled code is native code; see SAFETY")]
fn load_file(engine: &wasmtime::Engine, opened: &Path) -> wasmtime::Result<Component> {
    // SAFETY: it was written by `Builder::runtime` or `component_code`, under a name that holds the hash of
    // everything that it was made of, into a cache that only this user can write to: so `Cache` has found each
    // directory on the way, and `load` the very file that is mapped. No guest has a mount that
    // reaches the cache. Wasmtime itself refuses code of another version or configuration.
    unsafe { Component::deserialize_file(engine, opened) }
}

/// Copies compiled code, for platforms where an open file cannot be mapped.
#[expect(unsafe_code, reason = "compiled code is native code; see SAFETY")]
fn load_bytes(engine: &wasmtime::Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: as in `load_file`.
    unsafe { Component::deserialize(engine, code) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The engine compiles it again then.
    #[test]
    fn code_that_was_cut_short_is_an_error_wherever() {
        let engine = wasmtime::Engine::default();
        let code = engine.precompile_component(b"\0asm\x0d\0\x01\0").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("code");
        std::fs::write(&path, &code).unwrap();
        load(&engine, &path).unwrap();
        for length in [0, 3, 64, code.len() / 2, code.len() - 4096, code.len() - 1] {
            std::fs::write(&path, &code[..length]).unwrap();
            let error = load(&engine, &path).err();
            assert!(matches!(error, Some(BuildError::Compile(_))), "{length}");
        }
    }
}
