//! Implements `wasi:filesystem/types` for a guest: the sandbox's own files through their disk's
//! account, the host's directories directly.
//!
//! The methods of [`Disk`] do what grows or shrinks it, on a thread that may block and that finishes
//! even if the run is over. Everything else is `wasmtime-wasi`'s. A mount is a file system of its own:
//! a link between two of them, or a rename into the sandbox's own files, is `EXDEV`, and `shutil.move`
//! then copies.

mod listing;
mod mounted;
mod streams;
mod types;
mod view;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::io::Errno;
use wasmtime::component::{HasData, Resource};
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;
use wasmtime_wasi::p2::{FsError, FsResult};

pub(super) use self::view::FilesView;
use crate::disk::{Disk, Held, Unmade};

type Fd = Resource<Descriptor>;

/// Files, directories and listings that one run may have open at once; each is a descriptor of the
/// host's process. The adapter's own bound is 128.
const OPEN: usize = 256;
/// Streams of files that one run may have at once; each may hold 64 KiB that were read ahead or are
/// being written. The adapter has at most two for a file.
const STREAMS: usize = 512;

/// Where a Python looks for itself and for time zones, and finds nothing.
const INTERPRETERS: [&str; 3] = ["usr", "etc/zoneinfo", "etc/localtime"];

/// The files and directories that a run has open.
#[derive(Default)]
pub(crate) struct OpenFiles {
    descriptors: HashMap<u32, Entry>,
    /// Descriptors of the host that are in use.
    in_use: usize,
    /// Held by every stream.
    streams: Arc<()>,
    /// How often a name on a disk was looked up.
    lookups: AtomicUsize,
}

