//! Reading a file of the guest whose size and kind the guest chose.

use std::io::{self, Read as _};
use std::path::Path;

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _};
use rustix::fs::OFlags;

/// Reads the file at `path` where it has at most `most` bytes.
///
/// # Errors
///
/// Where it is longer, before anything is allocated for it; and where it is no file: a pipe in a
/// mounted directory would keep its reader waiting.
pub(super) fn read_up_to(directory: &Dir, path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut options = OpenOptions::new();
    // Opening a pipe waits for its other end otherwise.
    let not_waiting = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    options.read(true).custom_flags(not_waiting);
    let file = directory.open_with(path, &options)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        let fault = "only a regular file can be read";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, fault));
    }
    let size = metadata.len();
    if size > most {
        return Err(too_long(&format!("has {size} bytes"), most));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    // It may grow meanwhile.
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > most {
        true => Err(too_long("grows", most)),
        false => Ok(bytes),
    }
}

fn too_long(what: &str, most: u64) -> io::Error {
    let fault = format!(
        "it {what}, more than the {most} that are read at most; read_file_up_to takes another bound"
    );
    io::Error::new(io::ErrorKind::FileTooLarge, fault)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use cap_std::ambient_authority;

    use super::*;

    #[test]
    fn a_file_is_read_to_its_bound_and_nothing_else_is() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        std::fs::write(at.join("ten"), [7; 10]).unwrap();
        let sparse = File::create(at.join("sparse")).unwrap();
        sparse.set_len(1 << 40).unwrap();
        let pipe = rustix::fs::FileType::Fifo;
        let mode = rustix::fs::Mode::RWXU;
        let dir = Dir::open_ambient_dir(at, ambient_authority()).unwrap();
        rustix::fs::mknodat(&dir, "pipe", pipe, mode, 0).unwrap();
        let read = |name: &str, most| read_up_to(&dir, Path::new(name), most);
        assert_eq!(read("ten", 10).unwrap(), [7; 10]);
        let error = read("ten", 9).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        let error = read("sparse", 1 << 26).unwrap_err().to_string();
        assert!(error.contains("1099511627776 bytes"), "{error}");
        assert!(error.contains("67108864"), "{error}");
        for name in ["pipe", "."] {
            let error = read(name, 10).unwrap_err().to_string();
            assert!(error.contains("regular file"), "{name}: {error}");
        }
    }
}
