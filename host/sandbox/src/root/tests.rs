use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::sync::Barrier;
use std::sync::atomic::AtomicUsize;

use super::*;

fn names(at: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(at).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// What a process that was killed leaves.
fn dead(parent: &Path, name: &str) -> PathBuf {
    let path = parent.join(name);
    std::fs::create_dir_all(path.join("files/home/a")).unwrap();
    std::fs::write(path.join("files/home/a/file"), "left").unwrap();
    std::fs::write(path.join(LOCK), "").unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).unwrap();
    path
}

#[test]
fn a_directory_is_the_users_alone_and_goes_with_all_that_is_in_it() {
    let parent = tempfile::tempdir().unwrap();
    let place = Place::in_directory(parent.path()).unwrap();
    let mode = std::fs::metadata(&place.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    std::fs::create_dir_all(place.path.join("files/deep/er")).unwrap();
    drop(place);
    assert_eq!(names(parent.path()), [""; 0]);
}

#[test]
fn what_cannot_be_removed_is_an_error_with_its_name_and_goes_later() {
    let parent = tempfile::tempdir().unwrap();
    let mut place = Place::in_directory(parent.path()).unwrap();
    // The last step fails, as on a file system that became read-only.
    let path = place.path.clone();
    place.path = path.join("no-such");
    let error = place.remove().unwrap_err().to_string();
    assert!(error.contains("no-such' can't be removed"), "{error}");
    assert!(error.contains("a later run tries again"), "{error}");
    assert!(path.exists());
}

#[test]
fn a_dead_directory_is_swept_and_a_live_one_stays() {
    let parent = tempfile::tempdir().unwrap();
    let at = parent.path();
    let live = Place::in_directory(at).unwrap();
    for number in 0..3 {
        dead(at, &format!("sandbox-net-dead{number}"));
    }
    assert_eq!(sweep::sweep(at).unwrap(), 3);
    assert_eq!(at.join(live.path.file_name().unwrap()), live.path);
    assert_eq!(names(at).len(), 1);
    assert!(live.path.join(FILES).exists());
    drop(live);
    assert_eq!(names(at), [""; 0]);
}

#[test]
fn what_may_be_somebody_elses_is_not_swept() {
    let parent = tempfile::tempdir().unwrap();
    let at = parent.path();
    // Others could have written there.
    let open = dead(at, "sandbox-net-open");
    std::fs::set_permissions(&open, PermissionsExt::from_mode(0o777)).unwrap();
    // No lock: just begun, or of a version without one.
    std::fs::create_dir_all(at.join("sandbox-net-new/home")).unwrap();
    let new = PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(at.join("sandbox-net-new"), new).unwrap();
    // Another name, and a link to what would be a dead one.
    let other = dead(at, "other");
    std::os::unix::fs::symlink(&other, at.join("sandbox-net-link")).unwrap();
    std::fs::write(at.join("sandbox-net-file"), "").unwrap();
    let before = names(at);
    assert_eq!(sweep::sweep(at).unwrap(), 0);
    assert_eq!(names(at), before);
    assert!(other.join("files/home/a/file").exists());
}

#[test]
fn a_sweep_takes_a_few_at_a_time() {
    let parent = tempfile::tempdir().unwrap();
    for number in 0..20 {
        dead(parent.path(), &format!("sandbox-net-dead{number}"));
    }
    assert_eq!(sweep::sweep(parent.path()).unwrap(), 8);
    assert_eq!(names(parent.path()).len(), 12);
}

#[test]
fn sandboxes_that_begin_beside_sweeps_keep_their_directories() {
    let parent = tempfile::tempdir().unwrap();
    let at = parent.path();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..200 {
                    sweep::sweep(at).unwrap();
                }
            });
        }
        for _ in 0..100 {
            let place = Place::in_directory(at).unwrap();
            assert!(place.path.join(FILES).exists());
        }
    });
    assert_eq!(names(at), [""; 0]);
}

/// Drops a directory in the runtime while the only thread for blocking work is taken, and returns its
/// path: it is there until the runtime ends.
fn dropped_in(runtime: &tokio::runtime::Runtime) -> (PathBuf, std::sync::mpsc::Sender<()>) {
    let (go_on, blocked) = std::sync::mpsc::channel::<()>();
    let path = runtime.block_on(async {
        tokio::task::spawn_blocking(move || blocked.recv());
        let root = Root::new(DiskLimits::default()).unwrap();
        let path = root.path();
        drop(root);
        assert!(path.exists());
        path
    });
    (path, go_on)
}

