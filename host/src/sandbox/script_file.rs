//! The place of one run's script.

use std::io;
use std::path::Path;
use std::sync::Arc;

use wasmtime_wasi::FsPerms;

use super::files::Root;
use crate::python::Preopen;

/// Where the guest finds a script that is a file of the host.
pub(super) const SCRIPTS: &str = "/run";
/// The name of a script whose own name is not UTF-8.
const NAMELESS: &str = "script.py";

/// A copy of a script, in a directory that only its own run sees, read-only, at [`SCRIPTS`]. It is
/// removed when this is dropped.
///
/// The directory is new for every run and out of every guest's reach, so that no other run and nothing
/// that an earlier guest left decides what is executed.
pub(super) struct ScriptFile {
    root: Arc<Root>,
    directory: String,
    preopen: Preopen,
    guest: String,
}

impl ScriptFile {
    /// Copies the host's file `path`.
    pub(super) fn install(root: &Arc<Root>, path: &Path) -> io::Result<Self> {
        let source = std::fs::read(path)?;
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.unwrap_or(NAMELESS);
        let (directory, dir) = root.make_script_directory()?;
        // From here on it is removed, whatever fails.
        let script = Self {
            root: root.clone(),
            directory,
            preopen: Preopen::new(dir, SCRIPTS, FsPerms::ReadOnly),
            guest: format!("{SCRIPTS}/{name}"),
        };
        script.preopen.dir()?.write(name, source)?;
        Ok(script)
    }

    /// The directory, as this run sees it.
    pub(super) fn preopen(&self) -> &Preopen {
        &self.preopen
    }

    /// The guest's path of the script.
    pub(super) fn guest(&self) -> &str {
        &self.guest
    }
}

impl Drop for ScriptFile {
    fn drop(&mut self) {
        if let Err(error) = self.root.remove_script_directory(&self.directory) {
            tracing::warn!("the copy of a script can't be removed: {error}");
        }
    }
}
