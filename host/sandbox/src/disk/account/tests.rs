use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::disk::tree::tests::nest;

struct Case {
    directory: TempDir,
    disk: Arc<Disk>,
}

fn case(bytes: u64, entries: u64, levels: usize) -> Case {
    let directory = tempfile::tempdir().unwrap();
    let top = Arc::new(File::open(directory.path()).unwrap());
    let limits = DiskLimits {
        bytes,
        entries,
        levels,
    };
    let disk = Disk::new(top, limits).unwrap();
    Case { directory, disk }
}

impl Case {
    fn open(&self, path: &str, wanted: Wanted) -> io::Result<Held> {
        match self
            .disk
            .open(self.disk.top().unwrap(), Path::new(path), wanted)?
        {
            Opened::File(held) => Ok(held),
            Opened::Directory(_) => panic!("{path} is a directory"),
        }
    }

    fn create(&self, path: &str) -> io::Result<Held> {
        self.open(path, CREATE)
    }

    fn mkdir(&self, path: &str) -> io::Result<()> {
        self.disk
            .create_dir(self.disk.top().unwrap(), Path::new(path))
    }

    fn unlink(&self, path: &str) -> io::Result<()> {
        self.disk
            .remove_file(self.disk.top().unwrap(), Path::new(path))
    }

    fn rename(&self, old: &str, new: &str) -> io::Result<()> {
        let top = self.disk.top().unwrap();
        self.disk.rename(top, Path::new(old), top, Path::new(new))
    }

    fn used(&self) -> (u64, u64) {
        let used = self.disk.lock().quota.used();
        (used.bytes, used.entries)
    }
}

const CREATE: Wanted = Wanted {
    read: true,
    write: true,
    create: true,
    exclusive: false,
    truncate: false,
    follow: true,
};

fn assert_full<T>(result: io::Result<T>) {
    let error = result.err().expect("a refusal");
    assert_eq!(error.kind(), io::ErrorKind::QuotaExceeded, "{error}");
}

#[test]
fn bytes_are_refused_at_the_limit_however_they_come() {
    let case = case(1000, 10, 4);
    let file = case.create("a").unwrap();
    assert_eq!(case.disk.write_at(file.file(), &[1; 900], 0).unwrap(), 900);
    // What fits of a write is written; the next is refused.
    assert_eq!(case.disk.append(file.file(), &[1; 200]).unwrap(), 100);
    assert_full(case.disk.append(file.file(), &[1]));
    assert_full(case.disk.write_at(file.file(), &[1], 1 << 40));
    assert_full(case.disk.set_size(file.file(), 1001));
    assert_full(case.disk.set_size(file.file(), 1 << 50));
    let other = case.create("b").unwrap();
    assert_full(case.disk.write_at(other.file(), &[1], 0));
    assert_full(case.disk.write_file(Path::new("c"), &[1]));
    let beyond = case.disk.write_at(other.file(), &[1; 2], u64::MAX);
    assert_eq!(
        beyond.unwrap_err().raw_os_error(),
        Some(Errno::FBIG.raw_os_error())
    );
    // What is there may be written anew, cut, and then there is room again.
    assert_eq!(
        case.disk.write_at(file.file(), &[2; 1000], 0).unwrap(),
        1000
    );
    case.disk.set_size(file.file(), 400).unwrap();
    assert_eq!(case.disk.write_at(other.file(), &[1; 600], 0).unwrap(), 600);
    assert_eq!(case.used(), (1000, 2));
}

#[test]
fn a_write_of_the_host_that_does_not_fit_leaves_what_was_there() {
    let case = case(10, 10, 4);
    case.disk.write_file(Path::new("a/b"), b"before").unwrap();
    let refused = case.disk.write_file(Path::new("a/b"), &[0; 11]);
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("disk limit of 10 B is"), "{text}");
    let kept = std::fs::read(case.directory.path().join("a/b"));
    assert_eq!(kept.unwrap(), b"before");
    case.disk.write_file(Path::new("a/b"), &[0; 10]).unwrap();
    assert_eq!(case.used(), (10, 2));
}

