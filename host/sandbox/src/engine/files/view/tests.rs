//! What a guest does first with its `/` does not show that there was no directory.

use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::io::Errno;
use tempfile::TempDir;
use wasmtime_wasi::FsPerms;
use wasmtime_wasi::p2::bindings::filesystem::preopens::Host as _;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Advice, DescriptorFlags, HostDescriptor, NewTimestamp, OpenFlags, PathFlags,
};

use super::*;
use crate::disk::{DiskLimits, DiskUsage, Unmade};
use crate::engine::Preopen;
use crate::engine::filesystem::PreopensView;

/// All methods of a descriptor.
const METHODS: [&str; 27] = [
    "advise",
    "append-via-stream",
    "create-directory-at",
    "get-flags",
    "get-type",
    "is-same-object",
    "link-at",
    "metadata-hash",
    "metadata-hash-at",
    "open-at",
    "read",
    "read-directory",
    "read-via-stream",
    "readlink-at",
    "remove-directory-at",
    "rename-at",
    "set-size",
    "set-times",
    "set-times-at",
    "stat",
    "stat-at",
    "symlink-at",
    "sync",
    "sync-data",
    "unlink-file-at",
    "write",
    "write-via-stream",
];

/// What a run has, with these directories.
struct Guest {
    preopens: Vec<Preopen>,
    table: ResourceTable,
    context: WasiFilesystemCtx,
    open: OpenFiles,
}

impl Guest {
    fn new(preopens: Vec<Preopen>) -> Self {
        Self {
            preopens,
            table: ResourceTable::new(),
            context: WasiFilesystemCtx::default(),
            open: OpenFiles::default(),
        }
    }

    /// The numbers of its directories, which it asks for anew.
    fn directories(&mut self) -> Vec<u32> {
        let mut view = PreopensView {
            preopens: &self.preopens,
            table: &mut self.table,
            open: &mut self.open,
        };
        let all = view.get_directories().unwrap();
        all.iter().map(|(descriptor, _)| descriptor.rep()).collect()
    }

    fn files(&mut self) -> FilesView<'_> {
        FilesView::new(&mut self.context, &mut self.table, &mut self.open)
    }
}

fn fd(number: u32) -> Fd {
    Resource::new_borrow(number)
}

/// A disk whose directory has the file `a` and counts how often it was needed.
struct Case {
    disk: Arc<Disk>,
    needed: Arc<AtomicUsize>,
    directory: TempDir,
}

impl Case {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("a"), "text").unwrap();
        std::os::unix::fs::symlink("a", directory.path().join("link")).unwrap();
        std::fs::create_dir(directory.path().join("empty")).unwrap();
        let top = Arc::new(StdFile::open(directory.path()).unwrap());
        let needed = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&needed);
        let make = move || {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(top.clone())
        };
        let limits = DiskLimits::default();
        Self {
            disk: Disk::later(Box::new(make), limits, DiskUsage::default()),
            needed,
            directory,
        }
    }

    fn guest(&self) -> Guest {
        Guest::new(vec![Preopen::of_disk(self.disk.clone(), "/").unwrap()])
    }
}

fn failing(errno: Errno) -> Preopen {
    let make = move || Err(Unmade(errno.into()));
    let disk = Disk::later(Box::new(make), DiskLimits::default(), DiskUsage::default());
    Preopen::of_disk(disk, "/").unwrap()
}

fn code_of(error: FsError) -> String {
    error.downcast().unwrap().name().to_owned()
}

fn told<T: Debug>(result: FsResult<T>) -> String {
    result.map_or_else(code_of, |value| format!("{value:?}"))
}

fn done<T>(result: FsResult<T>) -> String {
    result.map_or_else(code_of, |_| "done".to_owned())
}

