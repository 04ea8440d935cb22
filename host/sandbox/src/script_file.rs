//! Places one run's script where only that run sees it.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use wasmtime_wasi::FsPerms;

use crate::byte_count;
use crate::engine::Preopen;
use crate::root::Root;

/// The guest directory of a script that is a file of the host.
pub(crate) const SCRIPTS: &str = "/run";
/// The most bytes of a script: the host holds them in memory while it copies them.
const LARGEST: u64 = 16 << 20;
/// The name for a script whose own name is not UTF-8.
const NAMELESS: &str = "script.py";

/// A copy of a script, read-only at [`SCRIPTS`], in a directory that only its own run sees. It is
/// removed when this is dropped.
///
/// The directory is new for every run and no guest can write to it, so that no other run, and nothing
/// that an earlier guest left, decides what is executed.
pub(crate) struct ScriptFile {
    root: Arc<Root>,
    directory: String,
    preopen: Preopen,
    guest: String,
}

impl ScriptFile {
    /// Copies the host's file `path`.
    pub(crate) fn install(root: &Arc<Root>, path: &Path) -> io::Result<Self> {
        let mut source = Vec::new();
        let file = std::fs::File::open(path)?;
        file.take(LARGEST + 1).read_to_end(&mut source)?;
        Self::write(root, path, &source)
    }

    /// Writes the source of a script, under the last part of `path`.
    pub(super) fn write(root: &Arc<Root>, path: &Path, source: &[u8]) -> io::Result<Self> {
        if source.len() as u64 > LARGEST {
            let most = byte_count::bytes(LARGEST);
            let fault = format!("a script has at most {most}; keep data in files of its own");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, fault));
        }
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.unwrap_or(NAMELESS);
        let (directory, dir) = root.make_script_directory()?;
        // From here on dropping it removes the directory, whatever fails.
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
    pub(crate) fn preopen(&self) -> &Preopen {
        &self.preopen
    }

    /// The script's path in the guest.
    pub(crate) fn guest(&self) -> &str {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::DiskLimits;

    #[test]
    fn a_copy_is_removed_when_its_run_ends_and_leaves_the_others() {
        let directory = tempfile::tempdir().unwrap();
        let host = directory.path().join("agent.py");
        let root = Arc::new(Root::new(DiskLimits::default()).unwrap());
        let read = |script: &ScriptFile| {
            let copy = script.preopen().dir().unwrap().read_to_string("agent.py");
            copy.unwrap()
        };
        std::fs::write(&host, "1").unwrap();
        let first = ScriptFile::install(&root, &host).unwrap();
        std::fs::write(&host, "2").unwrap();
        let second = ScriptFile::install(&root, &host).unwrap();
        assert_eq!(
            (first.guest(), second.guest()),
            ("/run/agent.py", "/run/agent.py")
        );
        assert_eq!(
            (read(&first), read(&second)),
            ("1".to_owned(), "2".to_owned())
        );
        assert!(!first.preopen().is_writable());

        let gone = first.preopen().dir().unwrap();
        drop(first);
        assert!(gone.read("agent.py").is_err());
        assert_eq!(read(&second), "2");
        // Nothing stays of a script that can't be read, or that is too large; little is read of the
        // latter.
        let large = std::fs::File::create(directory.path().join("large.py")).unwrap();
        large.set_len(1 << 40).unwrap();
        let refused = ScriptFile::install(&root, &directory.path().join("large.py"));
        let refused = refused.err().unwrap().to_string();
        assert!(refused.contains("at most 16.0 MiB"), "{refused}");
        assert!(ScriptFile::install(&root, &directory.path().join("missing.py")).is_err());
        assert!(ScriptFile::install(&root, directory.path()).is_err());
        drop(second);
        assert!(root.make_script_directory().is_ok());
    }
}
