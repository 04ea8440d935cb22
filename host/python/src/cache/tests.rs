//! The cache with one process, and with several that race or die.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::progress::{Amount, Silent, Step};

/// Set in the processes that the tests start: the cache that they work on.
pub(super) const CHILD_CACHE: &str = "SANDBOX_NET_TEST_CHILD_CACHE";

pub(super) fn open() -> (tempfile::TempDir, Cache) {
    let temp = tempfile::tempdir().unwrap();
    let cache = Cache::open(Some(temp.path().join("cache"))).unwrap();
    (temp, cache)
}

pub(super) fn write_result(directory: &Path) -> Result<(), Error> {
    let path = directory.join("result");
    fs::write(&path, "whole").map_err(Error::io("write", &path))
}

#[test]
fn an_entry_is_made_once_and_found_again() {
    let (_temp, cache) = open();
    let entry = cache.entry("kind", "key").unwrap();
    assert_eq!(entry.get(), None);
    let made = entry.get_or_make(&Silent, write_result).unwrap();
    assert_eq!(fs::read_to_string(made.join("result")).unwrap(), "whole");
    let found: Result<_, Error> = entry.get_or_make(&Silent, |_| panic!("made a second time"));
    assert_eq!(found.unwrap(), made);
    assert_eq!(cache.keys("kind").unwrap(), ["key"]);
}

#[test]
fn a_maker_that_fails_leaves_no_entry_and_no_files() {
    let (_temp, cache) = open();
    let entry = cache.entry("kind", "key").unwrap();
    let failed = entry.get_or_make(&Silent, |directory| {
        write_result(directory)?;
        Err(Error::NoCacheDirectory)
    });
    assert!(matches!(failed, Err(Error::NoCacheDirectory)));
    assert_eq!(entry.get(), None);
    assert!(!entry.beside("partial").exists());
}

#[test]
fn a_remade_entry_replaces_the_old_one_only_if_its_maker_succeeds() {
    let (_temp, cache) = open();
    let entry = cache.entry("kind", "key").unwrap();
    let path = entry.get_or_make(&Silent, write_result).unwrap();
    let failed = entry.remake(&Silent, |_| Err(Error::NoCacheDirectory));
    assert!(failed.is_err());
    assert!(path.join("result").exists());
    let write_new = |directory: &Path| {
        fs::write(directory.join("new"), "").map_err(Error::io("write", directory))
    };
    entry.remake(&Silent, write_new).unwrap();
    assert!(path.join("new").exists());
    assert!(!path.join("result").exists());
}

#[test]
fn a_removed_entry_is_gone_and_can_be_made_again() {
    let (_temp, cache) = open();
    let entry = cache.entry("kind", "key").unwrap();
    assert!(!entry.remove(&Silent).unwrap());
    entry.get_or_make(&Silent, write_result).unwrap();
    assert!(entry.remove(&Silent).unwrap());
    assert_eq!(entry.get(), None);
    assert!(cache.keys("kind").unwrap().is_empty());
    entry.get_or_make(&Silent, write_result).unwrap();
}

#[test]
fn names_that_could_leave_the_cache_are_refused() {
    let (_temp, cache) = open();
    for name in [
        "", ".", "..", ".hidden", "a/b", "a\\b", "/etc", "C:", "a b", "ä",
    ] {
        assert!(
            matches!(cache.entry("kind", name), Err(Error::CacheName { .. })),
            "{name}"
        );
        assert!(
            matches!(cache.entry(name, "key"), Err(Error::CacheName { .. })),
            "{name}"
        );
    }
}

#[test]
fn threads_that_race_make_an_entry_once() {
    let (_temp, cache) = open();
    let entry = cache.entry("kind", "key").unwrap();
    let made = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let path = entry.get_or_make(&Silent, |directory| {
                    made.fetch_add(1, Ordering::Relaxed);
                    write_result(directory)
                });
                assert!(path.unwrap().join("result").exists());
            });
        }
    });
    assert_eq!(made.into_inner(), 1);
}