/// What a method of the descriptor `top` tells.
async fn call(method: &str, view: &mut FilesView<'_>, top: u32) -> String {
    let (at, no_flags) = (fd(top), PathFlags::empty());
    let text = str::to_owned;
    let now = || NewTimestamp::Now;
    match method {
        "advise" => done(view.advise(at, 0, 0, Advice::Normal).await),
        "append-via-stream" => done(view.append_via_stream(at)),
        "create-directory-at" => done(view.create_directory_at(at, text("new")).await),
        "get-flags" => told(view.get_flags(at).await),
        "get-type" => told(view.get_type(at).await),
        "is-same-object" => told(Ok(view.is_same_object(at, fd(top)).await.unwrap())),
        "link-at" => done(
            view.link_at(at, no_flags, text("a"), fd(top), text("b"))
                .await,
        ),
        "metadata-hash" => {
            let hash = view.metadata_hash(at).await;
            let same = view.metadata_hash_at(fd(top), no_flags, text(".")).await;
            match (hash, same) {
                (Ok(hash), Ok(same)) => {
                    format!("{}", (hash.lower, hash.upper) == (same.lower, same.upper))
                }
                (hash, _) => done(hash),
            }
        }
        "metadata-hash-at" => done(view.metadata_hash_at(at, no_flags, text("a")).await),
        "open-at" => {
            let (create, write) = (OpenFlags::CREATE, DescriptorFlags::WRITE);
            done(view.open_at(at, no_flags, text("new"), create, write).await)
        }
        "read" => told(view.read(at, 1, 0).await),
        "read-directory" => done(view.read_directory(at).await),
        "read-via-stream" => done(view.read_via_stream(at, 0)),
        "readlink-at" => told(view.readlink_at(at, text("link")).await),
        "remove-directory-at" => done(view.remove_directory_at(at, text("empty")).await),
        "rename-at" => done(view.rename_at(at, text("a"), fd(top), text("b")).await),
        "set-size" => done(view.set_size(at, 0).await),
        "set-times" => done(view.set_times(at, now(), now()).await),
        "set-times-at" => done(
            view.set_times_at(at, no_flags, text("a"), now(), now())
                .await,
        ),
        "stat" => {
            let stat = view.stat(at).await;
            told(stat.map(|stat| (stat.type_, stat.link_count, stat.size)))
        }
        "stat-at" => {
            let stat = view.stat_at(at, no_flags, text("a")).await;
            told(stat.map(|stat| (stat.type_, stat.link_count, stat.size)))
        }
        "symlink-at" => done(view.symlink_at(at, text("a"), text("new")).await),
        "sync" => done(view.sync(at).await),
        "sync-data" => done(view.sync_data(at).await),
        "unlink-file-at" => done(view.unlink_file_at(at, text("a")).await),
        "write" => done(view.write(at, vec![1], 0).await),
        "write-via-stream" => done(view.write_via_stream(at, 0)),
        _ => panic!("{method}"),
    }
}