#[test]
fn what_is_deleted_makes_room_once_nobody_has_it_open() {
    let case = case(100, 10, 4);
    let file = case.create("a").unwrap();
    case.disk.write_at(file.file(), &[1; 100], 0).unwrap();
    let again = case.open("a", CREATE).unwrap();
    case.unlink("a").unwrap();
    assert_eq!(case.used(), (100, 1), "open twice");
    drop(file);
    assert_eq!(case.used(), (100, 1), "open once");
    assert_full(case.disk.append(again.file(), &[1]));
    drop(again);
    assert_eq!(case.used(), (0, 0));
}

#[test]
fn links_share_their_bytes() {
    let case = case(100, 10, 4);
    let file = case.create("a").unwrap();
    case.disk.write_at(file.file(), &[1; 60], 0).unwrap();
    drop(file);
    let top = case.disk.top().unwrap();
    let link = |old: &str, new: &str| {
        case.disk
            .hard_link(top, Path::new(old), top, Path::new(new))
    };
    link("a", "b").unwrap();
    case.disk
        .symlink(Path::new("a"), top, Path::new("c"))
        .unwrap();
    assert_eq!(case.used(), (60, 3));
    case.rename("a", "b").unwrap();
    assert_eq!(
        case.used(),
        (60, 3),
        "two names of one file: nothing happens"
    );
    case.unlink("a").unwrap();
    assert_eq!(case.used(), (60, 2));
    case.unlink("b").unwrap();
    case.unlink("c").unwrap();
    assert_eq!(case.used(), (0, 0));
}

#[test]
fn entries_are_refused_at_the_limit_unless_they_are_there_already() {
    let case = case(100, 3, 4);
    case.mkdir("d").unwrap();
    drop(case.create("d/file").unwrap());
    let top = case.disk.top().unwrap();
    case.disk
        .symlink(Path::new("d"), top, Path::new("link"))
        .unwrap();
    assert_full(case.mkdir("e"));
    assert_full(case.create("e"));
    assert_full(case.disk.symlink(Path::new("d"), top, Path::new("e")));
    let old = Path::new("d/file");
    assert_full(case.disk.hard_link(top, old, top, Path::new("e")));
    // A program that makes sure of its directory must not be told that the disk is full.
    let exists = case.mkdir("d").unwrap_err();
    assert_eq!(exists.kind(), io::ErrorKind::AlreadyExists);
    drop(case.open("d/file", CREATE).unwrap());
    drop(case.open("link/file", CREATE).unwrap());
    case.rename("d/file", "link").unwrap();
    assert_eq!(case.used(), (0, 2), "a rename replaces");
    case.mkdir("e").unwrap();
    case.disk.remove_dir(top, Path::new("e")).unwrap();
    case.mkdir("f").unwrap();
}

#[test]
fn nothing_gets_deeper_than_the_limit_by_making_or_by_moving() {
    let case = case(100, 100, 5);
    for path in ["a", "a/b", "a/b/c", "a/b/c/d", "a/b/c/d/e"] {
        case.mkdir(path).unwrap();
    }
    let text = case.mkdir("a/b/c/d/e/f").unwrap_err().to_string();
    assert_eq!(text, "directories can't be more than 5 levels deep");
    // A name through a link is as deep as what it leads to.
    let top = case.disk.top().unwrap();
    case.disk
        .symlink(Path::new("a/b/c/d/e"), top, Path::new("short"))
        .unwrap();
    assert_full(case.mkdir("short/f"));
    case.mkdir("x").unwrap();
    case.mkdir("x/y").unwrap();
    assert_full(case.rename("x", "a/b/c/d/x"));
    case.rename("x", "a/b/c/x").unwrap();
    case.rename("a/b/c/x", "x").unwrap();
    // A handle that was moved deeper after it was opened.
    let held = open_dir(top, Path::new("x/y")).unwrap();
    case.rename("x", "a/b/c/x").unwrap();
    assert_full(case.disk.create_dir(&held, Path::new("z")));
    assert_eq!(case.used(), (0, 8));
}

