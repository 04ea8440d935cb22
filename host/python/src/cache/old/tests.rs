//! Which entries go, and that those who use them at the same time do not notice.

use std::io::Read;
use std::process::Command;

use super::super::tests::{CHILD_CACHE, Maker, hidden, open, write_result};
use super::*;
use crate::progress::Silent;

const DAY: Duration = Duration::from_hours(24);
const ALL: Kept = Kept {
    unused: Duration::MAX,
    bytes: u64::MAX,
};
const NOTHING: Kept = Kept {
    unused: Duration::ZERO,
    bytes: 0,
};

/// Makes an entry of a mebibyte that was used for the last time so many days ago.
fn used(cache: &Cache, key: &str, days: u32) -> Entry {
    let entry = cache.entry("kind", key).unwrap();
    let make = |directory: &Path| {
        fs::create_dir(directory.join("below")).unwrap();
        fs::write(directory.join("below/data"), vec![7; 1 << 20]).unwrap();
        write_result(directory)
    };
    entry.get_or_make(&Silent, make).unwrap();
    let at = SystemTime::now() - DAY * days;
    let directory = File::open(entry.path()).unwrap();
    directory.set_modified(at).unwrap();
    entry
}

#[test]
fn what_was_not_used_for_long_goes_and_the_rest_stays() {
    let (_temp, cache) = open();
    for (key, days) in [("new", 0), ("month", 29), ("old", 31), ("older", 400)] {
        used(&cache, key, days);
    }
    cache.tidy("kind", ALL);
    assert_eq!(cache.keys("kind").unwrap().len(), 4);
    let unused = DAY * 30;
    cache.tidy("kind", Kept { unused, ..ALL });
    assert_eq!(cache.keys("kind").unwrap(), ["month", "new"]);
    assert_eq!(hidden(&cache), [""; 0]);
    cache.tidy("no such kind", NOTHING);
}

#[test]
fn beyond_the_bytes_those_go_that_were_used_the_longest_ago() {
    let (_temp, cache) = open();
    for (key, days) in [("b", 2), ("d", 4), ("a", 1), ("c", 3)] {
        used(&cache, key, days);
    }
    // Of a large file without contents nothing is on the disk.
    #[cfg(unix)]
    {
        let hole = File::create(cache.entry("kind", "a").unwrap().path().join("hole")).unwrap();
        hole.set_len(1 << 30).unwrap();
    }
    let bytes = (2 << 20) + (512 << 10);
    cache.tidy("kind", Kept { bytes, ..ALL });
    assert_eq!(cache.keys("kind").unwrap(), ["a", "b"]);
}

#[test]
fn an_entry_that_is_used_again_is_kept_as_a_new_one() {
    let (_temp, cache) = open();
    let [again, not] = ["again", "not"].map(|key| used(&cache, key, 40));
    let before = not.last_used();
    again.note_use();
    cache.tidy(
        "kind",
        Kept {
            unused: DAY * 30,
            ..ALL
        },
    );
    assert_eq!(cache.keys("kind").unwrap(), ["again"]);
    // What was found to be old, and was used before its turn came, stays.
    again.remove_unless_used(before.unwrap());
    assert!(again.get().is_some());
    // Uses of the same day are not noted again.
    let noted = again.last_used();
    again.note_use();
    assert_eq!(again.last_used(), noted);
}

#[test]
fn making_an_entry_makes_old_ones_of_its_kind_go_and_finding_one_does_not() {
    let (_temp, cache) = open();
    let [found, old] = ["found", "old"].map(|key| used(&cache, key, 40));
    let unused = DAY * 30;
    let get = |key| {
        let kept = Kept { unused, ..ALL };
        cache.get_or_make_kept("kind", key, kept, &Silent, write_result)
    };
    get("found").unwrap();
    assert!(found.get().is_some() && old.get().is_some());
    get("new").unwrap();
    assert_eq!(cache.keys("kind").unwrap(), ["found", "new"]);
}

#[test]
fn a_file_that_is_open_can_be_read_after_its_entry_is_gone() {
    let (_temp, cache) = open();
    let entry = used(&cache, "key", 1);
    let mut file = File::open(entry.path().join("result")).unwrap();
    cache.tidy("kind", NOTHING);
    assert_eq!(entry.get(), None);
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "whole");
}

#[test]
fn what_a_process_is_making_stays_and_what_a_killed_one_left_goes() {
    let (_temp, cache) = open();
    let mut maker = Maker::start(&cache);
    maker.wait_for("making");
    cache.tidy("kind", NOTHING);
    assert_eq!(hidden(&cache).len(), 2, "its directory and its lock");
    maker.let_go();
    maker.wait_for("found whole");
    cache.tidy("kind", NOTHING);
    assert!(cache.keys("kind").unwrap().is_empty());

    let mut killed = Maker::start(&cache);
    killed.wait_for("making");
    killed.child.kill().unwrap();
    killed.child.wait().unwrap();
    assert_eq!(hidden(&cache).len(), 2);
    cache.tidy("kind", NOTHING);
    assert_eq!(hidden(&cache), [""; 0]);
}

#[test]
fn a_process_that_uses_an_entry_does_not_notice_that_another_one_removes_it_all_the_time() {
    let (_temp, cache) = open();
    let (_crate, module) = module_path!().split_once("::").unwrap();
    let mut user = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", &format!("{module}::child_user")])
        .env(CHILD_CACHE, cache.root())
        .spawn()
        .unwrap();
    while user.try_wait().unwrap().is_none() {
        cache.tidy("kind", NOTHING);
    }
    assert!(user.wait().unwrap().success());
}

/// Not a test of its own: the test above runs it in another process.
#[test]
fn child_user() {
    let Some(root) = std::env::var_os(CHILD_CACHE) else {
        return;
    };
    let cache = Cache::open(Some(root.into())).unwrap();
    // It ends only because somebody removes the entry again and again.
    let mut made = 0;
    while made < 50 {
        let entry = cache.entry("kind", "key").unwrap();
        let make = |directory: &Path| {
            made += 1;
            write_result(directory)
        };
        let directory = entry.get_or_make(&Silent, make).unwrap();
        entry.note_use();
        match fs::read_to_string(directory.join("result")) {
            Ok(text) => assert_eq!(text, "whole"),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound),
        }
    }
}