#[tokio::test]
async fn every_method_tells_of_an_untouched_directory_what_it_tells_of_a_touched_one() {
    for method in METHODS {
        let mut answers = Vec::new();
        for is_touched in [false, true] {
            let case = Case::new();
            if is_touched {
                case.disk.top().unwrap();
            }
            let mut guest = case.guest();
            let top = guest.directories()[0];
            assert_eq!(case.disk.made().is_some(), is_touched, "{method}");
            answers.push(call(method, &mut guest.files(), top).await);
            // It is a directory, and the same one as itself, even if it is not there.
            let needs_none = ["get-type", "is-same-object"].contains(&method) && !is_touched;
            assert_eq!(case.disk.made().is_some(), !needs_none, "{method}");
            assert!(case.needed.load(Ordering::Relaxed) <= 1, "{method}");
            // From then on the handle in the table is the directory's.
            if !needs_none {
                let Descriptor::Dir(dir) = guest.table.get(&fd(top)).unwrap() else {
                    panic!("it is a directory");
                };
                assert!(Arc::ptr_eq(&dir.dir, case.disk.top().unwrap()), "{method}");
            }
        }
        assert_eq!(answers[0], answers[1], "{method}");
    }
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_an_error_of_the_host_and_never_a_missing_file() {
    for (errno, expected) in [
        (Errno::NOSPC, "insufficient-space"),
        (Errno::DQUOT, "insufficient-space"),
        (Errno::MFILE, "insufficient-memory"),
        (Errno::NFILE, "insufficient-memory"),
        (Errno::ROFS, "io"),
        (Errno::ACCESS, "io"),
        (Errno::NOENT, "io"),
        (Errno::NOTDIR, "io"),
    ] {
        for method in METHODS {
            let mut guest = Guest::new(vec![failing(errno)]);
            let top = guest.directories()[0];
            let answer = call(method, &mut guest.files(), top).await;
            match method {
                "get-type" => assert_eq!(answer, "DescriptorType::Directory"),
                "is-same-object" => assert_eq!(answer, "true"),
                _ => assert_eq!(answer, expected, "{method}"),
            }
        }
    }
    // A mount of the same run is of no concern.
    let mount = tempfile::tempdir().unwrap();
    let mount = Preopen::open(mount.path(), "/data", FsPerms::ReadWrite).unwrap();
    let mut guest = Guest::new(vec![failing(Errno::NOSPC), mount]);
    let [top, mount] = guest.directories()[..] else {
        panic!("two directories");
    };
    let mut view = guest.files();
    for method in ["get-flags", "stat", "create-directory-at", "read-directory"] {
        let answer = call(method, &mut view, mount).await;
        assert_ne!(answer, "insufficient-space", "{method}");
    }
    let moved = view.rename_at(fd(mount), "new".into(), fd(top), "new".into());
    assert_eq!(done(moved.await), "insufficient-space");
    for (one, other) in [(top, mount), (mount, top)] {
        assert!(!view.is_same_object(fd(one), fd(other)).await.unwrap());
    }
}

#[tokio::test]
async fn untouched_directories_are_the_same_object_if_they_are_of_the_same_disk() {
    let (one, other) = (Case::new(), Case::new());
    let here = Preopen::of_disk(one.disk.clone(), "/").unwrap();
    let there = Preopen::of_disk(other.disk.clone(), "/other").unwrap();
    let mut guest = Guest::new(vec![here.at("/again"), here, there]);
    let [again, here, there] = guest.directories()[..] else {
        panic!("three directories");
    };
    let mut view = guest.files();
    assert!(view.is_same_object(fd(here), fd(again)).await.unwrap());
    assert!(one.disk.made().is_none());
    assert!(!view.is_same_object(fd(here), fd(there)).await.unwrap());
    // One of them is there by now.
    assert!(view.is_same_object(fd(here), fd(again)).await.unwrap());
    assert!(view.is_same_object(fd(again), fd(here)).await.unwrap());
}

#[tokio::test]
async fn a_descriptor_that_is_dropped_makes_nothing_and_its_number_says_nothing_of_the_next() {
    let case = Case::new();
    let mut guest = case.guest();
    let top = guest.directories()[0];
    HostDescriptor::drop(&mut guest.files(), Resource::new_own(top)).unwrap();
    assert!(case.disk.made().is_none());
    let mount = tempfile::tempdir().unwrap();
    guest.preopens = vec![Preopen::open(mount.path(), "/data", FsPerms::ReadOnly).unwrap()];
    assert_eq!(guest.directories(), [top]);
    guest.files().stat(fd(top)).await.unwrap();
    assert!(case.disk.made().is_none());
}

/// What would happen if a function forgot that another handle stands in.
#[tokio::test]
async fn nothing_is_reached_through_what_stands_in() {
    let case = Case::new();
    let mut guest = case.guest();
    let top = guest.directories()[0];
    guest.open.settled(&fd(top));
    for method in METHODS {
        let answer = call(method, &mut guest.files(), top).await;
        let expected: &[&str] = match method {
            // These are not about what is in the directory.
            "get-flags" => &["(READ|MUTATE_DIRECTORY)"],
            "get-type" => &["DescriptorType::Directory"],
            "is-same-object" => &["true"],
            "stat" => &["(DescriptorType::Unknown, 1, 0)"],
            "metadata-hash" | "set-times" => &["done"],
            // And these are not for directories.
            "advise" | "append-via-stream" | "read" | "set-size" | "write" | "write-via-stream" => {
                &["bad-descriptor"]
            }
            "read-via-stream" => &["is-directory"],
            _ => &["not-directory"],
        };
        assert!(expected.contains(&&*answer), "{method}: {answer}");
    }
    // Nothing was made or removed in the directory either.
    let entries = std::fs::read_dir(case.directory.path()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["a", "empty", "link"]);
}