#[test]
fn a_file_moves_off_the_disk_and_does_not_count_there() {
    let case = case(100, 10, 4);
    let outside = tempfile::tempdir_in(case.directory.path().parent().unwrap()).unwrap();
    let mount = File::open(outside.path()).unwrap();
    let top = case.disk.top().unwrap();
    let out = |name: &str| {
        let name = Path::new(name);
        case.disk.rename_out(top, name, &mount, name)
    };
    case.disk.write_file(Path::new("a"), &[1; 60]).unwrap();
    out("a").unwrap();
    assert_eq!(case.used(), (0, 0));
    // One that is open counts until the disk is measured, which a refusal does first.
    let open = case.create("b").unwrap();
    case.disk.append(open.file(), &[1; 60]).unwrap();
    out("b").unwrap();
    assert_eq!(case.used(), (60, 1));
    case.disk.write_file(Path::new("c"), &[1; 70]).unwrap();
    assert_eq!(case.used(), (70, 1));
    // What has another name here, or is a directory, is refused as between file systems.
    case.disk
        .hard_link(top, Path::new("c"), top, Path::new("d"))
        .unwrap();
    case.mkdir("e").unwrap();
    for name in ["d", "e"] {
        let error = out(name).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::CrossesDevices, "{name}");
    }
    drop(open);
    assert_eq!(case.used(), (70, 3));
}

#[test]
fn a_copy_begins_with_what_it_holds() {
    let case = case(100, 10, 400);
    case.disk.write_file(Path::new("a/b"), &[1; 60]).unwrap();
    let directory = tempfile::tempdir_in(case.directory.path().parent().unwrap()).unwrap();
    for name in ["to", "beside"] {
        std::fs::create_dir(directory.path().join(name)).unwrap();
    }
    let to = Arc::new(File::open(directory.path().join("to")).unwrap());
    let beside = File::open(directory.path().join("beside")).unwrap();
    let copy = case
        .disk
        .copy_to(to, || Ok(beside.try_clone()?.into()))
        .unwrap();
    assert_full(copy.write_file(Path::new("c"), &[1; 41]));
    copy.write_file(Path::new("c"), &[1; 40]).unwrap();
    case.disk.write_file(Path::new("c"), &[1; 30]).unwrap();
}

#[test]
fn a_tree_that_is_too_deep_already_gets_no_deeper() {
    let case = case(100, 10, 3);
    nest(case.directory.path(), 20);
    assert_full(case.mkdir(&("d/".repeat(20) + "e")));
    crate::disk::remove_contents(case.disk.top().unwrap(), c"", u64::MAX).unwrap();
}