/// The hidden files beside the entries of a kind.
pub(super) fn hidden(cache: &Cache) -> Vec<String> {
    let items = fs::read_dir(cache.root().join("kind")).unwrap();
    let names = items.map(|item| item.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with('.')).collect()
}

#[cfg(unix)]
#[test]
fn a_lock_is_removed_when_it_is_released_whatever_became_of_its_entry() {
    let (_temp, cache) = open();
    let entry = cache.entry("kind", "key").unwrap();
    let is_there = |_: &Path| match hidden(&cache).iter().any(|name| name == ".key.lock") {
        true => Ok(()),
        false => Err(Error::NoCacheDirectory),
    };
    entry.get_or_make(&Silent, is_there).unwrap();
    assert_eq!(hidden(&cache), [""; 0]);
    entry.remake(&Silent, is_there).unwrap();
    assert_eq!(hidden(&cache), [""; 0]);
    let failed = entry.remake(&Silent, |_| Err(Error::NoCacheDirectory));
    assert!(failed.is_err());
    assert_eq!(hidden(&cache), [""; 0]);
    assert!(entry.remove(&Silent).unwrap());
    assert_eq!(hidden(&cache), [""; 0]);
    // What a process left that was killed goes with the next holder.
    fs::write(entry.beside("lock"), "").unwrap();
    entry.get_or_make(&Silent, write_result).unwrap();
    assert_eq!(hidden(&cache), [""; 0]);
}

#[test]
fn one_holder_at_a_time_makes_an_entry_although_each_removes_the_lock() {
    let (_temp, cache) = open();
    let entry = cache.entry("kind", "key").unwrap();
    let (inside, made) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..40 {
                    let remade = entry.remake(&Silent, |directory| {
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        write_result(directory)?;
                        made.fetch_add(1, Ordering::Relaxed);
                        assert_eq!(inside.fetch_sub(1, Ordering::SeqCst), 1);
                        Ok::<_, Error>(())
                    });
                    remade.unwrap();
                }
            });
        }
    });
    assert_eq!(made.into_inner(), 8 * 40);
}

#[test]
fn two_processes_that_race_make_an_entry_once() {
    let (_temp, cache) = open();
    let mut first = Maker::start(&cache);
    first.wait_for("making");
    let mut second = Maker::start(&cache);
    second.wait_for("Waiting for another process");
    assert_eq!(cache.entry("kind", "key").unwrap().get(), None);
    first.let_go();
    second.wait_for("found whole");
    first.wait_for("found whole");
    // `second` would block for ever on `making`, because nobody releases it.
}

#[test]
fn an_entry_whose_maker_was_killed_midway_is_not_seen_and_is_made_anew() {
    let (_temp, cache) = open();
    let mut maker = Maker::start(&cache);
    maker.wait_for("making");
    maker.child.kill().unwrap();
    maker.child.wait().unwrap();
    let entry = cache.entry("kind", "key").unwrap();
    assert!(entry.beside("partial").join("half").exists());
    assert_eq!(entry.get(), None);
    assert!(cache.keys("kind").unwrap().is_empty());
    let path = entry.get_or_make(&Silent, write_result).unwrap();
    assert!(path.join("result").exists());
    assert!(!path.join("half").exists());
    assert!(!entry.beside("partial").exists());
}

/// Everything below a directory, with the modes.
#[cfg(unix)]
fn modes(path: &Path) -> Vec<(PathBuf, u32)> {
    use std::os::unix::fs::MetadataExt;

    let mut modes = vec![(path.to_owned(), fs::metadata(path).unwrap().mode() & 0o777)];
    if path.is_dir() {
        let items = fs::read_dir(path).unwrap();
        modes.extend(items.flat_map(|item| self::modes(&item.unwrap().path())));
    }
    modes
}