#[test]
fn a_worker_of_a_runtime_is_not_held_up_by_the_removal() {
    let mut builders = [
        tokio::runtime::Builder::new_multi_thread(),
        tokio::runtime::Builder::new_current_thread(),
    ];
    for builder in &mut builders {
        let runtime = builder.worker_threads(1).max_blocking_threads(1).build();
        let runtime = runtime.unwrap();
        let (path, go_on) = dropped_in(&runtime);
        go_on.send(()).unwrap();
        // What is left to do is done at its end.
        drop(runtime);
        assert!(!path.exists());
    }
}

#[test]
fn a_runtime_of_one_thread_goes_on_while_many_files_are_removed_and_all_of_them_go() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let (path, held) = runtime.block_on(async {
        let root = Root::new(DiskLimits::default()).unwrap();
        let path = root.path();
        for directory in 0..20 {
            let directory = path.join(format!("home/{directory}"));
            std::fs::create_dir(&directory).unwrap();
            for file in 0..1000 {
                std::fs::write(directory.join(file.to_string()), "").unwrap();
            }
        }
        let start = std::time::Instant::now();
        drop(root);
        (path, start.elapsed())
    });
    // It took 210 ms.
    assert!(held < std::time::Duration::from_millis(20), "{held:?}");
    drop(runtime);
    assert!(!path.parent().unwrap().exists());
}

#[test]
fn outside_of_a_runtime_and_in_one_that_is_over_the_directory_goes_at_once() {
    let root = Root::new(DiskLimits::default()).unwrap();
    let path = root.path();
    drop(root);
    assert!(!path.exists());

    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let handle = runtime.handle().clone();
    runtime.shutdown_background();
    let _entered = handle.enter();
    let root = Root::new(DiskLimits::default()).unwrap();
    let path = root.path();
    drop(root);
    assert!(!path.exists());
}

fn later(parent: &Path) -> Root {
    Root::later(parent, DiskLimits::default(), DiskUsage::default()).unwrap()
}

#[test]
fn nothing_is_made_before_something_needs_it() {
    let parent = tempfile::tempdir().unwrap();
    let root = later(parent.path());
    let copy = root.copy().unwrap();
    assert!(root.files().is_writable());
    // What a copy holds counts, as if it had been copied.
    assert_eq!((root.usage().0.entries, copy.usage().0.entries), (0, 2));
    assert!(!root.is_made() && !copy.is_made());
    assert_eq!(names(parent.path()), [""; 0]);
    drop((root, copy));
    later(parent.path()).remove().unwrap();
    assert_eq!(names(parent.path()), [""; 0]);
}

#[test]
fn whatever_needs_the_directory_makes_it_with_what_a_program_expects() {
    type Use = fn(&Root);
    let uses: [(&str, Use); 6] = [
        ("the guest", |root| assert!(root.disk.top().is_ok())),
        ("the host", |root| drop(root.files().dir().unwrap())),
        ("a file", |root| {
            let path = Path::new("home/a");
            root.disk.write_file(path, b"").unwrap();
            root.disk
                .remove_file(root.disk.top().unwrap(), path)
                .unwrap();
        }),
        ("a script", |root| {
            let (name, _) = root.make_script_directory().unwrap();
            root.remove_script_directory(&name).unwrap();
        }),
        ("a digest", |root| assert!(root.digest().is_ok())),
        ("a copy", |root| {
            root.copy_into(tempfile::tempdir().unwrap().path()).unwrap();
        }),
    ];
    for (what, use_it) in uses {
        let parent = tempfile::tempdir().unwrap();
        let root = later(parent.path());
        use_it(&root);
        assert!(root.is_made(), "{what}");
        assert_eq!(names(parent.path()).len(), 1, "{what}");
        assert_eq!(names(&root.path()), ["home", "tmp"], "{what}");
        assert_eq!(root.usage().0.entries, 0, "{what}");
        drop(root);
        assert_eq!(names(parent.path()), [""; 0], "{what}");
    }
}