/// One step of a program.
#[derive(Clone, Debug)]
enum Step {
    Open(u8, bool, bool),
    Close(usize),
    Write(usize, u64, usize),
    Append(usize, usize),
    Resize(usize, u64),
    Unlink(u8),
    Rename(u8, u8),
    Link(u8, u8),
    Symlink(u8, u8),
    Mkdir(u8),
    Rmdir(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let name = 0..NAMES.len() as u8;
    prop_oneof![
        (name.clone(), any::<bool>(), any::<bool>()).prop_map(|(n, c, t)| Step::Open(n, c, t)),
        (0..4_usize).prop_map(Step::Close),
        (0..4_usize, 0..150_u64, 0..60_usize).prop_map(|(f, o, n)| Step::Write(f, o, n)),
        (0..4_usize, 0..60_usize).prop_map(|(f, n)| Step::Append(f, n)),
        (0..4_usize, 0..150_u64).prop_map(|(f, n)| Step::Resize(f, n)),
        name.clone().prop_map(Step::Unlink),
        (name.clone(), name.clone()).prop_map(|(a, b)| Step::Rename(a, b)),
        (name.clone(), name.clone()).prop_map(|(a, b)| Step::Link(a, b)),
        (name.clone(), name.clone()).prop_map(|(a, b)| Step::Symlink(a, b)),
        name.clone().prop_map(Step::Mkdir),
        name.prop_map(Step::Rmdir),
    ]
}

const NAMES: [&str; 7] = ["a", "b", "c", "d", "d/a", "d/e", "d/e/a"];

fn take(case: &Case, held: &mut Vec<Held>, step: &Step) {
    let (disk, top) = (&case.disk, case.disk.top().unwrap());
    let path = |name: u8| Path::new(NAMES[usize::from(name)]);
    // Whatever is refused: the account stays true.
    let _ = match *step {
        Step::Open(name, create, truncate) => {
            let wanted = Wanted {
                create,
                truncate,
                ..CREATE
            };
            match disk.open(top, path(name), wanted) {
                Ok(Opened::File(file)) if held.len() < 4 => {
                    held.push(file);
                    Ok(())
                }
                opened => opened.map(drop),
            }
        }
        Step::Close(index) => {
            if index < held.len() {
                held.swap_remove(index);
            }
            Ok(())
        }
        Step::Write(index, offset, length) => held.get(index).map_or(Ok(()), |held| {
            disk.write_at(held.file(), &vec![1; length], offset)
                .map(drop)
        }),
        Step::Append(index, length) => held.get(index).map_or(Ok(()), |held| {
            disk.append(held.file(), &vec![1; length]).map(drop)
        }),
        Step::Resize(index, size) => held
            .get(index)
            .map_or(Ok(()), |held| disk.set_size(held.file(), size)),
        Step::Unlink(name) => disk.remove_file(top, path(name)),
        Step::Rename(old, new) => disk.rename(top, path(old), top, path(new)),
        Step::Link(old, new) => disk.hard_link(top, path(old), top, path(new)),
        Step::Symlink(target, name) => disk.symlink(path(target), top, path(name)),
        Step::Mkdir(name) => disk.create_dir(top, path(name)),
        Step::Rmdir(name) => disk.remove_dir(top, path(name)),
    };
}

proptest! {
    #[test]
    fn what_is_counted_is_what_is_there(steps in prop::collection::vec(step(), 1..60)) {
        let case = case(200, 5, 2);
        let mut held = Vec::new();
        for step in steps {
            take(&case, &mut held, &step);
            let state = case.disk.lock();
            let measured = case.disk.measure_in(&state).unwrap();
            prop_assert_eq!(state.quota.used(), measured, "after {:?}", step);
            prop_assert!(measured.bytes <= 200 && measured.entries <= 5);
        }
    }
}

#[test]
fn a_file_is_closed_without_waiting_for_a_change_and_is_counted_right_after_it() {
    let case = case(1000, 10, 4);
    let (first, second) = (case.create("a").unwrap(), case.create("b").unwrap());
    for file in [&first, &second] {
        assert_eq!(case.disk.write_at(file.file(), &[1; 100], 0).unwrap(), 100);
    }
    case.unlink("a").unwrap();
    // Somebody walks over the tree meanwhile.
    let walking = case.disk.lock();
    let (done, closed) = std::sync::mpsc::channel();
    let closing = std::thread::spawn(move || {
        drop(first);
        drop(second);
        done.send(()).unwrap();
    });
    closed
        .recv_timeout(std::time::Duration::from_secs(20))
        .expect("it does not wait");
    closing.join().unwrap();
    assert_eq!(walking.quota.used().bytes, 200);
    drop(walking);
    // Without anything else that is done to the disk.
    let state = case.disk.lock();
    assert!(state.open.is_empty());
    assert_eq!(
        (state.quota.used().bytes, state.quota.used().entries),
        (100, 1)
    );
}
