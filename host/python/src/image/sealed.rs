//! A file in memory that nobody can change once it is sealed. Where there is no such thing, a file
//! without a name.

use std::fs::File;
use std::io;

#[cfg(target_os = "linux")]
pub(super) fn create(size: u64) -> io::Result<File> {
    use rustix::fs::{MemfdFlags, memfd_create};

    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = File::from(memfd_create("sandbox-net snapshot", flags)?);
    file.set_len(size)?;
    Ok(file)
}

#[cfg(target_os = "linux")]
pub(super) fn seal(file: &File) -> io::Result<()> {
    use rustix::fs::{SealFlags, fcntl_add_seals};

    let all = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    Ok(fcntl_add_seals(file, all)?)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn create(size: u64) -> io::Result<File> {
    let file = tempfile::tempfile()?;
    file.set_len(size)?;
    Ok(file)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn seal(_: &File) -> io::Result<()> {
    Ok(())
}
