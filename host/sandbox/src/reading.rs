//! Reads and writes files whose size and type somebody else chose.

use std::io::{self, Read as _, Write as _};
use std::path::Path;

use cap_std::fs::{Dir, File, OpenOptions, OpenOptionsExt as _};
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::byte_count;

/// Reads the file at `path` if it has at most `most` bytes.
///
/// # Errors
///
/// If it is longer, before anything is allocated for it, and if it is not a regular file: a pipe in
/// a mounted directory would keep its reader waiting.
pub(crate) fn read_up_to(directory: &Dir, path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut options = OpenOptions::new();
    let file = open_regular(directory, path, options.read(true))?;
    let metadata = file.metadata()?;
    let size = metadata.len();
    if size > most {
        return Err(too_long(&excess(size, most), most));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    // The file may grow meanwhile.
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > most {
        true => Err(too_long("grows to", most)),
        false => Ok(bytes),
    }
}

/// Writes the file at `path`, replacing what was there.
///
/// # Errors
///
/// If something other than a regular file is there: a pipe would keep its writer waiting.
pub(crate) fn write_in(directory: &Dir, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true);
    let mut file = open_regular(directory, path, &mut options)?;
    file.set_len(0)?;
    file.write_all(bytes)
}

/// Opens a regular file and nothing else.
fn open_regular(directory: &Dir, path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let refused = || {
        let fault = "only a regular file can be read or written";
        io::Error::new(io::ErrorKind::InvalidInput, fault)
    };
    // Without this, opening a pipe waits for its other end.
    let not_waiting = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = match directory.open_with(path, options.custom_flags(not_waiting)) {
        // A pipe that nobody reads, or a socket.
        Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => {
            return Err(refused());
        }
        opened => opened?,
    };
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(refused()),
    }
}

/// How much the file has. If rounding hides the difference, the difference is told instead.
fn excess(size: u64, most: u64) -> String {
    let text = byte_count::bytes(size);
    match text == byte_count::bytes(most) {
        true => format!("has {}", byte_count::bytes(size - most)),
        false => format!("has {text},"),
    }
}

fn too_long(what: &str, most: u64) -> io::Error {
    let fault = format!(
        "it {what} more than the {} that are read at most; read_file_up_to takes another bound",
        byte_count::bytes(most)
    );
    io::Error::new(io::ErrorKind::FileTooLarge, fault)
}

#[cfg(test)]
mod tests {
    use cap_std::ambient_authority;

    use super::*;

    #[test]
    fn only_a_file_is_written_and_a_pipe_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        let dir = Dir::open_ambient_dir(at, ambient_authority()).unwrap();
        let (pipe, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU);
        rustix::fs::mknodat(&dir, "pipe", pipe, mode, 0).unwrap();
        for text in ["longer", "new"] {
            write_in(&dir, Path::new("file"), text.as_bytes()).unwrap();
            assert_eq!(std::fs::read_to_string(at.join("file")).unwrap(), text);
        }
        let (done, end) = std::sync::mpsc::channel();
        std::thread::spawn(move || done.send(write_in(&dir, Path::new("pipe"), b"x")));
        let written = end.recv_timeout(std::time::Duration::from_secs(20));
        let error = written.expect("it does not wait").unwrap_err().to_string();
        assert!(error.contains("regular file"), "{error}");
    }

    #[test]
    fn a_file_is_read_to_its_bound_and_nothing_else_is() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        std::fs::write(at.join("ten"), [7; 10]).unwrap();
        let sparse = std::fs::File::create(at.join("sparse")).unwrap();
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
        assert!(error.contains("it has 1.0 TiB, more than the "), "{error}");
        assert!(error.contains("64.0 MiB"), "{error}");
        assert_eq!(excess((1 << 26) + 1, 1 << 26), "has 1 B");
        for name in ["pipe", "."] {
            let error = read(name, 10).unwrap_err().to_string();
            assert!(error.contains("regular file"), "{name}: {error}");
        }
    }
}
