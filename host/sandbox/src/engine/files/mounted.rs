//! Opens files in a mounted directory of the host.
//!
//! `wasmtime-wasi` would wait for the other end of a named pipe, on a thread of the host and beyond the
//! end of the run. Here nothing waits, and pipes and sockets are refused.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use cap_primitives::fs::{
    FileTypeExt as _, FollowSymlinks, OpenOptions, OpenOptionsExt as _, open as open_below, stat,
};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;

use crate::disk::Wanted;

/// What was opened.
pub(super) enum Opened {
    Directory(File),
    File(File),
}

/// Opens what is at `path` below `at`; with `directory`, only a directory.
pub(super) fn open(at: &File, path: &Path, wanted: Wanted, directory: bool) -> io::Result<Opened> {
    let follow = match wanted.follow {
        true => FollowSymlinks::Yes,
        false => FollowSymlinks::No,
    };
    // Check before opening: the process at the other end of a pipe would notice the opening.
    if let Ok(found) = stat(at, path, follow) {
        let kind = found.file_type();
        if kind.is_symlink() {
            return Err(Errno::LOOP.into());
        }
        if directory && !kind.is_dir() {
            return Err(Errno::NOTDIR.into());
        }
        if kind.is_fifo() || kind.is_socket() {
            return Err(Errno::OPNOTSUPP.into());
        }
    }
    let mut flags = OFlags::NONBLOCK;
    flags.set(OFlags::NOFOLLOW, !wanted.follow);
    let mut options = OpenOptions::new();
    options
        .read(wanted.read)
        .write(wanted.write)
        .truncate(wanted.truncate)
        .custom_flags(i32::try_from(flags.bits()).unwrap_or(0));
    match wanted.exclusive {
        true => options.create_new(wanted.create),
        false => options.create(wanted.create),
    };
    let file = open_below(at, path, &options)?;
    // It may be another file by now.
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Ok(Opened::Directory(file));
    }
    if directory {
        return Err(Errno::NOTDIR.into());
    }
    if kind.is_fifo() || kind.is_socket() {
        return Err(Errno::OPNOTSUPP.into());
    }
    // Read a terminal, for example, as usual.
    fcntl_setfl(&file, OFlags::empty())?;
    Ok(Opened::File(file))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    const READ: Wanted = Wanted {
        read: true,
        write: false,
        create: false,
        exclusive: false,
        truncate: false,
        follow: true,
    };
    const WRITE: Wanted = Wanted {
        read: false,
        write: true,
        create: true,
        truncate: true,
        ..READ
    };

    fn opened(at: &Path, name: &str, wanted: Wanted, directory: bool) -> io::Result<Opened> {
        let (at, name) = (File::open(at).unwrap(), name.to_owned());
        let (done, end) = mpsc::channel();
        std::thread::spawn(move || done.send(open(&at, Path::new(&name), wanted, directory)));
        end.recv_timeout(Duration::from_secs(20))
            .expect("it does not wait")
    }

    fn refusal(result: io::Result<Opened>) -> Option<i32> {
        result.err().expect("a refusal").raw_os_error()
    }

    #[test]
    fn a_pipe_or_a_socket_is_refused_at_once_and_everything_else_opens() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        let top = File::open(at).unwrap();
        let (pipe, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU);
        rustix::fs::mknodat(&top, "pipe", pipe, mode, 0).unwrap();
        symlink("pipe", at.join("link")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at.join("socket")).unwrap();
        std::fs::write(at.join("file"), "text").unwrap();
        symlink("file", at.join("other")).unwrap();
        std::fs::create_dir(at.join("inner")).unwrap();
        for name in ["pipe", "link", "socket"] {
            for wanted in [READ, WRITE] {
                let refused = refusal(opened(at, name, wanted, false));
                assert_eq!(refused, Some(Errno::OPNOTSUPP.raw_os_error()), "{name}");
            }
        }
        for name in ["file", "other", "new"] {
            let wanted = if name == "new" { WRITE } else { READ };
            let Ok(Opened::File(file)) = opened(at, name, wanted, false) else {
                panic!("{name}");
            };
            let flags = rustix::fs::fcntl_getfl(&file).unwrap();
            assert!(!flags.contains(OFlags::NONBLOCK), "{name}");
        }
        assert!(matches!(
            opened(at, "inner", READ, true),
            Ok(Opened::Directory(_))
        ));
        let not_followed = Wanted {
            follow: false,
            ..READ
        };
        for (name, wanted, directory, expected) in [
            ("file", READ, true, Errno::NOTDIR),
            ("pipe", READ, true, Errno::NOTDIR),
            ("other", not_followed, false, Errno::LOOP),
            ("missing", READ, false, Errno::NOENT),
        ] {
            let refused = refusal(opened(at, name, wanted, directory));
            assert_eq!(refused, Some(expected.raw_os_error()), "{name}");
        }
    }
}
