//! Files in memory that nobody writes to any more.

use std::fs::File;
use std::io;

/// A file that is written once. It has no name, and is gone with its last use.
#[derive(Debug)]
pub(super) struct Unnamed(File);

impl Unnamed {
    /// Makes one of `size` zeros.
    pub(super) fn new(size: usize) -> io::Result<Self> {
        let file = memory_file()?;
        file.set_len(size as u64)?;
        Ok(Self(file))
    }

    /// One of `size` zeros in which most is never written; none where that many are too many.
    #[cfg(target_os = "linux")]
    pub(super) fn sparse(size: usize) -> Option<Self> {
        use rustix::process::{Resource, getrlimit};

        // Beyond the limit the system would end the process.
        let most = getrlimit(Resource::Fsize).current;
        let fits = most.is_none_or(|most| size as u64 <= most);
        fits.then(|| Self::new(size).ok()).flatten()
    }

    #[cfg(target_os = "linux")]
    pub(super) fn file(&self) -> &File {
        &self.0
    }

    /// Writes the bytes at this place.
    pub(super) fn write_at(&self, bytes: &[u8], place: usize) -> io::Result<()> {
        #[cfg(unix)]
        return std::os::unix::fs::FileExt::write_all_at(&self.0, bytes, place as u64);
        #[cfg(not(unix))]
        {
            use std::io::{Seek, SeekFrom, Write};

            let mut file = &self.0;
            file.seek(SeekFrom::Start(place as u64))?;
            file.write_all(bytes)
        }
    }

    /// Ends the writing; the system refuses it from now on, where it can.
    pub(super) fn seal(self) -> io::Result<File> {
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::SealFlags;

            let all = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
            rustix::fs::fcntl_add_seals(&self.0, all)?;
        }
        Ok(self.0)
    }
}

#[cfg(target_os = "linux")]
fn memory_file() -> io::Result<File> {
    use rustix::fs::{MemfdFlags, memfd_create};

    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    Ok(memfd_create(c"sandbox-net memory", flags)?.into())
}

#[cfg(not(target_os = "linux"))]
fn memory_file() -> io::Result<File> {
    tempfile::tempfile()
}