/// Counts one of the streams that a run may have.
struct StreamToken(#[expect(dead_code, reason = "it is counted")] Arc<()>);

/// What is known of a guest's descriptor.
#[derive(Default)]
struct Entry {
    /// The disk that it is on; `None` for a directory of the host.
    disk: Option<Arc<Disk>>,
    /// The file, if it is one on a disk.
    held: Option<Arc<Held>>,
    /// Whether another handle stands in for the top of the disk.
    stands_in: bool,
    /// Whether it uses a descriptor of the host of its own.
    counts: bool,
    /// Whether the guest's own thread looks at it, as `Preopen` says.
    direct: bool,
}

impl OpenFiles {
    /// Registers a directory that the guest starts with. If another handle stands in for the top of its
    /// disk, that is replaced before anything is done with it.
    pub(super) fn preopened(
        &mut self,
        rep: u32,
        disk: Option<Arc<Disk>>,
        stands_in: bool,
        direct: bool,
    ) {
        let entry = Entry {
            disk,
            stands_in,
            direct,
            ..Entry::default()
        };
        self.descriptors.insert(rep, entry);
    }

    /// The disk for whose top another handle stands in.
    fn stood_in_for(&self, fd: &Fd) -> Option<&Arc<Disk>> {
        let entry = self.descriptors.get(&fd.rep())?;
        entry.disk.as_ref().filter(|_| entry.stands_in)
    }

    /// Whether another handle stands in for the directory.
    fn is_stand_in(&self, fd: &Fd) -> bool {
        self.stood_in_for(fd).is_some()
    }

    /// Notes that the handle was replaced.
    fn settled(&mut self, fd: &Fd) {
        if let Some(entry) = self.descriptors.get_mut(&fd.rep()) {
            entry.stands_in = false;
        }
    }

    /// Whether both are the top of the same disk, which need not be there.
    fn are_one_top(&self, one: &Fd, other: &Fd) -> bool {
        let disks = self.stood_in_for(one).zip(self.stood_in_for(other));
        disks.is_some_and(|(one, other)| Arc::ptr_eq(one, other))
    }

    /// How many are open, besides those that the guest started with.
    pub(super) fn in_use(&self) -> usize {
        self.in_use
    }

    /// How often a name on a disk was looked up.
    pub(super) fn lookups(&self) -> usize {
        self.lookups.load(Ordering::Relaxed)
    }

    /// Counts a look at a name in this directory, if it is on a disk and none of the interpreter's own.
    fn looks_at<T>(&self, fd: &Resource<T>, path: &str) {
        let is_its_own = INTERPRETERS.iter().any(|start| path.starts_with(start));
        let entry = self.descriptors.get(&fd.rep());
        if !is_its_own && entry.is_some_and(|entry| entry.disk.is_some()) {
            self.lookups.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Reserves one of the descriptors that the run may use.
    fn begin(&mut self) -> FsResult<()> {
        if self.in_use == OPEN {
            return Err(ErrorCode::InsufficientMemory.into());
        }
        self.in_use += 1;
        Ok(())
    }

    fn stream(&self) -> FsResult<StreamToken> {
        match Arc::strong_count(&self.streams) <= STREAMS {
            true => Ok(StreamToken(self.streams.clone())),
            false => Err(ErrorCode::InsufficientMemory.into()),
        }
    }

    fn end(&mut self) {
        self.in_use -= 1;
    }

    /// Registers what was opened; its descriptor was [reserved](Self::begin).
    fn insert(&mut self, rep: u32, disk: Option<Arc<Disk>>, held: Option<Held>, direct: bool) {
        let entry = Entry {
            disk,
            held: held.map(Arc::new),
            stands_in: false,
            counts: true,
            direct,
        };
        self.descriptors.insert(rep, entry);
    }

    fn remove(&mut self, rep: u32) {
        if self.descriptors.remove(&rep).is_some_and(|it| it.counts) {
            self.end();
        }
    }

    fn disk<T>(&self, fd: &Resource<T>) -> Option<Arc<Disk>> {
        self.descriptors.get(&fd.rep())?.disk.clone()
    }

    /// Whether the guest's own thread looks at it.
    fn is_direct<T>(&self, fd: &Resource<T>) -> bool {
        self.descriptors
            .get(&fd.rep())
            .is_some_and(|entry| entry.direct)
    }

    fn held<T>(&self, fd: &Resource<T>) -> Option<Arc<Held>> {
        self.descriptors.get(&fd.rep())?.held.clone()
    }
}

pub(super) struct HasFiles;

impl HasData for HasFiles {
    type Data<'a> = FilesView<'a>;
}

/// Looks at files on this thread if that is `direct`, and else on one that may wait.
async fn look<T: Send + 'static>(
    direct: bool,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> FsResult<T> {
    match direct {
        true => work().map_err(|error| code(&error).into()),
        false => blocking(work).await,
    }
}

/// Runs on a thread of its own what may wait for the disk.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> FsResult<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(FsError::trap)?
        .map_err(|error| code(&error).into())
}

/// Maps an error to the guest's code.
fn code(error: &io::Error) -> ErrorCode {
    use io::ErrorKind::{CrossesDevices, QuotaExceeded, StorageFull};

    let is = |errno: Errno| error.raw_os_error() == Some(errno.raw_os_error());
    match error.kind() {
        StorageFull | QuotaExceeded => ErrorCode::InsufficientSpace,
        CrossesDevices => ErrorCode::CrossDevice,
        _ if is(Errno::MFILE) || is(Errno::NFILE) => ErrorCode::InsufficientMemory,
        _ => ErrorCode::from(error),
    }
}

/// What a guest is told that needs its directory, which can't be made: never that a file does not exist.
fn unmade(error: &Unmade) -> ErrorCode {
    match code(&error.0) {
        code @ (ErrorCode::InsufficientSpace | ErrorCode::InsufficientMemory) => code,
        _ => ErrorCode::Io,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::DiskLimits;

    #[test]
    fn a_run_gets_back_what_it_closes_and_no_more_than_its_descriptors() {
        let mut open = OpenFiles::default();
        open.preopened(0, None, false, false);
        for rep in 1..=OPEN as u32 {
            open.begin().unwrap();
            open.insert(rep, None, None, false);
        }
        let refused = open.begin().unwrap_err().downcast().unwrap();
        assert_eq!(refused, ErrorCode::InsufficientMemory);
        open.remove(0);
        assert!(open.begin().is_err(), "a preopen has none of its own");
        open.remove(1);
        open.begin().unwrap();
    }

    #[test]
    fn streams_are_bounded_while_they_live() {
        let open = OpenFiles::default();
        let mut streams: Vec<_> = (0..STREAMS).map(|_| open.stream().unwrap()).collect();
        assert!(open.stream().is_err());
        streams.pop();
        open.stream().unwrap();
    }

    #[test]
    fn no_room_is_no_room_whoever_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let top = Arc::new(std::fs::File::open(directory.path()).unwrap());
        let disk = Disk::new(top, DiskLimits::of_bytes(1)).unwrap();
        let ours = disk
            .write_file(std::path::Path::new("a"), b"ab")
            .unwrap_err();
        for error in [ours, Errno::NOSPC.into(), Errno::DQUOT.into()] {
            assert_eq!(code(&error), ErrorCode::InsufficientSpace, "{error}");
        }
        let others = [
            (Errno::XDEV, ErrorCode::CrossDevice),
            (Errno::MFILE, ErrorCode::InsufficientMemory),
            (Errno::NOENT, ErrorCode::NoEntry),
        ];
        for (errno, expected) in others {
            assert_eq!(code(&errno.into()), expected);
        }
    }
}
