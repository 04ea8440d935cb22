//! The files of a sandbox, as its embedder reads and writes them.

use super::Sandbox;
use crate::disk::Unmade;
use crate::error::Error;
use crate::{files, runtime};

/// The most bytes that are read of a file if the caller gives no bound.
const READ_LIMIT: u64 = 64 << 20;

impl Sandbox {
    /// Reads the file that the guest sees at the absolute path `path`, of at most 64 MiB: see
    /// [`read_file_up_to`](Self::read_file_up_to).
    ///
    /// # Errors
    ///
    /// As for that function.
    pub async fn read_file(&self, path: &str) -> Result<Vec<u8>, Error> {
        self.read_file_up_to(path, READ_LIMIT).await
    }

    /// Reads the file that the guest sees at the absolute path `path`, of at most `most` bytes.
    ///
    /// # Errors
    ///
    /// If there is no such file, it is not a regular file, or a link in its path leads out of the
    /// sandbox; and if it is longer, before anything is allocated: the guest chose its size, and
    /// one of a terabyte takes no room on its disk. [`Error::Files`] if the sandbox's directory
    /// can't be made, which the first use of a file does.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses what was read, and nothing else.
    pub async fn read_file_up_to(&self, path: &str, most: u64) -> Result<Vec<u8>, Error> {
        let (root, mounts) = (self.root.clone(), self.settings.mounts.clone());
        self.file(path, move |path| files::read(&root, &mounts, path, most))
            .await
    }

    /// Writes a file that the guest sees at the absolute path `path`, and makes the directories
    /// above it.
    ///
    /// # Errors
    ///
    /// If it can't be written, as in a directory that is mounted read-only, or beyond the [limit of
    /// the disk](crate::SandboxBuilder::disk_limit). What was there before then stays. [`Error::Files`] as
    /// for [`read_file_up_to`](Self::read_file_up_to).
    ///
    /// # Cancel safety
    ///
    /// Once it has begun, dropping the future does not stop it: the file is written all the same.
    pub async fn write_file(&self, path: &str, bytes: impl Into<Vec<u8>>) -> Result<(), Error> {
        let (root, mounts) = (self.root.clone(), self.settings.mounts.clone());
        let bytes = bytes.into();
        self.file(path, move |path| files::write(&root, &mounts, path, &bytes))
            .await
    }

    pub(super) async fn file<T: Send + 'static>(
        &self,
        path: &str,
        work: impl FnOnce(&str) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        runtime::check()?;
        let path = path.to_owned();
        let done = tokio::task::spawn_blocking(move || {
            work(&path).map_err(|error| match Unmade::reason(error) {
                Ok(reason) => Error::Files(reason),
                Err(source) => Error::File { path, source },
            })
        });
        done.await.map_err(|e| runtime::unfinished(&e))?
    }
}
