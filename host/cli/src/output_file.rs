//! The file that a command makes: whole or not at all, and never one that it reads.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::Failure;

/// Where a result goes.
pub(crate) struct OutputFile {
    path: PathBuf,
    /// Whether it takes the place of a file; a device or a pipe is written to.
    is_file: bool,
}

impl OutputFile {
    /// Checks the place before any work is done. Symbolic links are followed.
    pub(crate) fn new<'a>(
        path: &Path,
        inputs: impl IntoIterator<Item = &'a Path>,
    ) -> Result<Self, Failure> {
        let name = path.display();
        let Ok(there) = fs::canonicalize(path) else {
            // There is nothing yet.
            return Ok(Self {
                path: path.to_path_buf(),
                is_file: true,
            });
        };
        let mut inputs = inputs.into_iter();
        if inputs.any(|input| fs::canonicalize(input).is_ok_and(|input| input == there)) {
            bail!(
                "{name} is read by this command, which would overwrite it: name another file with -o"
            );
        }
        let kind = fs::metadata(&there)
            .with_context(|| name.to_string())?
            .file_type();
        if kind.is_dir() {
            bail!("{name} is a directory: name a file in it with -o");
        }
        Ok(Self {
            path: there,
            is_file: kind.is_file(),
        })
    }

    /// As [`new`](Self::new), for what can only become a file.
    pub(crate) fn only_file(path: &Path, inputs: &[PathBuf]) -> Result<Self, Failure> {
        let output = Self::new(path, inputs.iter().map(PathBuf::as_path))?;
        if !output.is_file {
            bail!(
                "{} is no file, and what is made here can't be written to anything else: name a file with -o",
                path.display()
            );
        }
        Ok(output)
    }

    /// The place, without symbolic links.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes all of it. What was there stays if that fails.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<(), Failure> {
        let written = match self.is_file {
            true => replace(&self.path, bytes),
            false => fs::write(&self.path, bytes),
        };
        written.with_context(|| self.path.display().to_string())
    }
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let mut making = tempfile::Builder::new();
    // As any program makes a file: the umask takes away what it has to.
    #[cfg(unix)]
    making.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = making.tempfile_in(beside.unwrap_or(Path::new(".")))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