#[test]
fn those_who_need_it_at_once_get_the_same_one() {
    for _ in 0..50 {
        let parent = tempfile::tempdir().unwrap();
        let root = later(parent.path());
        let begin = Barrier::new(8);
        let inodes: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|number| {
                    let (root, begin) = (&root, &begin);
                    scope.spawn(move || {
                        begin.wait();
                        match number % 2 {
                            0 => root.disk.top().unwrap().metadata().unwrap().ino(),
                            _ => root
                                .files()
                                .dir()
                                .unwrap()
                                .into_std_file()
                                .metadata()
                                .unwrap()
                                .ino(),
                        }
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        assert!(inodes.iter().all(|inode| *inode == inodes[0]));
        assert_eq!(names(parent.path()).len(), 1);
    }
}

#[test]
fn a_copy_of_an_untouched_one_is_as_one_of_a_touched_one() {
    let touched = Root::new(DiskLimits::of_bytes(100)).unwrap();
    touched.path();
    let untouched = Root::new(DiskLimits::of_bytes(100)).unwrap();
    let copies = [touched.copy().unwrap(), untouched.copy().unwrap()];
    let [of_touched, of_untouched] = copies.each_ref().map(|copy| {
        let before = copy.usage();
        let digest = copy.digest().unwrap();
        copy.disk
            .write_file(Path::new("home/a"), &[0; 101])
            .unwrap_err();
        (before, digest, names(&copy.path()), copy.usage())
    });
    assert_eq!(of_touched, of_untouched);
}

#[test]
fn what_made_nothing_starts_no_thread_to_remove_it() {
    for (is_touched, expected) in [(false, 0), (true, 1)] {
        let started = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&started);
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.on_thread_start(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        runtime.build().unwrap().block_on(async {
            let root = Root::new(DiskLimits::default()).unwrap();
            if is_touched {
                root.path();
            }
        });
        assert_eq!(started.load(Ordering::Relaxed), expected);
    }
}

#[test]
fn nothing_is_made_after_the_end() {
    let parent = tempfile::tempdir().unwrap();
    let root = later(parent.path());
    let disk = root.disk.clone();
    drop(root);
    let refused = disk.top().unwrap_err().to_string();
    assert_eq!(refused, "the sandbox's directory is removed");
    assert_eq!(names(parent.path()), [""; 0]);
}

#[test]
fn a_temporary_directory_that_goes_away_is_an_error_of_the_use_and_the_next_tries_again() {
    let place = tempfile::tempdir().unwrap();
    let parent = place.path().join("own");
    std::fs::create_dir(&parent).unwrap();
    let root = later(&parent);
    std::fs::remove_dir(&parent).unwrap();
    let error = root.files().dir().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    let reason = crate::disk::Unmade::reason(error).unwrap().to_string();
    let expected = format!("the temporary directory '{}' can't be", parent.display());
    assert!(reason.starts_with(&expected), "{reason}");
    assert!(reason.ends_with("; set TMPDIR to another"), "{reason}");
    assert!(!root.is_made());
    std::fs::create_dir(&parent).unwrap();
    root.files().dir().unwrap();
    assert_eq!(names(&parent).len(), 1);
}

#[test]
fn where_no_directory_can_be_made_a_sandbox_is_refused_with_the_same_text() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    std::fs::write(at("file"), "").unwrap();
    std::fs::set_permissions(at("file"), PermissionsExt::from_mode(0o777)).unwrap();
    std::os::unix::fs::symlink("loop", at("loop")).unwrap();
    std::fs::create_dir(at("closed")).unwrap();
    std::fs::set_permissions(at("closed"), PermissionsExt::from_mode(0o500)).unwrap();
    let long = "n".repeat(300);
    let mut names = vec!["missing", "file", "file/below", "loop", &long];
    // To root nothing is closed.
    if !rustix::process::geteuid().is_root() {
        names.push("closed");
    }
    for name in names {
        let refused = place::check(&at(name)).unwrap_err();
        let made = Place::in_directory(&at(name)).err().unwrap();
        assert_eq!(refused.to_string(), made.to_string(), "{name}");
        assert_eq!(refused.kind(), made.kind(), "{name}");
    }
    place::check(place.path()).unwrap();
}