#[cfg(unix)]
#[test]
fn whatever_the_umask_is_nobody_else_can_use_what_is_made() {
    for umask in ["0", "022", "077"] {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("above/cache");
        let mut maker = Maker::start_with(&root, umask);
        maker.wait_for("making");
        for (path, mode) in modes(&temp.path().join("above")) {
            // An unfinished entry is in a directory that nobody else can enter.
            let mut above = path.ancestors().skip(1);
            let is_within = above.any(|above| above.ends_with(".key.partial"));
            assert!(
                is_within || mode & 0o077 == 0,
                "{mode:o} {}",
                path.display()
            );
        }
        maker.let_go();
        maker.wait_for("found whole");
        let modes = modes(&temp.path().join("above"));
        assert!(
            modes
                .iter()
                .any(|(path, _)| path.ends_with("key/below/deep"))
        );
        for (path, mode) in modes {
            let expected = if path.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(mode, expected, "{}", path.display());
        }
    }
}

#[cfg(unix)]
#[test]
fn an_entry_that_others_can_have_changed_is_refused_whenever_it_is_asked_for() {
    use std::os::unix::fs::PermissionsExt;

    let (_temp, cache) = open();
    let chmod =
        |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let made = cache
        .entry("kind", "key")
        .unwrap()
        .get_or_make(&Silent, write_result)
        .unwrap();
    let kind = cache.root().join("kind");
    chmod(cache.root(), 0o755);
    for (changed, mode, usual) in [
        (cache.root(), 0o777, 0o755),
        (&kind, 0o777, 0o755),
        (&kind, 0o757, 0o755),
        (&made, 0o777, 0o700),
    ] {
        chmod(&kind, 0o755);
        chmod(changed, mode);
        let error = cache.entry("kind", "key").unwrap_err();
        assert!(matches!(error, Error::CacheNotPrivate { .. }), "{error}");
        chmod(changed, usual);
        assert_eq!(
            cache.entry("kind", "key").unwrap().get(),
            Some(made.clone())
        );
    }
}

/// Not a test of its own: the tests above run it in other processes.
#[test]
fn child_maker() {
    let Some(root) = std::env::var_os(CHILD_CACHE) else {
        return;
    };
    let entry = Cache::open(Some(root.into()))
        .unwrap()
        .entry("kind", "key")
        .unwrap();
    let made = entry.get_or_make(&Telling, |directory| {
        fs::write(directory.join("half"), "").map_err(Error::io("write", directory))?;
        fs::create_dir(directory.join("below")).map_err(Error::io("create", directory))?;
        fs::write(directory.join("below/deep"), "").map_err(Error::io("write", directory))?;
        println!("making");
        std::io::stdin().read_line(&mut String::new()).unwrap();
        write_result(directory)
    });
    println!(
        "found {}",
        fs::read_to_string(made.unwrap().join("result")).unwrap()
    );
}

/// Prints the cache's progress, for the test that started this process.
struct Telling;

impl Progress for Telling {
    fn start(&self, label: &str, total: Amount) -> Box<dyn Step> {
        println!("{label}");
        Silent.start(label, total)
    }
}

/// A process that makes an entry, and stops midway until it is released.
pub(super) struct Maker {
    pub(super) child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Maker {
    pub(super) fn start(cache: &Cache) -> Maker {
        Self::run(
            &mut Command::new(std::env::current_exe().unwrap()),
            cache.root(),
        )
    }

    #[cfg(unix)]
    fn start_with(root: &Path, umask: &str) -> Maker {
        let program = std::env::current_exe().unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\"")]);
        Self::run(shell.arg(program), root)
    }

    fn run(command: &mut Command, root: &Path) -> Maker {
        let (_crate, module) = module_path!().split_once("::").unwrap();
        let mut child = command
            .args(["--exact", "--nocapture", &format!("{module}::child_maker")])
            .env(CHILD_CACHE, root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Maker { child, lines }
    }

    pub(super) fn wait_for(&mut self, text: &str) {
        let found = self.lines.by_ref().any(|line| line.unwrap().contains(text));
        assert!(found, "the process ended without saying `{text}`");
    }

    pub(super) fn let_go(&mut self) {
        self.child.stdin.take().unwrap().write_all(b"\n").unwrap();
    }
}

impl Drop for Maker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
